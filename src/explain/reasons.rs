//! What the choice of a certificate examined → sentences with the step that decided (docs/tools.md lists the steps).
//! Must not know: how the choice is made.

use std::borrow::{Borrow, Cow};
use std::net::IpAddr;
use std::sync::Arc;

use rustls::ProtocolVersion;

use crate::explain::answer::{Candidate, Verdict, tier_name};
use crate::route::index;
use crate::tls::certificate::certified::Certificate;
use crate::tls::certificate::certified::algorithm::{Family, KeyType};
use crate::tls::certificate::name::Name;
use crate::tls::certificate::select;
use crate::tls::certificate::select::{Decided, Rank, Tier};
use crate::tls::certificate::x509::rfc3339;
use crate::tls::handshake::Terminator;
use crate::tls::handshake::refusal::Refusal;
use crate::tls::handshake::terms::Terms;
use crate::tls::wire::codes;
use crate::tls::wire::hello::Hello;

type Seen = (Arc<Certificate>, select::Verdict);

/// Every candidate with its verdict and the reason for it, at `now` (seconds since 1970).
pub(super) fn candidates(
    seen: &[Seen],
    hello: &Hello,
    terms: Option<&Terms>,
    address: Option<IpAddr>,
    now: i64,
) -> Vec<Candidate> {
    let ranked = |(certificate, verdict): &Seen| match verdict {
        select::Verdict::Usable(rank) => Some((Arc::clone(certificate), *rank)),
        _ => None,
    };
    // `min_by_key` returns the first of equals, as the choice itself does.
    let best_at = (0..seen.len()).filter_map(|at| Some((at, ranked(&seen[at])?))).min_by_key(|(_, (_, rank))| *rank);
    let about = About { hello, terms, address, now };
    // A certificate that has both the name and a wildcard for it was examined twice. The first verdict is the better
    // one.
    let is_new = |at: usize| seen[..at].iter().all(|(earlier, _)| !Arc::ptr_eq(earlier, &seen[at].0));
    let described = seen.iter().enumerate().filter(|(at, _)| is_new(*at)).map(|(at, (certificate, verdict))| {
        let (matched, verdict, step, reason) = match (verdict, &best_at) {
            (select::Verdict::Usable(rank), Some((best, _))) if *best == at => {
                (rank.tier, Verdict::Served, 1, about.served(certificate, *rank))
            }
            (select::Verdict::Usable(rank), Some((_, (best, of_best)))) => {
                let (step, reason) = about.outranked((best, *of_best), (certificate, *rank));
                (rank.tier, Verdict::Outranked, step, reason)
            }
            (select::Verdict::CurveNotOffered, _) => {
                (about.tier(certificate), Verdict::Dropped, 2, about.curve(certificate))
            }
            // A usable one without a best one cannot occur; it shares this arm.
            (select::Verdict::NoCommonScheme | select::Verdict::Usable(_), _) => {
                (about.tier(certificate), Verdict::Dropped, 2, about.scheme(certificate))
            }
        };
        Candidate {
            certificate: certificate.label.to_string(),
            key_type: certificate.key_type.to_string(),
            key_bits: certificate.key_bits,
            matched: tier_name(matched),
            verdict,
            step,
            reason,
        }
    });
    described.collect()
}

/// What the client offers and what the policy allows, for a client that is refused.
pub(super) fn refused(refusal: Refusal, terminator: &Terminator, hello: &Hello) -> String {
    let policy = &terminator.policy;
    let against = |offered: Vec<Cow<'static, str>>, allowed: Vec<Cow<'static, str>>| {
        format!("the client offers {}; the policy has {}", listed(&offered), listed(&allowed))
    };
    match refusal {
        Refusal::NoCommonVersion => against(
            hello.versions.iter().map(|version| codes::version_name(*version)).collect(),
            policy.versions.iter().map(|version| codes::version_name(*version)).collect(),
        ),
        Refusal::NoCommonSuite => against(
            hello.cipher_suites.iter().map(|suite| codes::suite_name(*suite)).collect(),
            policy.suites.iter().map(|suite| codes::suite_name(*suite)).collect(),
        ),
        Refusal::NoCommonGroup => against(
            hello.groups.iter().map(|group| codes::group_name(*group)).collect(),
            policy.groups.iter().map(|group| codes::group_name(*group)).collect(),
        ),
        Refusal::NoCommonProtocol => {
            let shown = |list: &[Box<[u8]>]| listed(&list.iter().map(|one| index::shown(one)).collect::<Vec<_>>());
            format!("the client offers {}; alpn has {}", shown(&hello.protocols), shown(terminator.alpn()))
        }
        // The refusal's own message is complete.
        Refusal::InappropriateFallback => String::new(),
        Refusal::NoServerName { .. } => "require_sni is on".into(),
        Refusal::UnknownName => "step 1: no certificate has the name, and unknown_name is \"reject\"".into(),
        Refusal::Pending => {
            let pending = terminator.certificates.pending();
            let more = pending.len().checked_sub(SHOWN).filter(|more| *more > 0);
            let more = more.map(|more| format!(" and {more} more")).unwrap_or_default();
            let pending = listed(&pending[..pending.len().min(SHOWN)]);
            format!("step 1: no certificate that is there has the name; pending are {pending}{more}")
        }
        Refusal::NoCommonScheme => {
            "step 5: no key of the certificates with the name fits, and no other certificate is served".into()
        }
    }
}

struct About<'a> {
    hello: &'a Hello,
    terms: Option<&'a Terms>,
    address: Option<IpAddr>,
    now: i64,
}

impl About<'_> {
    fn served(&self, certificate: &Certificate, rank: Rank) -> String {
        let named = match (rank.tier, &self.hello.server_name) {
            (Tier::Exact, _) => "it has the name".to_owned(),
            (Tier::Wildcard, _) => "its wildcard covers the name".to_owned(),
            (Tier::Address, _) => {
                "the client sends no name, and it has the address that the client connected to".into()
            }
            (Tier::Default, Some(_)) => "no certificate has the name, and it is a default one".to_owned(),
            (Tier::Default, None) => "the client sends no name, and it is a default one".to_owned(),
        };
        let scheme = self.terms.and_then(|terms| certificate.scheme_for(&terms.schemes));
        let signs = scheme.map(|scheme| format!("; it can sign in {} (step 2)", codes::scheme_name(scheme)));
        let invalid = rank
            .outside_validity
            .then(|| format!("; it {}, and nothing valid is left (step 3)", validity(certificate, self.now)));
        let chain = rank.unverifiable_chain.then(|| format!("; {}", self.chain(certificate)));
        [named, signs.unwrap_or_default(), invalid.unwrap_or_default(), chain.unwrap_or_default()].concat()
    }

    fn outranked(
        &self,
        (best, of_best): (&Certificate, Rank),
        (certificate, rank): (&Certificate, Rank),
    ) -> (u8, String) {
        match select::decided((best, of_best), (certificate, rank)) {
            Decided::Validity => {
                (3, format!("it {}; the served certificate is valid", validity(certificate, self.now)))
            }
            Decided::Tier if of_best.tier == Tier::Address => {
                (1, "it is a default one; the served certificate has the address that the client connected to".into())
            }
            Decided::Tier => (1, "only its wildcard covers the name; the served certificate has the exact name".into()),
            Decided::Chain => (4, self.chain(certificate)),
            Decided::KeyType if best.key_type.family() == Family::MlDsa => {
                (4, "ML-DSA comes before all other kinds of key".into())
            }
            Decided::KeyType => (4, "ECDSA and Ed25519 come before RSA".into()),
            Decided::Hash => (4, "its own signature has a weaker hash".into()),
            Decided::KeySize => (4, format!("its key of {} bits is smaller", certificate.key_bits)),
            Decided::Expiry => (4, format!("it expires earlier, at {}", rfc3339(certificate.not_after))),
            Decided::FileOrder => (4, "it is as good, and comes later in the configuration".into()),
        }
    }

    fn scheme(&self, certificate: &Certificate) -> String {
        let own: Vec<_> = certificate.key_type.schemes().iter().map(|scheme| codes::scheme_name(*scheme)).collect();
        let allowed: Vec<_> = self
            .terms
            .map(|terms| terms.schemes.iter().map(|scheme| codes::scheme_name(*scheme)).collect())
            .unwrap_or_default();
        let version = match self.terms.map(|terms| terms.version) {
            Some(ProtocolVersion::TLSv1_2) => "TLS 1.2 and the common cipher suites allow",
            _ => "TLS 1.3 allows",
        };
        format!("its key can sign in {}; of the client's schemes, {version} {}", listed(&own), listed(&allowed))
    }

    fn curve(&self, certificate: &Certificate) -> String {
        let curves = self.terms.and_then(|terms| terms.curves.as_deref()).unwrap_or_default();
        let offered: Vec<String> = curves.iter().map(KeyType::to_string).collect();
        let own = certificate.key_type;
        format!("under TLS 1.2 its curve ({own}) must be among the client's groups, which contain {}", listed(&offered))
    }

    fn chain(&self, certificate: &Certificate) -> String {
        let accepted = self.hello.certificate_schemes.as_deref().unwrap_or(&self.hello.signature_schemes);
        let missing = certificate.chain_signatures.iter().find(|any| !any.iter().any(|one| accepted.contains(one)));
        let needs = match missing.and_then(|any| any.first()) {
            Some(scheme) => format!(" ({} is not offered)", codes::scheme_name(*scheme)),
            None => " (TLS has no name for a signature in it)".into(),
        };
        format!("the client's offer does not cover its chain{needs}")
    }

    /// How the certificate matches the client's name or address.
    // The verdict on a dropped certificate does not contain that, so it is found again here.
    fn tier(&self, certificate: &Certificate) -> Tier {
        let name = self.hello.server_name.as_deref().and_then(|name| Name::parse(name).ok());
        let Some(Name::Exact(name)) = name else {
            let nameless = self.address.filter(|_| self.hello.server_name.is_none());
            let matches = nameless.is_some_and(|address| {
                certificate.addresses.iter().any(|own| own.to_canonical() == address.to_canonical())
            });
            return if matches { Tier::Address } else { Tier::Default };
        };
        let parent = name.split_once('.').map(|(_, parent)| parent);
        let has = |name: &Name| certificate.names.contains(name);
        match parent {
            _ if has(&Name::Exact(name.clone())) => Tier::Exact,
            Some(parent) if has(&Name::Wildcard(parent.into())) => Tier::Wildcard,
            _ => Tier::Default,
        }
    }
}

fn validity(certificate: &Certificate, now: i64) -> String {
    match certificate.not_after < now {
        true => format!("expired at {}", rfc3339(certificate.not_after)),
        false => format!("is not valid before {}", rfc3339(certificate.not_before)),
    }
}

fn listed(words: &[impl Borrow<str>]) -> String {
    match words.split_last() {
        None => "nothing".into(),
        Some((last, [])) => last.borrow().to_owned(),
        Some((last, others)) => format!("{} and {}", others.join(", "), last.borrow()),
    }
}

/// Names of pending certificates that are shown: there can be thousands.
const SHOWN: usize = 10;
