//! A certificate signing request (RFC 2986) → the names that it asks for, and its key. Its signature is verified; nothing
//! else of it counts. Must not know: files, what is allowed.

use rcgen::{PublicKeyData, SignatureAlgorithm};
use rustls::pki_types::CertificateSigningRequestDer;
use rustls::pki_types::pem::PemObject as _;
use x509_parser::asn1_rs::FromDer as _;
use x509_parser::certification_request::{X509CertificationRequest, X509CertificationRequestInfo};
use x509_parser::extensions::{GeneralName, ParsedExtension};

use crate::authority::error::AuthorityError;
use crate::authority::subject::{Identity, Purpose};
use crate::tls::certificate::certified::algorithm::{self, KeyType};
use crate::tls::certificate::name::Name;
use crate::tls::certificate::x509;
use crate::tls::crypto::Verified;

/// What is asked for.
#[derive(Debug)]
pub struct Request {
    pub names: Vec<Identity>,
    pub key: RequestedKey,
    /// What else it asks for, and does not get: texts that are safe to print.
    pub ignored: Vec<String>,
}

/// The public key of a request.
#[derive(Debug)]
pub struct RequestedKey {
    bits: Vec<u8>,
    algorithm: &'static SignatureAlgorithm,
    is_rsa: bool,
}

impl RequestedKey {
    pub(super) fn is_rsa(&self) -> bool {
        self.is_rsa
    }
}

impl PublicKeyData for RequestedKey {
    fn der_bytes(&self) -> &[u8] {
        &self.bits
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.algorithm
    }
}

/// How the builder of certificates names a kind of key; `None` if it does not know it.
fn algorithm_of(kind: KeyType) -> Option<&'static SignatureAlgorithm> {
    match kind {
        KeyType::EcdsaP256 => Some(&rcgen::PKCS_ECDSA_P256_SHA256),
        KeyType::EcdsaP384 => Some(&rcgen::PKCS_ECDSA_P384_SHA384),
        KeyType::EcdsaP521 => Some(&rcgen::PKCS_ECDSA_P521_SHA512),
        KeyType::Ed25519 => Some(&rcgen::PKCS_ED25519),
        KeyType::Rsa => Some(&rcgen::PKCS_RSA_SHA256),
        KeyType::MlDsa44 | KeyType::MlDsa65 | KeyType::MlDsa87 => None,
    }
}

/// Reads a request in PEM or DER. The error is the end of a sentence about the file.
pub fn read(bytes: &[u8], purpose: Purpose) -> Result<Request, String> {
    let der = der(bytes)?;
    let (rest, request) = X509CertificationRequest::from_der(&der).map_err(|_| NOT_ONE)?;
    if !rest.is_empty() {
        return Err("bytes follow the end of the request".into());
    }
    let info = &request.certification_request_info;
    let (kind, _) = algorithm::public_key_type(&info.subject_pki).map_err(|error| error.to_string())?;
    let algorithm = algorithm_of(kind).ok_or_else(|| format!("its key is {kind}, expected RSA, ECDSA or Ed25519"))?;
    // A signature is a whole number of bytes. Only so does a request with a changed bit count as changed.
    if request.signature_value.unused_bits != 0 {
        return Err(NOT_ONE.into());
    }
    match x509::signed_by(&info.subject_pki, request.as_raw(), info.raw, &request.signature_value.data) {
        Verified::Yes => {}
        Verified::No => return Err("its signature is wrong: whoever made it does not have the key".into()),
        Verified::Unknown => {
            return Err("its signature's algorithm is not supported (expected SHA-256 or better)".into());
        }
    }
    let (names, ignored) = asked(&request, purpose)?;
    let bits = info.subject_pki.subject_public_key.data.to_vec();
    Ok(Request { names, key: RequestedKey { bits, algorithm, is_rsa: kind == KeyType::Rsa }, ignored })
}

impl Request {
    /// An error if it asks for a name that is not allowed.
    pub fn asks_only_for(&self, allowed: &[Identity]) -> Result<(), String> {
        let refused = |asked: &&Identity| !allowed.iter().any(|allowed| allowed.allows(asked));
        let refused: Vec<String> = self.names.iter().filter(refused).map(ToString::to_string).collect();
        let allowed: Vec<String> = allowed.iter().map(ToString::to_string).collect();
        match (refused.is_empty(), self.names.is_empty()) {
            (true, false) => Ok(()),
            (_, true) => {
                Err("it asks for no name (\"openssl req -addext subjectAltName=DNS:NAME\" writes names into it)".into())
            }
            (false, false) => Err(format!(
                "it asks for {}, which you have not allowed (allowed: {})",
                refused.join(", "),
                allowed.join(", ")
            )),
        }
    }
}

fn der(bytes: &[u8]) -> Result<Vec<u8>, String> {
    // A SEQUENCE, which no text begins with.
    if bytes.first() == Some(&0x30) {
        return Ok(bytes.to_vec());
    }
    // The label of old programs.
    let text = String::from_utf8_lossy(bytes).replace("NEW CERTIFICATE REQUEST", "CERTIFICATE REQUEST");
    let found = CertificateSigningRequestDer::from_pem_slice(text.as_bytes());
    found.map(|der| der.to_vec()).map_err(|_| NOT_ONE.to_owned())
}

type Asked = (Vec<Identity>, Vec<String>);

/// The names of the SAN extension; where there are none, a server's common name. A client is also known by its common name.
fn asked(request: &X509CertificationRequest<'_>, purpose: Purpose) -> Result<Asked, String> {
    let (mut names, mut ignored) = (Vec::new(), Vec::new());
    for extension in request.requested_extensions().into_iter().flatten() {
        match extension {
            ParsedExtension::SubjectAlternativeName(names_asked) => {
                for name in &names_asked.general_names {
                    names.push(identity(name)?);
                }
            }
            ParsedExtension::BasicConstraints(constraints) if constraints.ca => {
                ignored.push("to be an authority (basicConstraints CA:TRUE)".to_owned());
            }
            ParsedExtension::ParseError { .. } => return Err("an extension that it asks for is malformed".into()),
            _ => {}
        }
    }
    if names.is_empty() || purpose == Purpose::Client {
        names.extend(common(&request.certification_request_info, purpose)?);
    }
    Ok((names, ignored))
}

fn common(info: &X509CertificationRequestInfo<'_>, purpose: Purpose) -> Result<Option<Identity>, String> {
    let Some(name) = info.subject.iter_common_name().next() else { return Ok(None) };
    let unreadable = || "its common name cannot be read".to_owned();
    let text = x509::text(name.attr_value()).ok_or_else(unreadable)?;
    let prefixed = if purpose == Purpose::Client { format!("cn:{text}") } else { text };
    match Identity::parse(&prefixed, purpose) {
        Ok(identity) => Ok(Some(identity)),
        Err(AuthorityError::Name(message)) => Err(format!("it asks for a common name: {message}")),
        Err(error) => Err(error.to_string()),
    }
}

fn identity(name: &GeneralName<'_>) -> Result<Identity, String> {
    let parse = |prefix: &str, text: &str| {
        Identity::parse(&format!("{prefix}:{text}"), Purpose::Client)
            .map_err(|error| format!("it asks for a name: {error}"))
    };
    match name {
        GeneralName::DNSName(text) => {
            Name::parse(text).map(Identity::Dns).map_err(|error| format!("it asks for a name: {error}"))
        }
        GeneralName::RFC822Name(text) => parse("email", text),
        GeneralName::URI(text) => parse("uri", text),
        GeneralName::IPAddress(bytes) => match (<[u8; 4]>::try_from(*bytes), <[u8; 16]>::try_from(*bytes)) {
            (Ok(four), _) => Ok(Identity::Ip(four.into())),
            (_, Ok(sixteen)) => Ok(Identity::Ip(sixteen.into())),
            _ => Err("it asks for an IP address of a wrong length".into()),
        },
        _ => Err("it asks for a name that is no DNS name, IP address, email address or URI".into()),
    }
}

const NOT_ONE: &str = "is no certificate request (expected PKCS#10 in PEM or DER)";

#[cfg(test)]
mod tests;
