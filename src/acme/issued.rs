//! Whether what an authority has issued can be served, and what is known of it. Must not know: files, how it was ordered.

use std::collections::BTreeSet;
use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rustls::pki_types::CertificateDer;
use x509_parser::extensions::ParsedExtension;

use crate::acme::schedule::Lifetime;
use crate::acme::settings::{Identifier, KeyKind, Wanted};
use crate::tls::certificate::certified::Certificate;
use crate::tls::certificate::certified::algorithm::KeyType;
use crate::tls::certificate::chain::{self, Anchors, End};
use crate::tls::certificate::name::Name;
use crate::tls::certificate::pem;
use crate::tls::certificate::x509;

/// What is known of a certificate that was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    pub lifetime: Lifetime,
    /// Upper-case hex, as `openssl x509 -serial` prints it.
    pub serial: String,
    /// By what the authority finds it (RFC 9773 section 4.1). `None` if the certificate does not name its issuer's key.
    pub id: Option<Id>,
    pub der: CertificateDer<'static>,
}

/// The parts of a certificate's identifier, in base64url.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Id {
    pub authority_key: String,
    pub serial: String,
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.authority_key, self.serial)
    }
}

/// The first certificate of a file that was written before. `None` if it cannot be read: it is ordered again then.
pub fn facts(bytes: &[u8]) -> Option<Facts> {
    let der = pem::read_certificates(bytes).ok()?.certificates.into_iter().next()?;
    of(der).ok()
}

/// Judges the answer of an authority (`chain_pem`) to an order that was made with a key (`key_pem`). Returns the chain as it is
/// to be served, in PEM. An error says what was found and what was expected.
pub fn judge(
    (chain_pem, key_pem): (&[u8], &str),
    wanted: &Wanted,
    roots: &[CertificateDer<'static>],
    now: i64,
) -> Result<(String, Facts), String> {
    let found = pem::read_certificates(chain_pem).map_err(|error| error.to_string())?;
    let keys = pem::read(key_pem.as_bytes()).map_err(|error| error.to_string())?.keys;
    let built = Certificate::build("", found.certificates, keys, None).map_err(|error| error.to_string())?;
    expect_names(&built, wanted)?;
    expect_key(&built, wanted.key)?;
    expect_validity(&built, now)?;
    expect_chain(&built, roots)?;
    let leaf = built.key.cert.first().cloned().ok_or("found no certificate")?;
    Ok((built.key.cert.iter().map(|der| armoured(der)).collect(), of(leaf)?))
}

fn of(der: CertificateDer<'static>) -> Result<Facts, String> {
    let parsed = x509::parse(&der).map_err(|error| error.to_string())?;
    let key = parsed.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(named) => Some(named.key_identifier.as_ref()?.0),
        _ => None,
    });
    let id = key.map(|key| Id {
        authority_key: URL_SAFE_NO_PAD.encode(key),
        serial: URL_SAFE_NO_PAD.encode(parsed.raw_serial()),
    });
    let validity = parsed.validity();
    let lifetime = Lifetime { not_before: validity.not_before.timestamp(), not_after: validity.not_after.timestamp() };
    let serial = x509::serial(parsed.raw_serial());
    Ok(Facts { lifetime, serial, id, der })
}

fn expect_names(built: &Certificate, wanted: &Wanted) -> Result<(), String> {
    let has = |identifier: &&Identifier| match identifier {
        Identifier::Dns(name) => built.names.contains(name),
        Identifier::Ip(address) => built.addresses.contains(address),
    };
    let missing: Vec<String> = wanted.identifiers.iter().filter(|one| !has(one)).map(ToString::to_string).collect();
    let names = built.names.iter().map(ToString::to_string);
    let found: BTreeSet<String> = names.chain(built.addresses.iter().map(ToString::to_string)).collect();
    if !missing.is_empty() {
        let found: Vec<String> = found.into_iter().take(MOST_NAMED).collect();
        return Err(format!("found a certificate for {}, expected {} too", or_none(&found), missing.join(", ")));
    }
    // With one name more, it could be served in place of another certificate, which another authority has issued.
    let ordered = |name: &str| wanted.identifiers.iter().any(|one| one.to_string().eq_ignore_ascii_case(name));
    let all = found.into_iter().chain(built.unusable_names.iter().cloned()).chain(common_names(built)?);
    let more: Vec<String> = all.filter(|name| !ordered(name)).take(MOST_NAMED).map(x509::shortened).collect();
    match more.is_empty() {
        true => Ok(()),
        false => Err(format!("found a certificate for {} too, expected the names of the order only", more.join(", "))),
    }
}

/// The subject's common names that are names of servers, safe to print. Some clients believe them.
fn common_names(built: &Certificate) -> Result<Vec<String>, String> {
    let Some(leaf) = built.key.cert.first() else { return Ok(Vec::new()) };
    let parsed = x509::parse(leaf).map_err(|error| error.to_string())?;
    let all = parsed.subject().iter_common_name().filter_map(|name| x509::text(name.attr_value()));
    let is_name = |text: &String| Name::parse(text).is_ok() || text.parse::<IpAddr>().is_ok();
    Ok(all.filter(is_name).map(|name| x509::printable(&name)).collect())
}

fn expect_key(built: &Certificate, wanted: KeyKind) -> Result<(), String> {
    let fits = match wanted {
        KeyKind::EcdsaP256 => built.key_type == KeyType::EcdsaP256,
        KeyKind::EcdsaP384 => built.key_type == KeyType::EcdsaP384,
        KeyKind::Rsa2048 | KeyKind::Rsa3072 | KeyKind::Rsa4096 => built.key_type == KeyType::Rsa,
    };
    match fits {
        true => Ok(()),
        false => Err(format!("found a certificate for a key of {} bits, expected {}", built.key_bits, wanted.word())),
    }
}

fn expect_validity(built: &Certificate, now: i64) -> Result<(), String> {
    let (from, to) = (x509::rfc3339(built.not_before), x509::rfc3339(built.not_after));
    if !built.is_valid_at(now) {
        let here = x509::rfc3339(now);
        return Err(format!("found a certificate that is valid from {from} to {to}, but here it is {here}"));
    }
    match &built.chain_ends_first {
        Some(subject) if built.chain_not_after < now => {
            let end = x509::rfc3339(built.chain_not_after);
            Err(format!("found a chain with {subject:?}, which has expired at {end}"))
        }
        _ => Ok(()),
    }
}

fn expect_chain(built: &Certificate, roots: &[CertificateDer<'static>]) -> Result<(), String> {
    if built.is_ca {
        return Err("found a certificate that may issue others, expected one of a server".to_owned());
    }
    let sent: &[CertificateDer<'static>] = &built.key.cert;
    let anchors = Anchors::new(roots.iter().cloned());
    let Some(found) = chain::chain(sent, Some(0), &anchors).map_err(|error| error.to_string())? else {
        return Err("found no certificate".to_owned());
    };
    if let Some(remark) = built.remarks.iter().chain(&built.unverified()).next() {
        return Err(remark.clone());
    }
    match found.end {
        End::SelfSigned => {
            Err("found a self-signed certificate, expected one that the authority has signed".to_owned())
        }
        // A private authority may issue with its root itself, and then there is nothing to send.
        End::Open if found.order.len() == 1 => {
            Err("found the server's certificate only, expected the chain that leads to a root".to_owned())
        }
        _ => Ok(()),
    }
}

fn or_none(found: &[String]) -> String {
    if found.is_empty() { "no name".to_owned() } else { found.join(", ") }
}

/// RFC 7468
fn armoured(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines = text.as_bytes().chunks(64).map(|line| format!("{}\n", String::from_utf8_lossy(line)));
    format!("-----BEGIN CERTIFICATE-----\n{}-----END CERTIFICATE-----\n", lines.collect::<String>())
}

/// A certificate for other names may have a hundred of them.
const MOST_NAMED: usize = 5;

#[cfg(test)]
mod tests;
