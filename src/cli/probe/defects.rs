//! A chain as a server sent it → what is wrong with it for every client, whatever that trusts. Must not know: roots, who was
//! shown the chain.

use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;
use x509_parser::public_key::PublicKey;

use crate::tls::certificate::inspect::Facts;
use crate::tls::certificate::x509;
use crate::tls::crypto::Verified;

/// The defects of a chain, leaf first. `now` in seconds since 1970.
pub(super) fn defects(chain: &[CertificateDer<'_>], name: &ServerName<'_>, now: i64) -> Vec<String> {
    let mut all = Vec::new();
    let facts: Vec<Option<Facts>> = chain.iter().map(|der| Facts::of(der).ok()).collect();
    if let (Some(der), Some(Some(leaf))) = (chain.first(), facts.first()) {
        of_leaf(leaf, der, name, now, &mut all);
    }
    for (number, one) in (1..).zip(facts.iter()) {
        let Some(one) = one else {
            all.push(format!("certificate {number} of the chain is not X.509 in DER"));
            continue;
        };
        of_any(number, one, facts.len() == number && number > 1, &mut all);
    }
    of_keys(chain, &mut all);
    order(chain, &mut all);
    all
}

fn of_leaf(leaf: &Facts, der: &CertificateDer<'_>, name: &ServerName<'_>, now: i64, all: &mut Vec<String>) {
    if now > leaf.not_after {
        all.push("it has expired".into());
    }
    if now < leaf.not_before {
        all.push("it is not valid yet".into());
    }
    if leaf.names.is_empty() {
        all.push("it has no subjectAltName, and clients of today read no other names".into());
    } else if ParsedCertificate::try_from(der).is_ok_and(|leaf| verify_server_name(&leaf, name).is_err()) {
        all.push(format!("it is not for {}", name.to_str()));
    }
    if leaf.is_ca {
        all.push("it is a CA's certificate, which many clients do not accept from a server".into());
    }
    let days = lifetime_days(leaf.not_before, leaf.not_after);
    if days > MOST_DAYS {
        all.push(format!("it is valid for {days} days, and Apple's clients accept at most {MOST_DAYS}"));
    }
}

fn of_any(number: usize, one: &Facts, may_be_root: bool, all: &mut Vec<String>) {
    let which = which(number);
    let signature = one.signature.to_ascii_lowercase().replace('-', "");
    // Nobody verifies the signature of a root.
    let is_root = may_be_root && one.subject == one.issuer;
    if let Some(hash) = ["md5", "md2", "sha1"].into_iter().find(|hash| signature.contains(hash)).filter(|_| !is_root) {
        all.push(format!(
            "{which} is signed with {} ({}), which clients of today refuse",
            hash.to_uppercase(),
            one.signature
        ));
    }
}

/// RSA keys that are too short. Those that tlsgate does not sign with have no size among the facts.
fn of_keys(chain: &[CertificateDer<'_>], all: &mut Vec<String>) {
    for (number, der) in (1..).zip(chain) {
        let Ok(parsed) = x509::parse(der) else { continue };
        let Ok(PublicKey::RSA(key)) = parsed.public_key().parsed() else { continue };
        if key.key_size() < LEAST_RSA {
            let (which, bits) = (which(number), key.key_size());
            all.push(format!(
                "{which} has an RSA key of {bits} bits, and clients of today expect at least {LEAST_RSA}"
            ));
        }
    }
}

fn which(number: usize) -> String {
    if number == 1 { "it".to_owned() } else { format!("certificate {number} of the chain") }
}

/// Each certificate has to have been issued by the next one (RFC 5246 section 7.4.2). RFC 8446 section 4.4.2 tolerates another
/// order, and not every client does.
fn order(chain: &[CertificateDer<'_>], all: &mut Vec<String>) {
    let parsed: Vec<_> = chain.iter().filter_map(|der| x509::parse(der).ok()).collect();
    for (number, pair) in (1..).zip(parsed.windows(2)) {
        let [one, above] = pair else { continue };
        // Also one of the same name with another key.
        if !x509::same_name(one.issuer(), above.subject()) || x509::signed(one, above) == Verified::No {
            let next = number + 1;
            all.push(format!(
                "certificate {next} of the chain has not issued certificate {number}: wrong order, or not part of it"
            ));
        }
    }
}

/// Whole days from the first to the last moment.
pub(super) fn lifetime_days(not_before: i64, not_after: i64) -> i64 {
    not_after.saturating_sub(not_before) / 86_400
}

/// Apple, "Requirements for trusted certificates in iOS 13 and macOS 10.15": also for certificates of private CAs.
const MOST_DAYS: i64 = 825;
/// In bits: NIST SP 800-131A, and every browser.
const LEAST_RSA: usize = 2048;
