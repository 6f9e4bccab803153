//! The bytes of a file → the certificates, keys and lists of revoked certificates in it, in any order.
//! Must not know: files, names, which certificate goes with which key.
//!
//! This is the only reader of PEM. Its rule: what OpenSSL reads of a file is read, and what is not read is reported. So it
//! accepts OpenSSL's labels (`X509 CERTIFICATE`, `TRUSTED CERTIFICATE`), identifies keys by their content, and is more
//! lenient than OpenSSL about where a section begins and ends.

use rustls::pki_types::pem as canonical;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use zeroize::Zeroizing;

mod der;
pub mod error;
mod secret;
mod sections;
mod unread;
pub mod written;

use der::Kind;
use error::{PassedOver, PemError};
use sections::{Part, Parts};
use unread::Unread;

/// A private key, which is wiped when it is dropped.
pub type Key = Zeroizing<PrivateKeyDer<'static>>;

/// What a file holds.
#[derive(Debug, Default)]
pub struct Contents {
    pub certificates: Vec<CertificateDer<'static>>,
    /// For each of the certificates, the line where it begins.
    pub lines: Vec<usize>,
    pub keys: Vec<Key>,
    /// Private keys that are encrypted with a passphrase (PKCS#8, in DER), if there is none that is not.
    pub encrypted: Vec<Vec<u8>>,
    /// Lists of revoked certificates.
    pub crls: Vec<CertificateRevocationListDer<'static>>,
    /// Parts that were not read although they may have been meant to be. Requests, parameters and public keys are not
    /// listed, since a server never uses them.
    pub passed_over: Vec<PassedOver>,
}

/// Reads certificates and keys. A file whose only private key cannot be used, or is encrypted, is an error.
pub fn read(bytes: &[u8]) -> Result<Contents, PemError> {
    let contents = read_with_encrypted(bytes)?;
    if contents.encrypted.is_empty() { Ok(contents) } else { Err(PemError::Encrypted) }
}

/// The same for a caller who may have the passphrase of an encrypted key.
pub fn read_with_encrypted(bytes: &[u8]) -> Result<Contents, PemError> {
    let mut found = Found::of(bytes)?;
    let unusable = std::mem::take(&mut found.unusable_keys);
    // Beside a usable key, another one is only reported: the certificate can be served.
    let usable = !found.contents.keys.is_empty();
    if usable {
        found.unread.append(unusable);
    } else if let Some(unusable) = unusable.into_first() {
        return Err(PemError::Key(unusable));
    }
    for (line, der) in std::mem::take(&mut found.encrypted_keys) {
        match usable {
            true => found.unread.add(line, ENCRYPTED),
            false => found.contents.encrypted.push(der),
        }
    }
    found.without_lists().something()
}

/// Reads certificates only: a key in the file may be unusable.
pub fn read_certificates(bytes: &[u8]) -> Result<Contents, PemError> {
    Found::of(bytes)?.without_lists().something()
}

/// Reads lists of revoked certificates: PEM, or one in DER, as CAs publish it. There is at least one.
pub fn read_crls(bytes: &[u8]) -> Result<Contents, PemError> {
    let mut found = Found::of(bytes)?;
    found.contents.lines.iter().for_each(|line| found.unread.add(*line, "a certificate is not read here"));
    match found.contents.crls.is_empty() {
        true => Err(PemError::Syntax("there is no list of revoked certificates (X509 CRL) in it".into())),
        false => Ok(found.done()),
    }
}

impl Contents {
    /// An error where nothing was read although something was found.
    fn something(self) -> Result<Self, PemError> {
        let no_key = self.keys.is_empty() && self.encrypted.is_empty();
        let nothing = self.certificates.is_empty() && no_key && self.crls.is_empty();
        match self.passed_over.first() {
            Some(first) if nothing => Err(PemError::Unread(first.clone())),
            _ => Ok(self),
        }
    }
}

/// Everything in a file, before it is known what the caller needs.
#[derive(Default)]
struct Found {
    /// Without the parts that were passed over.
    contents: Contents,
    unread: Unread,
    unusable_keys: Unread,
    /// Each with its line.
    encrypted_keys: Vec<(usize, Vec<u8>)>,
    /// Where the lists of revoked certificates begin.
    list_lines: Vec<usize>,
}

impl Found {
    fn of(bytes: &[u8]) -> Result<Self, PemError> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Err(PemError::Empty);
        }
        if is_utf16(bytes) {
            return Err(PemError::Utf16);
        }
        let mut found = Self::default();
        // One structure in DER that fills the whole file: no text looks like it.
        if let Some((der, [])) = der::first(bytes) {
            found.binary(der)?;
            return Ok(found);
        }
        for part in Parts::of(bytes) {
            match part? {
                Part::Section { line, label, body, alone: true } => found.section(line, &label, &body)?,
                Part::Section { line, label, body, .. } => found.section_of_comment(line, &label, &body)?,
                Part::Unread(unread) => found.unread.add(unread.line, &unread.what),
            }
        }
        let nothing = found.contents.certificates.is_empty() && found.unread.is_empty();
        if nothing && found.list_lines.is_empty() && der::begins(bytes) {
            return Err(PemError::Syntax("it looks like DER, but is cut short or has bytes after its end".into()));
        }
        Ok(found)
    }

    /// What was found, for a caller that wants no lists of revoked certificates.
    fn without_lists(mut self) -> Contents {
        self.list_lines.iter().for_each(|line| self.unread.add(*line, LIST_HERE));
        self.done()
    }

    fn done(self) -> Contents {
        Contents { passed_over: self.unread.named(), ..self.contents }
    }

    /// A file that is not text.
    fn binary(&mut self, bytes: &[u8]) -> Result<(), PemError> {
        match der::kind(bytes) {
            Kind::Pkcs12 => return Err(PemError::Form("a PKCS#12 archive", "openssl pkcs12 -nodes")),
            Kind::Pkcs7 => {
                return Err(PemError::Form("a PKCS#7 bundle", "openssl pkcs7 -inform DER -print_certs"));
            }
            Kind::List => self.list(1, bytes.to_vec()),
            Kind::Certificate => self.certificate(1, "CERTIFICATE", bytes.to_vec())?,
            Kind::Other => {
                let what = "it is DER, and neither a certificate nor a private key nor a list of revoked certificates";
                self.unread.add(1, what);
            }
            kind => self.key(1, kind, Zeroizing::new(bytes.to_vec())),
        }
        Ok(())
    }

    /// A section that follows other text on its line: two files were joined, or a comment mentions a section.
    fn section_of_comment(&mut self, line: usize, label: &str, body: &sections::Body) -> Result<(), PemError> {
        let whole = decoded(line, label, "CERTIFICATE", body).is_ok_and(|der| der::first(&der).is_some());
        if whole || body.encrypted || HARMLESS.contains(&label) {
            return self.section(line, label, body);
        }
        self.unread.add(line, &sections::not_alone(label));
        Ok(())
    }

    /// One section in PEM.
    fn section(&mut self, line: usize, label: &str, body: &sections::Body) -> Result<(), PemError> {
        match label {
            "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" => {
                let der = decoded(line, label, "CERTIFICATE", body)?;
                self.certificate(line, label, der)
            }
            "X509 CRL" => {
                let der = decoded(line, label, "X509 CRL", body)?;
                self.list(line, der);
                Ok(())
            }
            "OPENSSH PRIVATE KEY" => {
                self.unusable_keys.add(line, OPENSSH);
                Ok(())
            }
            _ if body.encrypted && is_private_key(label) => {
                self.unusable_keys.add(line, TRADITIONAL);
                Ok(())
            }
            "ENCRYPTED PRIVATE KEY" => {
                let der = secret::decoded(&body.base64).filter(|der| !der.is_empty());
                let mut der = der.ok_or_else(|| not_base64(line, label))?;
                self.encrypted_keys.push((line, std::mem::take(&mut *der)));
                Ok(())
            }
            _ if is_private_key(label) => {
                let der = secret::decoded(&body.base64).filter(|der| !der.is_empty());
                let der = der.ok_or_else(|| not_base64(line, label))?;
                self.key(line, der::kind(&der), der);
                Ok(())
            }
            _ if HARMLESS.contains(&label) => Ok(()),
            _ => {
                let hint = HINTS.iter().find(|(known, _)| *known == label).map_or("", |(_, hint)| hint);
                self.unread.add(line, &format!("a section \"{label}\" is not read{hint}"));
                Ok(())
            }
        }
    }

    fn certificate(&mut self, line: usize, label: &str, mut der: Vec<u8>) -> Result<(), PemError> {
        if let Some((certificate, rest)) = der::first(&der) {
            if der::kind(certificate) == Kind::Pkcs7 {
                let message = format!(
                    "line {line}: the section \"{label}\" is a PKCS#7 bundle; convert it with \"openssl pkcs7 -print_certs\""
                );
                return Err(PemError::Syntax(message));
            }
            // As OpenSSL does, the first structure counts.
            let about = match (rest, label) {
                ([], _) => None,
                (settings, "TRUSTED CERTIFICATE") => der::judges(settings).then_some(TRUST_SETTINGS),
                _ => Some("bytes that follow the end of a certificate are not read"),
            };
            about.into_iter().for_each(|about| self.unread.add(line, about));
            let length = certificate.len();
            der.truncate(length);
        }
        self.contents.certificates.push(der.into());
        self.contents.lines.push(line);
        Ok(())
    }

    fn list(&mut self, line: usize, der: Vec<u8>) {
        self.contents.crls.push(der.into());
        self.list_lines.push(line);
    }

    /// A key's kind is that of its content, not of its label: OpenSSL reads PKCS#8 under `RSA PRIVATE KEY`, and PKCS#1
    /// under `PRIVATE KEY`.
    fn key(&mut self, line: usize, kind: Kind, mut der: Zeroizing<Vec<u8>>) {
        // It moves, and is not copied.
        let mut whole = || std::mem::take(&mut *der);
        let unusable = match kind {
            Kind::Pkcs8 => return self.contents.keys.push(Zeroizing::new(PrivateKeyDer::Pkcs8(whole().into()))),
            Kind::Pkcs1 => return self.contents.keys.push(Zeroizing::new(PrivateKeyDer::Pkcs1(whole().into()))),
            Kind::Sec1 => return self.contents.keys.push(Zeroizing::new(PrivateKeyDer::Sec1(whole().into()))),
            Kind::Encrypted => return self.encrypted_keys.push((line, whole())),
            Kind::MultiPrime => MULTI_PRIME,
            Kind::Dsa => "it is for DSA, expected RSA, ECDSA or Ed25519",
            _ => "it is no private key in PKCS#8, PKCS#1 or SEC1",
        };
        self.unusable_keys.add(line, unusable);
    }
}

/// Decodes base64 under the label `known`, which is not a private key's.
fn decoded(line: usize, label: &str, known: &str, body: &sections::Body) -> Result<Vec<u8>, PemError> {
    let syntax = |fault: &str| PemError::Syntax(format!("line {line}: the section \"{label}\" {fault}"));
    if body.encrypted {
        return Err(syntax("is encrypted"));
    }
    // The decoder is strict, so it gets a section in the canonical form, without what OpenSSL tolerates.
    let text =
        [b"-----BEGIN ", known.as_bytes(), b"-----\n", &body.base64, b"\n-----END ", known.as_bytes(), b"-----\n"]
            .concat();
    match canonical::from_buf(&mut text.as_slice()) {
        Ok(Some((_, der))) if !der.is_empty() => Ok(der),
        Ok(_) => Err(syntax("is empty")),
        Err(canonical::Error::SectionTooLarge) => Err(syntax("is larger than 256 MiB")),
        Err(_) => Err(syntax("is not base64")),
    }
}

fn not_base64(line: usize, label: &str) -> PemError {
    PemError::Syntax(format!("line {line}: the section \"{label}\" is empty, or not base64"))
}

/// OpenSSL writes `RSA `, `EC `, `DSA `, `ED25519 ` … before `PRIVATE KEY`, or nothing.
fn is_private_key(label: &str) -> bool {
    label == "PRIVATE KEY" || label.ends_with(" PRIVATE KEY")
}

/// Recognized by a byte-order mark, or by dashes with a zero byte between them. Windows tools write it.
fn is_utf16(bytes: &[u8]) -> bool {
    let dashes = |bytes: &[u8]| matches!(bytes, [b'-', 0, b'-', 0, b'-', 0, ..] | [0, b'-', 0, b'-', 0, b'-', ..]);
    matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]) || dashes(bytes)
}

const ENCRYPTED: &str = "a private key is encrypted with a passphrase, and not read beside one that is not";
const TRADITIONAL: &str = "it is encrypted in the old form of OpenSSL (\"Proc-Type: 4,ENCRYPTED\"), expected PKCS#8 (\"openssl pkcs8 -topk8 -in OLD -out NEW\" converts it)";
const OPENSSH: &str =
    "it is in OpenSSH's own form, expected PKCS#8, PKCS#1 or SEC1 (\"ssh-keygen -p -m PKCS8\" converts it)";
const MULTI_PRIME: &str = "it is an RSA key of more than two primes, expected two";
const LIST_HERE: &str = "a list of revoked certificates (X509 CRL) is not read here";
const TRUST_SETTINGS: &str = "the trust settings of a \"TRUSTED CERTIFICATE\" are not read";

/// Sections beside certificates and keys that a server does not use. OpenSSL's tools write them by default.
const HARMLESS: &[&str] = &[
    "EC PARAMETERS",
    "SM2 PARAMETERS",
    "DH PARAMETERS",
    "X9.42 DH PARAMETERS",
    "DSA PARAMETERS",
    "PUBLIC KEY",
    "RSA PUBLIC KEY",
    "DSA PUBLIC KEY",
    "ECDSA PUBLIC KEY",
    "CERTIFICATE REQUEST",
    "NEW CERTIFICATE REQUEST",
];

/// Advice for sections that hold certificates in another form.
const HINTS: &[(&str, &str)] = &[
    ("PKCS7", " (\"openssl pkcs7 -print_certs\" writes its certificates)"),
    ("PKCS #7 SIGNED DATA", " (\"openssl pkcs7 -print_certs\" writes its certificates)"),
    ("CMS", " (\"openssl pkcs7 -print_certs\" writes its certificates)"),
];

#[cfg(test)]
mod tests;
