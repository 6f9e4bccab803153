//! Certificates → text for people. What needs attention is in capitals. Must not know: where they come from.

use std::fmt::Write as _;

use crate::cli::answer::print::visible;
use crate::cli::cert::shape::hex;
use crate::cli::cert::shown::Shown;
use crate::tls::certificate::chain::{Chain, End};
use crate::tls::certificate::expiry;
use crate::tls::certificate::inspect::Facts;
use crate::tls::certificate::inventory::{Item, Key};
use crate::tls::certificate::x509::rfc3339;
use crate::tls::crypto::Verified;

/// A line for each, under its listener or the admin server.
pub(super) fn list(all: &[Shown], now: i64) -> String {
    let mut text = String::new();
    let mut last = None;
    let widest = |column: fn(&Shown) -> String| all.iter().map(|shown| column(shown).chars().count()).max();
    let (names, keys) = (widest(names).unwrap_or_default().min(WIDEST), widest(key).unwrap_or_default());
    for shown in all {
        let by = shown.served.as_ref().map(|served| &served.listener);
        if by != last {
            // Writing to a String cannot fail, here and below.
            let _ = match by {
                Some(Some(listener)) => writeln!(text, "listener {listener}"),
                Some(None) => writeln!(text, "admin"),
                None => Ok(()),
            };
            last = by;
        }
        let leaf = shown.item.leaf();
        let (name, key, chain) = (self::names(shown), self::key(shown), short_end(&shown.item, now));
        let validity = match leaf.days_left(now) {
            _ if leaf.not_before > now => "NOT YET VALID".to_owned(),
            days if days < 0 => format!("EXPIRED {}", date(leaf.not_after)),
            days if is_soon(leaf, now) => format!("SOON    {} ({days} days)", date(leaf.not_after)),
            days => format!("until   {} ({days} days)", date(leaf.not_after)),
        };
        let _ = writeln!(text, "  {name:<names$}  {key:<keys$}  {validity:<30}  {chain:<10}  {}", visible(&shown.path));
    }
    text
}

/// A paragraph for each.
pub(super) fn show(all: &[Shown], now: i64) -> String {
    let paragraphs: Vec<String> = all.iter().map(|shown| paragraph(shown, now)).collect();
    paragraphs.join("\n")
}

fn paragraph(shown: &Shown, now: i64) -> String {
    let Item { facts, chain, key, unread } = &shown.item;
    let leaf = shown.item.leaf();
    let mut text = format!("{}\n", visible(&shown.path));
    let mut line = |what: &str, value: &str| {
        let _ = writeln!(text, "  {what:<12} {}", visible(value));
    };
    line("names", &if leaf.names.is_empty() { "-".into() } else { leaf.names.join(", ") });
    line("subject", &leaf.subject);
    line("issuer", &leaf.issuer);
    line("key", &key_size(leaf));
    line("private key", &private(key));
    line("signature", &leaf.signature);
    line("valid", &validity(leaf, now));
    line("serial", &leaf.serial);
    line("sha256", &hex(&leaf.sha256));
    line("spki sha256", &hex(&leaf.spki_sha256));
    match &leaf.scts {
        Ok(scts) => line("SCTs", &scts.len().to_string()),
        Err(error) => line("SCTs", &format!("UNREADABLE: {error}")),
    }
    line("chain", &end(chain, facts));
    for (at, link) in chain.order.iter().skip(1).zip(&chain.links) {
        let issuer = &facts[*at];
        let signed = match link {
            Verified::Yes => "signed the one before",
            Verified::No => "DID NOT SIGN THE PREVIOUS CERTIFICATE",
            Verified::Unknown => "the signature's algorithm is not supported here",
        };
        line("", &format!("{} ({}): {signed}; {}", issuer.subject, key_size(issuer), validity(issuer, now)));
    }
    for at in &chain.others {
        line("", &format!("leads to another root: {}, issued by {}", facts[*at].subject, facts[*at].issuer));
    }
    for at in &chain.strangers {
        line("", &format!("NOT PART OF THE CHAIN: {}", facts[*at].subject));
    }
    for part in unread {
        line("NOT READ", &part.to_string());
    }
    text
}

fn end(chain: &Chain, facts: &[Facts]) -> String {
    let count = match chain.order.len() {
        1 => "1 certificate".to_owned(),
        more => format!("{more} certificates"),
    };
    let order = match (chain.in_order, chain.order.len()) {
        (false, _) => ", NOT IN ORDER in the file (tlsgate sends them in order)",
        (true, 1) => "",
        (true, _) => ", in order",
    };
    let last = chain.order.last().map(|at| &facts[*at]);
    let issuer = last.map(|last| last.issuer.as_str()).unwrap_or_default();
    let end = match chain.end {
        End::SelfSigned => "self-signed".to_owned(),
        End::Root => "the root is included, which no client needs".to_owned(),
        End::Anchored(at) => format!("complete: its issuer, {}, is a trusted root", facts[at].issuer),
        End::Open => {
            let url = last.and_then(|last| last.issuer_urls.first());
            let from = url.map(|url| format!(", available at {url}")).unwrap_or_default();
            format!(
                "OPEN: its issuer, {issuer}, is neither in the file nor a trusted root: it is either a root of your own (give it with --ca) or a missing intermediate{from}"
            )
        }
    };
    format!("{count}{order}; {end}")
}

fn short_end(item: &Item, now: i64) -> &'static str {
    match item.chain.end {
        _ if item.chain.links.contains(&Verified::No) => "BROKEN",
        _ if !item.judged().skip(1).all(|issuer| issuer.is_valid_at(now)) => "EXPIRED",
        End::SelfSigned => "self-signed",
        End::Root => "root incl.",
        End::Anchored(_) => "complete",
        End::Open => "open",
    }
}

fn private(key: &Key) -> String {
    match key {
        Key::None => "none here".into(),
        Key::Matches(path) => format!("matches ({})", path.display()),
        Key::Strange(path) => format!("BELONGS TO ANOTHER CERTIFICATE ({})", path.display()),
        Key::Unusable(path, reason) => format!("UNUSABLE: {} {reason}", path.display()),
    }
}

fn validity(facts: &Facts, now: i64) -> String {
    let (from, until) = (rfc3339(facts.not_before), rfc3339(facts.not_after));
    let days = facts.days_left(now);
    let left = match days {
        _ if facts.not_before > now => "NOT YET VALID".to_owned(),
        // `days_left` rounds down: -1 is the first day after the expiry.
        -1 => "EXPIRED less than a day ago".to_owned(),
        days if days < 0 => format!("EXPIRED {} ago", count(-days - 1)),
        days if is_soon(facts, now) => format!("EXPIRES SOON: {} left", count(days)),
        days => format!("{} left", count(days)),
    };
    format!("{from} to {until}, {left}")
}

fn is_soon(facts: &Facts, now: i64) -> bool {
    expiry::is_soon(facts.not_before, facts.not_after, now)
}

fn count(days: i64) -> String {
    if days == 1 { "1 day".into() } else { format!("{days} days") }
}

fn names(shown: &Shown) -> String {
    let served = shown.served.as_ref().map(|served| served.names.as_slice());
    let names = served.filter(|names| !names.is_empty()).unwrap_or(&shown.item.leaf().names);
    let (first, more) = match names {
        [] => return "-".into(),
        [first, more @ ..] => (first, more.len()),
    };
    if more == 0 { first.clone() } else { format!("{first} +{more}") }
}

fn key(shown: &Shown) -> String {
    key_size(shown.item.leaf())
}

/// Key type and size. The name of a curve includes its size.
fn key_size(facts: &Facts) -> String {
    match (facts.key.as_str(), facts.key_bits) {
        ("RSA", Some(bits)) => format!("RSA {bits}"),
        _ => facts.key.clone(),
    }
}

fn date(seconds: i64) -> String {
    rfc3339(seconds).split('T').next().unwrap_or_default().to_owned()
}

/// The largest width of the column of names. A longer name moves the rest of its line to the right.
const WIDEST: usize = 40;
