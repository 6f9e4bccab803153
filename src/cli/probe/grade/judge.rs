//! A guideline and what was found → what the guideline does not allow, each with its reason. Pure. Must not know: the
//! guidelines, how findings are made.

use super::guideline::{Certificates, Groups, Guideline};
use crate::cli::probe::certificate::Facts;
use crate::cli::probe::findings::Findings;
use crate::cli::probe::found::Version;
use crate::cli::probe::proof::{self, Proof};
use crate::tls::wire::codes;
use crate::tls::wire::codes::versions::{TLS10, TLS12, TLS13};

/// What a guideline says of a server.
#[derive(Debug, Default)]
pub(super) struct Judged {
    pub(super) breaches: Vec<String>,
    pub(super) remarks: Vec<String>,
}

pub(super) fn judge(guideline: &Guideline, found: &Findings) -> Judged {
    let mut judged = Judged::default();
    let allowed: Vec<u16> = guideline.versions.iter().filter_map(|name| version(name)).collect();
    for one in found.versions.iter().filter(|version| version.accepted) {
        let name = codes::version_name(one.version);
        // No weakness: it was made before that version.
        if allowed.iter().all(|known| *known < one.version) {
            judged.remarks.push(format!("{name} is accepted, which is newer than what the guideline allows"));
            continue;
        }
        if !allowed.contains(&one.version) {
            judged.breaches.push(format!("{name} is accepted: the guideline allows {}", guideline.versions.join(", ")));
            continue;
        }
        judged.breaches.extend(one.incomplete.as_ref().map(|why| format!("{name}: {why}")));
        suites_of(guideline, one, &mut judged);
        groups_of(guideline, one, &mut judged);
    }
    for missing in found.versions.iter().filter(|one| !one.accepted && allowed.contains(&one.version)) {
        judged
            .remarks
            .push(format!("{} is not accepted, and the guideline allows it", codes::version_name(missing.version)));
    }
    post_quantum(guideline, found, &mut judged);
    if let Some(certificates) = &guideline.certificates {
        for (number, one) in (1..).zip(&found.certificates) {
            certificate(certificates, number, one, &mut judged);
        }
        signatures(found, &allowed, &mut judged);
    }
    judged
}

fn suites_of(guideline: &Guideline, version: &Version, judged: &mut Judged) {
    let name = codes::version_name(version.version);
    let allowed: Vec<u16> = guideline.suites.iter().filter_map(|name| codes::suite(name)).map(u16::from).collect();
    // Together with those that have the same weakness: a server may accept more than a hundred.
    let mut by_reason: Vec<(&str, Vec<&str>)> = Vec::new();
    for suite in version.suites.iter().filter(|suite| !allowed.contains(&suite.id)) {
        let reason = suite.weakness.unwrap_or("not in its list");
        match by_reason.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, suites)) => suites.push(&suite.name),
            None => by_reason.push((reason, vec![&suite.name])),
        }
    }
    for (reason, suites) in by_reason {
        judged.breaches.push(format!("{name}: the guideline does not allow {} ({reason})", suites.join(", ")));
    }
    let Some(least) = guideline.dh_bits else { return };
    let short =
        version.suites.iter().filter(|suite| allowed.contains(&suite.id)).filter_map(|suite| suite.dh_bits).min();
    if let Some(bits) = short.filter(|bits| *bits < least) {
        judged.breaches.push(format!("{name}: DHE has {bits} bits: the guideline requires {least}"));
    }
}

fn groups_of(guideline: &Guideline, version: &Version, judged: &mut Judged) {
    let Groups::Only(names) = guideline.groups else { return };
    let allowed: Vec<u16> = names.iter().filter_map(|name| codes::group(name)).map(u16::from).collect();
    let others: Vec<_> =
        version.groups.iter().filter(|group| !allowed.contains(group)).map(|group| codes::group_name(*group)).collect();
    // SSLv3 and what uses no groups has none.
    if version.version >= TLS12 && !others.is_empty() {
        let name = codes::version_name(version.version);
        judged.breaches.push(format!(
            "{name}: groups {} are accepted: the guideline allows {}",
            others.join(", "),
            names.join(", ")
        ));
    }
}

fn post_quantum(guideline: &Guideline, found: &Findings, judged: &mut Judged) {
    let accepted = |group: &u16| codes::group_name(*group).contains("MLKEM");
    let has = found.versions.iter().any(|version| version.version == TLS13 && version.groups.iter().any(accepted));
    if matches!(guideline.groups, Groups::PostQuantum) && !has {
        judged.breaches.push("no post-quantum group is accepted: the guideline requires one".into());
    }
}

/// A guideline for certificates is met only by who has their keys.
fn signatures(found: &Findings, allowed: &[u16], judged: &mut Judged) {
    if found.certificates.is_empty() {
        judged.breaches.push("no certificate was seen: the guideline has rules for it".into());
    }
    for one in found.signatures.iter().filter(|one| allowed.contains(&one.version)) {
        match one.result {
            Proof::Wrong => judged.breaches.push(proof::is_wrong(one.version)),
            // Below TLS 1.2 there is none that could be verified.
            Proof::Unchecked if one.version >= TLS12 => judged.breaches.push(proof::is_missing(one.version)),
            _ => {}
        }
    }
}

fn certificate(allowed: &Certificates, number: u32, one: &Facts, judged: &mut Judged) {
    let mut breach = |what: String| judged.breaches.push(format!("certificate {number}: {what}"));
    let (kind, rest) = one.key.split_once(' ').unwrap_or((&one.key, ""));
    if !allowed.kinds.contains(&kind) {
        breach(format!("its key is {}: the guideline allows {}", one.key, allowed.kinds.join(", ")));
    } else if kind == "ECDSA" && !allowed.curves.contains(&rest) {
        breach(format!("its key is on {rest}: the guideline allows {}", allowed.curves.join(", ")));
    }
    if let (Some(least), Some(bits)) = (allowed.rsa_bits, rest.parse::<u64>().ok().filter(|_| kind == "RSA"))
        && bits < least
    {
        breach(format!("its RSA key has {bits} bits: the guideline requires {least}"));
    }
    if !allowed.signatures.iter().any(|signature| signature.eq_ignore_ascii_case(&one.signature)) {
        breach(format!("it is signed with {}: the guideline allows {}", one.signature, allowed.signatures.join(", ")));
    }
    let days = one.lifetime_days;
    if days > allowed.most_days {
        breach(format!("it is valid for {days} days: the guideline allows {}", allowed.most_days));
    } else if days > allowed.advised_days {
        let text = format!(
            "certificate {number}: it is valid for {days} days: the guideline advises {}",
            allowed.advised_days
        );
        judged.remarks.push(text);
    }
}

/// The names of guidelines are OpenSSL's, for which TLS 1.0 is `TLSv1`.
fn version(name: &str) -> Option<u16> {
    let name = if name == "TLSv1" { "TLSv1.0" } else { name };
    (TLS10..=TLS13).find(|version| codes::version_name(*version) == name)
}

#[cfg(test)]
mod tests;
