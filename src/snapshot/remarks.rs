//! A certificate → warnings about it. Must not know: files, listeners.

use std::sync::Arc;

use crate::tls::certificate::certified::Certificate;
use crate::tls::certificate::expiry;
use crate::tls::certificate::inspect::Facts;
use crate::tls::certificate::store::loaded::Item;
use crate::tls::certificate::x509::rfc3339;
use crate::warning::Warning;

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// It is served to clients.
    Server,
    /// It is shown to backends.
    Client,
}

/// All warnings about a certificate and its files at `now`, in seconds since 1970.
pub(super) fn of(item: &Item, purpose: Use, now: i64) -> Vec<Warning> {
    let certificate = &*item.entry.certificate;
    let mut warnings = item.warnings.clone();
    if item.exposed {
        let key = item.key.display().to_string();
        warnings.push(Warning::about(key, "the private key can be read by everyone (chmod o-r)"));
    }
    let about = |what: &'static str| Warning::about(Arc::clone(&certificate.label), what);
    if !certificate.unusable_names.is_empty() {
        let names = certificate.unusable_names.join(", ");
        warnings.push(about("names that no client can ask for are left out").with(format!(": {names}")));
    }
    warnings.extend(
        certificate.remarks.iter().map(|remark| Warning::about(Arc::clone(&certificate.label), remark.clone())),
    );
    warnings.extend(validity(certificate, now));
    // Only clients require what is stapled.
    if certificate.must_staple && purpose == Use::Server {
        warnings.push(about(MUST_STAPLE));
    }
    match purpose {
        Use::Server if !certificate.purposes.server => warnings.push(about(NO_SERVER_AUTH)),
        Use::Client if !certificate.purposes.client => warnings.push(about(NO_CLIENT_AUTH)),
        _ => {}
    }
    if certificate.is_ca && !is_own_test(certificate) {
        warnings.push(about(AUTHORITY));
    }
    warnings
}

/// Warnings about the validity of a certificate and of its chain.
fn validity(certificate: &Certificate, now: i64) -> Vec<Warning> {
    let about = |what: &'static str, end: i64| {
        Warning::about(Arc::clone(&certificate.label), what).with(format!(" {}", rfc3339(end)))
    };
    let own = if certificate.not_after < now {
        Some(about("expired at", certificate.not_after))
    } else if certificate.not_before > now {
        Some(about("is not valid before", certificate.not_before))
    } else if expiry::is_soon(certificate.not_before, certificate.not_after, now) {
        Some(about("expires soon, at", certificate.not_after))
    } else {
        None
    };
    let issuers = expiry::troubled_issuers(certificate, now);
    own.into_iter().chain(issuers.iter().map(|issuer| issuer_validity(certificate, issuer, now))).collect()
}

fn issuer_validity(certificate: &Certificate, issuer: &Facts, now: i64) -> Warning {
    let (begin, end) = (issuer.not_before, issuer.not_after);
    let what = match () {
        () if end < now => "its chain has expired, and clients refuse it",
        () if begin > now => "its chain is not valid yet, and clients refuse it",
        () => "its chain expires soon",
    };
    let detail = format!(": {} is valid from {} until {}", issuer.subject, rfc3339(begin), rfc3339(end));
    Warning::about(Arc::clone(&certificate.label), what).with(detail)
}

/// Whether it is a certificate for testing, as `openssl req -x509` makes it: self-signed, with names. That program sets the
/// CA flag by default, so the flag is no reason for a warning.
fn is_own_test(certificate: &Certificate) -> bool {
    let leaf = certificate.key.cert.first().and_then(|der| Facts::of(der).ok());
    leaf.is_some_and(|leaf| !leaf.names.is_empty() && leaf.subject == leaf.issuer)
}

const MUST_STAPLE: &str = "requires a stapled OCSP answer (must-staple), which tlsgate does not send: Firefox and GnuTLS clients refuse it; ask for a certificate without it";
const NO_SERVER_AUTH: &str = "its extended key usage does not name serverAuth, without which OpenSSL and other clients refuse it; ask for a certificate for servers";
const NO_CLIENT_AUTH: &str = "its extended key usage does not name clientAuth, without which OpenSSL and other servers refuse it; public authorities no longer put it into certificates, so take one from an authority of your own";
const AUTHORITY: &str = "is the certificate of a CA, with its private key beside it: anyone who gets that key can issue certificates for any name; keep both elsewhere";
