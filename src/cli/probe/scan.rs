//! Finds the versions, suites and groups that a server accepts, with one ClientHello after the other, until it refuses the
//! rest. Must not know: certificates, how findings are shown.

use super::ask::{Answer, Asker, ProbeError};
use super::found::{Order, Seen, Version, suite};
use super::groups;
use super::hello::Offer;
use super::refusal::{self, refusal};
use super::reply::{Reply, ServerHello};
use super::suites::{self, Authentication, Exchange};
use crate::tls::wire::codes;
use crate::tls::wire::codes::extensions::{EXTENDED_MASTER_SECRET, RENEGOTIATION_INFO};
use crate::tls::wire::codes::versions::{SSL3, TLS13};

/// Asks about every version, newest first.
pub(super) fn versions(asker: &mut Asker, name: Option<&str>) -> Result<(Vec<Version>, Seen), ProbeError> {
    let mut seen = Seen::default();
    let mut versions = Vec::new();
    // The numbers of the versions are consecutive, from 0x0300 to 0x0304.
    for version in (SSL3..=TLS13).rev() {
        versions.push(
            Scan { asker, name, version, shares: &[], incomplete: None, without: None, seen: &mut seen }.version()?,
        );
    }
    Ok((versions, seen))
}

/// Whether the server refuses a client that has fallen back to a lower version than necessary (RFC 7507). `None` where the
/// server accepts only one version.
pub(super) fn stops_fallback(
    asker: &mut Asker,
    name: Option<&str>,
    versions: &[Version],
) -> Result<Option<bool>, ProbeError> {
    let mut accepted = versions.iter().filter(|version| version.accepted);
    let (Some(_), Some(lower)) = (accepted.next(), accepted.next()) else { return Ok(None) };
    let ids: Vec<u16> = lower.suites.iter().map(|suite| suite.id).collect();
    let curves = groups::of_tls12();
    let offer = Offer { is_fallback: true, ..plain_offer(lower.version, name, &ids, &curves) };
    Ok(Some(matches!(asker.ask(&offer)?, Answer::Alert(INAPPROPRIATE_FALLBACK))))
}

/// A hello with nothing special about it.
pub(super) fn plain_offer<'a>(version: u16, name: Option<&'a str>, suites: &'a [u16], groups: &'a [u16]) -> Offer<'a> {
    Offer {
        version,
        suites,
        groups,
        schemes: groups::SCHEMES,
        server_name: name,
        alpn: &[],
        shares: &[],
        is_fallback: false,
    }
}

struct Scan<'a> {
    asker: &'a mut Asker,
    name: Option<&'a str>,
    version: u16,
    shares: &'a [u16],
    incomplete: Option<String>,
    /// The answer that is this server's way to refuse, where that is no alert.
    without: Option<Answer>,
    seen: &'a mut Seen,
}

impl Scan<'_> {
    fn version(&mut self) -> Result<Version, ProbeError> {
        let all = suites::of(self.version);
        let (mut found, mut end) = self.suites(&all)?;
        if found.is_empty() && self.version == TLS13 && end != Answer::Alert(PROTOCOL_VERSION) {
            // Not every server answers a hello without a key share with a HelloRetryRequest.
            self.shares = &[codes::groups::X25519];
            (found, end) = self.suites(&all)?;
        }
        // Some servers refuse a hello with so many suites, or fail to read it.
        if found.is_empty() && !matches!(end, Answer::Alert(PROTOCOL_VERSION) | Answer::Agreed(..)) {
            found = self.in_portions(&all)?;
            let ids: Vec<u16> = found.iter().map(|(suite, _)| *suite).collect();
            // Each portion was in order by itself. Offered together, the suites found show their order overall.
            if ids.len() > 1 {
                let (ordered, _) = self.suites(&ids)?;
                found = if ordered.len() == found.len() { ordered } else { found };
            }
        }
        let ids: Vec<u16> = found.iter().map(|(suite, _)| *suite).collect();
        let cipher_order = self.order(&ids, |scan, list| Ok(scan.agree(list, None)?.map(|(hello, _)| hello.suite)))?;
        let (groups, groups_complete) = self.groups(&ids)?;
        let group_order = self.order(&groups, |scan, list| scan.group(&ids, list))?;
        let refusal = found.is_empty().then(|| refusal(&end));
        Ok(Version {
            version: self.version,
            accepted: !found.is_empty(),
            suites: found.into_iter().map(|(id, dh_bits)| suite(id, dh_bits)).collect(),
            cipher_order,
            groups,
            group_order,
            groups_complete,
            incomplete: self.incomplete.take(),
            refuses_without_alert: self.without.as_ref().map(refusal::refusal),
            refusal,
        })
    }

    /// What the server accepts of a list that is too long for it.
    fn in_portions(&mut self, all: &[u16]) -> Result<Vec<(u16, Option<usize>)>, ProbeError> {
        let (mut found, mut cut) = (Vec::new(), Vec::new());
        for chunk in all.chunks(CHUNK) {
            let (mut some, end) = self.suites(chunk)?;
            if some.is_empty() && refusal::is_cut(&end) {
                cut.push(chunk);
            }
            found.append(&mut some);
        }
        // Nobody has refused these, so there may be more in them. A single loss may be an accident.
        for chunk in if found.is_empty() { Vec::new() } else { cut } {
            let (mut some, end) = self.suites(chunk)?;
            if some.is_empty() && refusal::is_cut(&end) {
                self.settle_portion(chunk, &end, &found)?;
            }
            found.append(&mut some);
        }
        Ok(found)
    }

    /// A portion was cut twice. It has to get through beside what is served: somebody on the way may let nobody offer it.
    fn settle_portion(
        &mut self,
        chunk: &[u16],
        cut: &Answer,
        found: &[(u16, Option<usize>)],
    ) -> Result<(), ProbeError> {
        let served: Vec<u16> = found.iter().map(|(suite, _)| *suite).collect();
        let passes = self.agree(&[chunk, &served].concat(), None)?;
        if passes.is_some_and(|(hello, _)| served.contains(&hello.suite)) {
            return self.settle("suites", cut, (&[NEVER], None), &served);
        }
        self.incomplete.get_or_insert_with(|| refusal::cut("suites", cut));
        Ok(())
    }

    /// Removes what the server chooses from the offer, and offers the rest, until the server refuses. Returns what it
    /// chose, with the size of a DHE prime, and its last answer.
    fn suites(&mut self, offered: &[u16]) -> Result<(Vec<(u16, Option<usize>)>, Answer), ProbeError> {
        let mut left = offered.to_vec();
        let (mut found, mut again) = (Vec::new(), false);
        loop {
            let answer = self.ask(&left, None)?;
            match answer {
                Answer::Agreed(hello, reply) if hello.version == self.version && left.contains(&hello.suite) => {
                    left.retain(|suite| *suite != hello.suite);
                    found.push((hello.suite, reply.key_exchange.and_then(|exchange| exchange.dh_bits)));
                    self.notice(&hello, *reply);
                }
                other if found.is_empty() || refusal::is_end(&other, self.version) || again => {
                    if !found.is_empty() && !refusal::is_end(&other, self.version) {
                        let served: Vec<u16> = found.iter().map(|(suite, _)| *suite).collect();
                        self.settle("suites", &other, (&[NEVER], None), &served)?;
                    }
                    return Ok((found, other));
                }
                // A single loss may be an accident.
                _ => {
                    again = true;
                    continue;
                }
            }
            again = false;
            // The server accepted every suite, and an empty list cannot be offered.
            if left.is_empty() {
                return Ok((found, Answer::Closed));
            }
        }
    }

    /// The groups, and whether there can be no others.
    fn groups(&mut self, accepted: &[u16]) -> Result<(Vec<u16>, bool), ProbeError> {
        let known = if self.version == TLS13 { groups::of_tls13() } else { groups::of_tls12() };
        let suites = self.group_suites(accepted);
        let (mut left, mut found, mut again) = (known, Vec::new(), false);
        if suites.is_empty() || self.version == SSL3 {
            return Ok((found, true));
        }
        // The server may need the curve of its own certificate in the list. So the groups already found are offered again,
        // after the ones that are not found yet.
        let needs_curve = suites.iter().all(|suite| suites::authentication(*suite) == Authentication::Ecdsa);
        loop {
            if left.is_empty() {
                return Ok((found, true));
            }
            let mut answer = self.ask(&suites, Some(&left))?;
            let mut chosen = self.chosen(&answer);
            if chosen.is_none() && needs_curve && !found.is_empty() {
                answer = self.ask(&suites, Some(&[&left[..], &found[..]].concat()))?;
                chosen = self.chosen(&answer);
            }
            match chosen.filter(|group| left.contains(group)) {
                Some(group) => {
                    left.retain(|other| *other != group);
                    found.push(group);
                    again = false;
                }
                // A single loss may be an accident.
                None if !again && !found.is_empty() && refusal::is_cut(&answer) => again = true,
                None => {
                    if !found.is_empty() && refusal::is_cut(&answer) {
                        self.settle("groups", &answer, (&suites, Some(&[NEVER])), &suites)?;
                    }
                    return Ok((found, !needs_curve));
                }
            }
        }
    }

    /// A list has ended without an alert, twice. `control` has suites and groups that no server can accept together. If that
    /// ends in the same way, and what was served is served still, this is how the server refuses; otherwise there may be more.
    fn settle(
        &mut self,
        what: &str,
        cut: &Answer,
        control: (&[u16], Option<&[u16]>),
        served: &[u16],
    ) -> Result<(), ProbeError> {
        let of_groups = control.1.is_some();
        let is_known = !of_groups && self.without.as_ref() == Some(cut);
        if is_known || self.incomplete.is_some() {
            return Ok(());
        }
        // A server that needs a key share refuses every group for which the probe has none.
        let may_want_a_share = of_groups && !self.shares.is_empty();
        let is_its_way = matches!(cut, Answer::Closed | Answer::Reset)
            && !may_want_a_share
            && self.ask(control.0, control.1)? == *cut
            && self.agree(served, None)?.is_some();
        if is_its_way {
            self.without = Some(cut.clone());
        } else {
            self.incomplete = Some(refusal::cut(what, cut));
        }
        Ok(())
    }

    /// The suites whose use shows a group: all suites of TLS 1.3; below, those with ECDHE, preferably with a certificate
    /// that has no curve of its own.
    fn group_suites(&self, accepted: &[u16]) -> Vec<u16> {
        if self.version == TLS13 {
            return accepted.to_vec();
        }
        let with_curve = |suite: &&u16| suites::exchange(**suite) == Exchange::Ecdhe;
        let (bound, free): (Vec<u16>, Vec<u16>) = accepted
            .iter()
            .filter(with_curve)
            .partition(|suite| suites::authentication(**suite) == Authentication::Ecdsa);
        if free.is_empty() { bound } else { free }
    }

    /// The group that the server chooses.
    fn group(&mut self, suites: &[u16], groups: &[u16]) -> Result<Option<u16>, ProbeError> {
        let answer = self.ask(&self.group_suites(suites), Some(groups))?;
        Ok(self.chosen(&answer))
    }

    fn chosen(&self, answer: &Answer) -> Option<u16> {
        match answer {
            Answer::Agreed(hello, reply) if hello.version == self.version => {
                hello.group.or(reply.key_exchange.and_then(|exchange| exchange.group))
            }
            _ => None,
        }
    }

    /// Whose order decides. Offers what was found in reverse, so that the two orders give different choices.
    fn order(
        &mut self,
        found: &[u16],
        choose: impl Fn(&mut Self, &[u16]) -> Result<Option<u16>, ProbeError>,
    ) -> Result<Option<Order>, ProbeError> {
        let (Some(first), Some(last)) = (found.first(), found.last().filter(|_| found.len() > 1)) else {
            return Ok(None);
        };
        let reversed: Vec<u16> = found.iter().rev().copied().collect();
        Ok(match choose(self, &reversed)? {
            Some(chosen) if chosen == *first => Some(Order::Server),
            Some(chosen) if chosen == *last => Some(Order::Client),
            _ => None,
        })
    }

    fn agree(
        &mut self,
        suites: &[u16],
        groups: Option<&[u16]>,
    ) -> Result<Option<(ServerHello, Box<Reply>)>, ProbeError> {
        Ok(match self.ask(suites, groups)? {
            Answer::Agreed(hello, reply) if hello.version == self.version => Some((hello, reply)),
            _ => None,
        })
    }

    fn ask(&mut self, suites: &[u16], groups: Option<&[u16]>) -> Result<Answer, ProbeError> {
        let all = if self.version == TLS13 { groups::of_tls13() } else { groups::of_tls12() };
        let offer = plain_offer(self.version, self.name, suites, groups.unwrap_or(&all));
        // A share for a group that is not offered is an error (RFC 8446 section 4.2.8).
        let shares = if offer.groups.contains(&codes::groups::X25519) { self.shares } else { &[] };
        self.asker.ask(&Offer { shares, ..offer })
    }

    fn notice(&mut self, hello: &ServerHello, reply: Reply) {
        // SSL 3.0 has no extensions, and TLS 1.3 needs neither of these two.
        if self.version < TLS13 && self.version > SSL3 {
            self.seen.secure_renegotiation.get_or_insert(hello.extensions.contains(&RENEGOTIATION_INFO));
            self.seen.extended_master_secret.get_or_insert(hello.extensions.contains(&EXTENDED_MASTER_SECRET));
        }
        self.seen.asks_for_certificate |= reply.asks_for_certificate;
        let chain = (self.version, reply.certificates);
        let room = self.seen.chains.len() < MAX_CHAINS;
        if room && !chain.1.is_empty() && !self.seen.chains.iter().any(|(_, known)| known.first() == chain.1.first()) {
            self.seen.chains.push(chain);
        }
    }
}

/// A suite, and a group, that no server can accept: a value that is never assigned (RFC 8701).
const NEVER: u16 = 0x6a6a;

/// How many suites are offered at a time to a server that cannot read them all: common clients offer fewer than 64.
const CHUNK: usize = 56;

/// How many different certificates of a server are recorded here.
const MAX_CHAINS: usize = 32;

const PROTOCOL_VERSION: u8 = 70;
const INAPPROPRIATE_FALLBACK: u8 = 86;
