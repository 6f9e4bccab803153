//! Certificates, built and signed; pure but for the serial numbers' chance. Each is verified before it is returned.
//! Must not know: files, passphrases, what was issued before.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, CrlDistributionPoint, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, PublicKeyData, SerialNumber,
};
use rustls::pki_types::CertificateDer;
use x509_parser::extensions::ParsedExtension;

use crate::authority::error::AuthorityError;
use crate::authority::permit::Permitted;
use crate::authority::subject::{Purpose, Subject};
use crate::tls::certificate::x509;
use crate::tls::crypto::{self, Verified};

/// Seconds since 1970, both inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    pub from: i64,
    pub to: i64,
}

impl Validity {
    /// That many days from now on, and from an hour ago, for clients whose clock is slow.
    pub fn days(days: u32, now: i64) -> Self {
        Self { from: now - HOUR, to: now.saturating_add(i64::from(days) * DAY) }
    }

    /// The part that lies within another one.
    pub(super) fn within(self, outer: Self) -> Self {
        Self { from: self.from.max(outer.from), to: self.to.min(outer.to) }
    }
}

/// A certificate that issues others, with its key.
pub struct Signer {
    pub(super) certificate: CertificateDer<'static>,
    /// Upper-case hex.
    pub(super) serial: String,
    pub(super) validity: Validity,
    pub(super) key_identifier: Vec<u8>,
    pub(super) issuer: Issuer<'static, KeyPair>,
}

impl Signer {
    /// An error, as the end of a sentence about the certificate, if the key is another one's.
    pub(super) fn new(certificate: CertificateDer<'static>, key: KeyPair) -> Result<Self, &'static str> {
        let parsed = x509::parse(&certificate).map_err(|_| "is no certificate")?;
        if parsed.public_key().raw != key.subject_public_key_info() {
            return Err("has another key than the one beside it");
        }
        let key_identifier = parsed.extensions().iter().find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(own) => Some(own.0.to_vec()),
            _ => None,
        });
        let common = parsed.subject().iter_common_name().next().and_then(|name| x509::text(name.attr_value()));
        let (Some(key_identifier), Some(common)) = (key_identifier, common) else {
            return Err("was not made by tlsgate: it has no key identifier or no common name");
        };
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = named(&common);
        parameters.key_usages = AUTHORITY_USAGES.to_vec();
        parameters.key_identifier_method = KeyIdMethod::PreSpecified(key_identifier.clone());
        let (serial, validity) = (x509::serial(parsed.raw_serial()), validity(&parsed));
        drop(parsed);
        Ok(Self { certificate, serial, validity, key_identifier, issuer: Issuer::new(parameters, key) })
    }
}

/// What all certificates of an authority have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms<'a> {
    pub(super) permitted: &'a Permitted,
    /// Where lists are published; the list of an issuer is at this URL with `SERIAL.crl` appended.
    pub(super) crl_url: Option<&'a str>,
}

impl Terms<'_> {
    fn points(&self, issuer: &str) -> Vec<CrlDistributionPoint> {
        let point = |base: &str| CrlDistributionPoint { uris: vec![format!("{base}{issuer}.crl")] };
        self.crl_url.map(point).into_iter().collect()
    }
}

/// The root, for its own key.
pub(super) fn root(name: &str, key: KeyPair, validity: Validity, terms: Terms<'_>) -> Result<Signer, AuthorityError> {
    let mut parameters = authority(named(name), 1, validity, terms)?;
    parameters.use_authority_key_identifier_extension = true;
    let certificate = parameters.self_signed(&key)?.der().clone();
    let signer = Signer::new(certificate, key).map_err(AuthorityError::Wrong)?;
    verified(&signer.certificate, &signer)?;
    Ok(signer)
}

/// A certificate of the root that issues to servers and clients.
pub(super) fn issuing(
    name: &str,
    key: KeyPair,
    validity: Validity,
    root: &Signer,
    terms: Terms<'_>,
) -> Result<Signer, AuthorityError> {
    let mut parameters = authority(named(name), 0, validity.within(root.validity), terms)?;
    parameters.use_authority_key_identifier_extension = true;
    parameters.crl_distribution_points = terms.points(&root.serial);
    let certificate = parameters.signed_by(&key, &root.issuer)?.der().clone();
    verified(&certificate, root)?;
    Signer::new(certificate, key).map_err(AuthorityError::Wrong)
}

/// A server's or a client's certificate. Nothing in it but the names and the key comes from who asks for it.
pub(super) fn leaf(
    subject: &Subject,
    key: &impl PublicKeyData,
    is_rsa: bool,
    validity: Validity,
    signer: &Signer,
    terms: Terms<'_>,
) -> Result<CertificateDer<'static>, AuthorityError> {
    let mut parameters = common(subject.distinguished(), validity.within(signer.validity))?;
    for name in subject.names() {
        parameters.subject_alt_names.extend(name.alternative()?);
    }
    // Not NoCa, which leaves the extension out, and the key identifier with it.
    parameters.is_ca = IsCa::ExplicitNoCa;
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    // For the key exchange of old TLS with RSA, by which some clients judge a server's certificate.
    if is_rsa && subject.purpose == Purpose::Server {
        parameters.key_usages.push(KeyUsagePurpose::KeyEncipherment);
    }
    parameters.extended_key_usages = vec![match subject.purpose {
        Purpose::Server => ExtendedKeyUsagePurpose::ServerAuth,
        Purpose::Client => ExtendedKeyUsagePurpose::ClientAuth,
    }];
    parameters.use_authority_key_identifier_extension = true;
    parameters.crl_distribution_points = terms.points(&signer.serial);
    let certificate = parameters.signed_by(key, &signer.issuer)?.der().clone();
    verified(&certificate, signer)?;
    Ok(certificate)
}

fn authority(
    name: DistinguishedName,
    below: u8,
    validity: Validity,
    terms: Terms<'_>,
) -> Result<CertificateParams, AuthorityError> {
    let mut parameters = common(name, validity)?;
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(below));
    parameters.key_usages = AUTHORITY_USAGES.to_vec();
    parameters.name_constraints = terms.permitted.constraints();
    Ok(parameters)
}

fn common(name: DistinguishedName, validity: Validity) -> Result<CertificateParams, AuthorityError> {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = name;
    parameters.serial_number = Some(SerialNumber::from_slice(&serial()?));
    (parameters.not_before, parameters.not_after) = (time(validity.from).into(), time(validity.to).into());
    Ok(parameters)
}

/// A positive number of 16 bytes, 126 bits of them random (CA/Browser Forum Baseline Requirements section 7.1: at least 64).
fn serial() -> Result<[u8; 16], AuthorityError> {
    let mut serial = [0; 16];
    if !crypto::random(&mut serial) {
        return Err(AuthorityError::NoRandom);
    }
    serial[0] = serial[0] & 0x3f | 0x40;
    Ok(serial)
}

fn named(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name
}

/// An error if clients would not accept the certificate as the signer's.
fn verified(certificate: &CertificateDer<'_>, signer: &Signer) -> Result<(), AuthorityError> {
    let (Ok(certificate), Ok(issuer)) = (x509::parse(certificate), x509::parse(&signer.certificate)) else {
        return Err(AuthorityError::Wrong("it cannot be read"));
    };
    let validity = validity(&certificate);
    match () {
        () if certificate.issuer().as_raw() != issuer.subject().as_raw() => {
            Err(AuthorityError::Wrong("it does not name its issuer"))
        }
        () if x509::signed(&certificate, &issuer) != Verified::Yes => {
            Err(AuthorityError::Wrong("its issuer's key did not sign it"))
        }
        () if validity.from > validity.to => Err(AuthorityError::Wrong("it would end before it begins")),
        () => Ok(()),
    }
}

/// In upper-case hex.
pub(super) fn serial_of(certificate: &CertificateDer<'_>) -> Result<String, AuthorityError> {
    let parsed = x509::parse(certificate).map_err(|_| AuthorityError::Wrong("it cannot be read"))?;
    Ok(x509::serial(parsed.raw_serial()))
}

pub(super) fn validity(certificate: &x509_parser::prelude::X509Certificate<'_>) -> Validity {
    let validity = certificate.validity();
    Validity { from: validity.not_before.timestamp(), to: validity.not_after.timestamp() }
}

pub(super) fn time(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds.try_into().unwrap_or_default())
}

const AUTHORITY_USAGES: [KeyUsagePurpose; 2] = [KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];

const HOUR: i64 = 3600;
pub(super) const DAY: i64 = 24 * HOUR;
