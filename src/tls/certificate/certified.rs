//! Certificate and key bytes → one [`Certificate`]: chain in order, key, names, key type, validity, fingerprint.
//! Must not know: files, which client gets it.

use std::net::IpAddr;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use x509_parser::prelude::X509Certificate;

use crate::tls::certificate::chain;
use crate::tls::certificate::chain::{Anchors, Chain, End, Verify};
use crate::tls::certificate::name::Name;
use crate::tls::certificate::pem::Key;
use crate::tls::certificate::x509;
use crate::tls::crypto::{self, Verified};
use crate::tls::token::error::TokenError;
use crate::tls::token::{self, TokenKey};
use algorithm::{Hash, KeyType};
use error::CertificateError;
use extensions::Purposes;
use pair::Form;

pub mod algorithm;
pub mod error;
pub mod extensions;
pub(in crate::tls) mod pair;

/// A certificate that can be served: the leaf's facts, and chain and key in rustls's form.
#[derive(Debug)]
pub struct Certificate {
    /// The path of the file that holds the certificate.
    // Shared with the warnings about it.
    pub label: Arc<str>,
    /// Leaf first, each certificate followed by its issuer; and the private key.
    pub key: Arc<CertifiedKey>,
    /// The same private key where it is in a token: then it signs at the token's desk only.
    pub token: Option<Arc<TokenKey>>,
    pub key_type: KeyType,
    /// Bits of the RSA modulus or of the curve's field.
    pub key_bits: u32,
    /// The names it may be chosen by: those given in the configuration, else the DNS names of the SAN extension, else,
    /// where that extension is absent, the subject's common name.
    pub names: Vec<Name>,
    /// The addresses of the SAN extension, whatever names the configuration gives.
    pub addresses: Vec<IpAddr>,
    /// Seconds since 1970, inclusive.
    pub not_before: i64,
    /// Seconds since 1970, inclusive.
    pub not_after: i64,
    /// The earliest end of all certificates that are sent and that lead from the leaf towards a root; a root's own end does
    /// not count, since clients use their own copy. Seconds since 1970, inclusive.
    pub chain_not_after: i64,
    /// The subject of the certificate that ends then, if that is not the leaf; safe to print.
    pub chain_ends_first: Option<String>,
    /// Whether the leaf is self-signed, or its issuer's certificate is sent with it.
    pub issuer_known: bool,
    /// Whether the leaf may sign other certificates (basicConstraints).
    pub is_ca: bool,
    /// Whether clients require a stapled OCSP answer with it (TLS feature extension, RFC 7633).
    pub must_staple: bool,
    pub purposes: Purposes,
    /// Upper-case hex without leading zero bytes, as `openssl x509 -serial` prints it.
    pub serial: Box<str>,
    /// SHA-256 of the leaf's DER.
    pub fingerprint: [u8; 32],
    /// The hash in the leaf's own signature.
    pub hash: Hash,
    /// One entry for each signature that a client has to verify: a client that offers any of these schemes can verify it.
    pub chain_signatures: Box<[&'static [SignatureScheme]]>,
    /// Names in the certificate that no client can ask for (`f*.example.com`), for a warning.
    pub unusable_names: Vec<String>,
    /// Texts of warnings about what looks wrong but works; each without the label in front.
    pub remarks: Vec<String>,
}

impl Certificate {
    /// Matches certificates and key: the leaf is the one with the key's public half, the others are put in order behind it.
    /// `names`, where given, replace the certificate's own.
    pub fn build(
        label: &str,
        certificates: Vec<CertificateDer<'static>>,
        keys: Vec<Key>,
        names: Option<Vec<Name>>,
    ) -> Result<Self, CertificateError> {
        if certificates.is_empty() {
            return Err(CertificateError::NoCertificate);
        }
        let key = the_only(keys)?;
        let parsed = parsed(&certificates)?;
        let signing = signing(&key, &parsed[0])?;
        let (leaf, form) = leaf_of(&parsed, signing.as_ref())?;
        Self::with_key(label, (&certificates, &parsed), (leaf, form), Private { signing, token: None }, names)
    }

    /// The same with a key in a token: the leaf is the one to which the key proves to belong.
    pub fn build_in_token(
        label: &str,
        certificates: Vec<CertificateDer<'static>>,
        place: token::Place,
        names: Option<Vec<Name>>,
    ) -> Result<Self, CertificateError> {
        if certificates.is_empty() {
            return Err(CertificateError::NoCertificate);
        }
        let parsed = parsed(&certificates)?;
        let (leaf, key) = proved(&parsed, place)?;
        let private = Private { signing: Arc::new(key.clone()), token: Some(Arc::new(key)) };
        Self::with_key(label, (&certificates, &parsed), (leaf, Form::Usual), private, names)
    }

    fn with_key(
        label: &str,
        (certificates, parsed): (&[CertificateDer<'static>], &[X509Certificate<'_>]),
        (leaf, form): (usize, Form),
        private: Private,
        names: Option<Vec<Name>>,
    ) -> Result<Self, CertificateError> {
        let (key_type, key_bits) = algorithm::key_type(&parsed[leaf])?;
        let chain = chain::from(parsed, leaf, &Anchors::default(), Verify::Doubtful);
        let mut own = extensions::names(&parsed[leaf])?;
        match names {
            Some(given) => (own.usable, own.unusable) = (given, Vec::new()),
            None => own = own.any(&parsed[leaf])?,
        }
        let first_end = first_end(parsed, &chain);
        let tbs = &parsed[leaf].tbs_certificate;
        Ok(Self {
            label: label.into(),
            key_type,
            key_bits,
            names: own.usable,
            addresses: own.addresses,
            not_before: tbs.validity.not_before.timestamp(),
            not_after: tbs.validity.not_after.timestamp(),
            chain_not_after: parsed[first_end].validity().not_after.timestamp(),
            chain_ends_first: (first_end != leaf).then(|| subject(&parsed[first_end])),
            issuer_known: match chain.links.first() {
                Some(link) => *link != Verified::No,
                None => chain.end == End::SelfSigned,
            },
            is_ca: parsed[leaf].is_ca(),
            must_staple: extensions::must_staple(&parsed[leaf]),
            purposes: extensions::purposes(&parsed[leaf]),
            serial: x509::serial(tbs.raw_serial()).into(),
            fingerprint: crypto::sha256(&certificates[leaf]),
            hash: algorithm::signature_hash(&parsed[leaf]),
            chain_signatures: chain
                .order
                .iter()
                .map(|&index| &parsed[index])
                // Clients do not verify the signature of a self-signed certificate (RFC 8446 section 4.4.2.2).
                .filter(|certificate| !x509::is_self_issued(certificate))
                .map(algorithm::verifying_schemes)
                .collect(),
            unusable_names: own.unusable,
            remarks: form.remark().map(str::to_owned).into_iter().chain(unverified(parsed, &chain)).collect(),
            key: Arc::new(CertifiedKey::new(sent(certificates, &chain), private.signing)),
            token: private.token,
        })
    }

    /// Verifies the signature of each certificate that is sent with its issuer. Returns a remark for each that does not
    /// verify and is not among [`Self::remarks`]: when a certificate is built, only those are verified whose issuer is in
    /// doubt, since each costs as much as the rest of building it.
    pub fn unverified(&self) -> Vec<String> {
        let parsed = self.key.cert.iter().map(|der| x509::parse(der)).collect::<Result<Vec<_>, _>>();
        // It was built from the same bytes, so they can be read.
        let Ok(parsed) = parsed else { return Vec::new() };
        if parsed.is_empty() {
            return Vec::new();
        }
        let mut found = unverified(&parsed, &chain::from(&parsed, 0, &Anchors::default(), Verify::Every));
        found.retain(|remark| !self.remarks.contains(remark));
        found
    }

    /// Whether `now`, in seconds since 1970, lies in the leaf's validity.
    pub fn is_valid_at(&self, now: i64) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }

    /// The scheme this key would sign with for a client that offers `offered`, if any.
    pub fn scheme_for(&self, offered: &[SignatureScheme]) -> Option<SignatureScheme> {
        self.key_type.schemes().iter().copied().find(|scheme| offered.contains(scheme))
    }

    /// Whether a client that accepts `accepted` in certificates says it can verify the whole chain.
    pub fn is_verifiable_with(&self, accepted: &[SignatureScheme]) -> bool {
        self.chain_signatures.iter().all(|any_of| any_of.iter().any(|scheme| accepted.contains(scheme)))
    }
}

/// What signs, and the token that it signs with.
struct Private {
    signing: Arc<dyn SigningKey>,
    token: Option<Arc<TokenKey>>,
}

/// The index of the certificate whose key is in the token, and the key.
fn proved(parsed: &[X509Certificate<'_>], place: token::Place) -> Result<(usize, TokenKey), CertificateError> {
    let mut unsupported = None;
    for (at, certificate) in parsed.iter().enumerate() {
        let schemes = match algorithm::key_type(certificate) {
            Ok((key_type, _)) => key_type.schemes(),
            Err(error) => {
                unsupported = unsupported.or(Some(error));
                continue;
            }
        };
        let Some((key, algorithm)) = x509::public_parts(certificate.public_key()) else { continue };
        let public = token::Public { key, algorithm };
        match place.belongs_to(schemes[0], &public) {
            Ok(true) => return Ok((at, place.prove(schemes, public).map_err(CertificateError::Token)?)),
            Ok(false) | Err(TokenError::AnotherKind) => {}
            Err(error) => return Err(CertificateError::Token(error)),
        }
    }
    Err(unsupported.unwrap_or(CertificateError::KeyMismatch))
}

fn the_only(mut keys: Vec<Key>) -> Result<Key, CertificateError> {
    match (keys.pop(), keys.len()) {
        (None, _) => Err(CertificateError::NoKey),
        (Some(key), 0) => Ok(key),
        // Which of them is meant would be a guess.
        (Some(_), others) => Err(CertificateError::SeveralKeys(others + 1)),
    }
}

/// The signer of a key; `first` is the first of the certificates that came with the key.
fn signing(key: &PrivateKeyDer<'_>, first: &X509Certificate<'_>) -> Result<Arc<dyn SigningKey>, CertificateError> {
    crypto::signing_key(key).map_err(|error| match algorithm::key_type(first) {
        // The type of key in the certificate is the best explanation why the provider refuses it.
        Err(unsupported) => unsupported,
        Ok(_) => CertificateError::BadKey(pair::unusual(key).map_or_else(|| plain(&error), str::to_owned)),
    })
}

/// Parses each; an error names which it is.
fn parsed<'a>(certificates: &'a [CertificateDer<'_>]) -> Result<Vec<X509Certificate<'a>>, CertificateError> {
    let number = |at: usize, error: x509::ParseError| match certificates.len() {
        1 => CertificateError::BadCertificate(error.to_string()),
        all => CertificateError::BadCertificate(format!("number {} of {all}: {error}", at + 1)),
    };
    let each = certificates.iter().enumerate();
    each.map(|(at, der)| x509::parse(der).map_err(|error| number(at, error))).collect()
}

/// The certificates in the order in which they are sent, each once.
fn sent(certificates: &[CertificateDer<'static>], chain: &Chain) -> Vec<CertificateDer<'static>> {
    let mut sent: Vec<CertificateDer<'static>> = Vec::with_capacity(certificates.len());
    for certificate in chain.all().map(|at| &certificates[at]) {
        if !sent.contains(certificate) {
            sent.push(certificate.clone());
        }
    }
    sent
}

/// The index of the certificate that ends first, among all that lead from the leaf towards a root.
fn first_end(parsed: &[X509Certificate<'_>], chain: &Chain) -> usize {
    let leaf = chain.order[0];
    let leading = chain.order.iter().chain(&chain.others).copied();
    let judged = leading.filter(|at| *at == leaf || !x509::is_self_issued(&parsed[*at]));
    judged.min_by_key(|at| parsed[*at].validity().not_after.timestamp()).unwrap_or(leaf)
}

/// A remark for each signature that is not the issuer's.
fn unverified(parsed: &[X509Certificate<'_>], chain: &Chain) -> Vec<String> {
    let remark = |(issuer, issued): (usize, usize)| {
        let (issuer, issued) = (subject(&parsed[issuer]), subject(&parsed[issued]));
        format!("the chain does not verify: \"{issuer}\" did not sign \"{issued}\", which names it as its issuer")
    };
    chain.broken().map(remark).collect()
}

fn subject(certificate: &X509Certificate<'_>) -> String {
    x509::brief(certificate.subject())
}

/// The index of the certificate with the private key's public half, and the form in which the certificate encodes it.
fn leaf_of(parsed: &[X509Certificate<'_>], signing: &dyn SigningKey) -> Result<(usize, Form), CertificateError> {
    let Some(public) = signing.public_key() else {
        return Err(CertificateError::BadKey("its public half cannot be derived".into()));
    };
    let fitting = parsed.iter().enumerate().filter_map(|(at, one)| Some((at, pair::form(one, &public)?)));
    // A file can hold the same key in two certificates; every client accepts the usual form.
    fitting.min_by_key(|(at, form)| (*form != Form::Usual, *at)).ok_or(CertificateError::KeyMismatch)
}

/// The text of rustls's error without its prefix "unexpected error: ".
fn plain(error: &rustls::Error) -> String {
    match error {
        rustls::Error::General(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
