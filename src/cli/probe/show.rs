//! Findings → text for people. Must not know: how they were found.

use std::fmt::Write;

use super::certificate::Facts;
use super::findings::Findings;
use super::found::{Order, Version};
use super::same::Verdict;
use super::table::{Table, wrapped};
use crate::tls::wire::codes;

pub(super) fn findings(found: &Findings) -> String {
    let mut text = String::new();
    line(&mut text, format_args!("{}\n", head(&found.target, found.server_name.as_deref())));
    for known in &found.versions {
        version(&mut text, known);
    }
    for one in &found.certificates {
        certificate(&mut text, "certificate", one);
    }
    line(&mut text, format_args!(""));
    if let Some(refused) = &found.without_server_name {
        fact(&mut text, "without a server name", refused);
    }
    for one in &found.resumption {
        let value = match (one.offered, one.resumed) {
            (_, true) => "yes",
            (true, false) => "offered, but the session is not resumed",
            (false, false) => "no",
        };
        fact(&mut text, &format!("resumption in {}", one.version), value);
    }
    let alpn = if found.alpn.is_empty() { "none of the protocols offered".into() } else { found.alpn.join(", ") };
    fact(&mut text, "ALPN", &alpn);
    for (what, seen) in [
        ("stops a fallback (TLS_FALLBACK_SCSV)", found.stops_fallback),
        ("secure renegotiation", found.secure_renegotiation),
        ("extended master secret", found.extended_master_secret),
        ("asks for a client certificate", Some(found.asks_for_client_certificate).filter(|asks| *asks)),
    ] {
        if let Some(seen) = seen {
            fact(&mut text, what, if seen { "yes" } else { "no" });
        }
    }
    for note in &found.notes {
        fact(&mut text, "note", note);
    }
    if let Some(expectation) = &found.expectation {
        let holds = if expectation.holds { "holds" } else { "does not hold" };
        line(&mut text, format_args!("\npolicy {} {holds}", expectation.policy));
        for difference in &expectation.differences {
            line(&mut text, format_args!("  {difference}"));
        }
    }
    text
}

fn version(text: &mut String, version: &Version) {
    let name = codes::version_name(version.version);
    if !version.accepted {
        let why = version.refusal.as_deref().unwrap_or("it refuses");
        return line(text, format_args!("{name}  no ({why})"));
    }
    let order = match version.cipher_order {
        Some(Order::Server) => ", the server's order counts",
        Some(Order::Client) => ", the client's order counts",
        None => "",
    };
    line(text, format_args!("{name}  yes{order}"));
    for suite in &version.suites {
        let openssl = suite.openssl_name.filter(|name| *name != suite.name).unwrap_or_default();
        let bits = suite.dh_bits.map(|bits| format!("  DH {bits} bits")).unwrap_or_default();
        let weakness = suite.weakness.map(|weakness| format!("  ! {weakness}")).unwrap_or_default();
        let shown = format!("  {:46} {openssl:32}{bits}{weakness}", suite.name);
        line(text, format_args!("{}", shown.trim_end()));
    }
    if !version.groups.is_empty() {
        let list: Vec<_> = version.groups.iter().map(|group| codes::group_name(*group)).collect();
        let order = match version.group_order {
            Some(Order::Server) => " (the server's order counts)",
            Some(Order::Client) => " (the client's order counts)",
            None => "",
        };
        let more = if version.groups_complete { "" } else { "; there may be more behind the certificate's curve" };
        line(text, format_args!("  groups: {}{order}{more}", list.join(", ")));
    }
}

/// Which server was probed, and how.
pub(super) fn head(target: &str, name: Option<&str>) -> String {
    format!("{target}, {}", name.map_or("no server name".into(), |name| format!("server name {name}")))
}

pub(super) fn certificate(text: &mut String, heading: &str, one: &Facts) {
    line(text, format_args!("\n{heading}  {}, {}", one.key, one.subject));
    fact(text, "names", &one.names.join(", "));
    fact(text, "issuer", &one.issuer);
    let days = match one.days_left {
        left @ ..0 => format!("EXPIRED {} days ago", -left),
        left => format!("{left} days left"),
    };
    fact(text, "valid", &format!("{} to {} ({days})", one.not_before, one.not_after));
    fact(text, "SHA-256", &one.sha256);
    fact(text, "SPKI SHA-256", &one.spki_sha256);
    let trust = if one.trust.verified { "verified" } else { "not verified" };
    let words: Vec<&str> = one.trust.reason.split(' ').collect();
    fact(text, trust, &wrapped(&words, " ", trust.len() + 4, 4));
    fact(text, "chain", &format!("{} sent", one.chain_length));
    one.defects.iter().for_each(|defect| fact(text, "defect", defect));
    let shown_to = "shown to";
    fact(text, shown_to, &wrapped(&one.shown_to, "; ", shown_to.len() + 4, 4));
}

/// The certificates as a table, numbered from 1.
pub(super) fn certificates_as_markdown(all: &[Facts]) -> String {
    let mut table = Table::new(&["cert", "key", "names", "issuer", "valid until", "trust", "SHA-256"]);
    for (number, one) in (1..).zip(all) {
        let trust = if one.trust.verified { "verified" } else { &one.trust.reason };
        let (names, until) = (one.names.join(", "), format!("{} ({} days)", one.not_after, one.days_left));
        let number: u32 = number;
        let cells = [&number.to_string(), &one.key, &names, &one.issuer, &until, trust, &one.sha256];
        table.row(cells.map(str::to_owned).to_vec());
    }
    table.markdown()
}

pub(super) fn verdict(verdict: &Verdict) -> String {
    let mut text = String::new();
    line(&mut text, format_args!("{}: {}\n", verdict.target, verdict.conclusion));
    for step in &verdict.evidence {
        let mark = match step.speaks_for {
            Some(true) => "+",
            Some(false) => "-",
            None => "·",
        };
        line(&mut text, format_args!("  {mark} {}", step.finding));
    }
    line(&mut text, format_args!("\n{}", verdict.limits));
    text
}

fn fact(text: &mut String, what: &str, value: &str) {
    line(text, format_args!("  {what}: {value}"));
}

fn line(text: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{what}");
}
