//! A certificate authority for one test, and certificates of every kind from it.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, RsaKeySize,
};
use tempfile::TempDir;

/// The kind of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    Rsa2048,
    Rsa3072,
    Rsa4096,
    P256,
    P384,
    P521,
    Ed25519,
    MlDsa44,
    MlDsa65,
    MlDsa87,
}

/// A throw-away CA in a folder of its own.
pub(crate) struct Pki {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

/// The content of a certificate besides its names and key.
#[derive(Debug, Clone, Default)]
pub(crate) struct Extra {
    /// Days from today; the default is yesterday to 90 days from now.
    pub(crate) validity: Option<(i64, i64)>,
    /// The subject's common name; by default the first name.
    pub(crate) common_name: Option<String>,
    /// For use by a client.
    pub(crate) client: bool,
    /// For use by a server that is a client of others of its kind.
    pub(crate) peer: bool,
}

impl Pki {
    /// Creates a CA with an ECDSA P-256 key.
    pub(crate) fn new() -> Self {
        Self::with_ca_key(Key::P256)
    }

    pub(crate) fn with_ca_key(key: Key) -> Self {
        let key = generate(key);
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "tlsgate test CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { folder, issuer: Issuer::new(params, key) }
    }

    /// The folder of all its files.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The CA's certificate.
    pub(crate) fn ca(&self) -> PathBuf {
        self.folder().join("ca.pem")
    }

    /// A certificate's PEM and its key's (PKCS#8).
    pub(crate) fn pair(&self, names: &[&str], key: Key, extra: &Extra) -> (String, String) {
        let key = generate(key);
        (self.certificate(names, &key, extra), key.serialize_pem())
    }

    /// A certificate's PEM, for an existing key.
    pub(crate) fn certificate(&self, names: &[&str], key: &KeyPair, extra: &Extra) -> String {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let common_name = extra.common_name.clone().or(names.first().cloned()).unwrap_or_default();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        let usage =
            if extra.client { ExtendedKeyUsagePurpose::ClientAuth } else { ExtendedKeyUsagePurpose::ServerAuth };
        params.extended_key_usages = match extra.peer {
            true => vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth],
            false => vec![usage],
        };
        params.use_authority_key_identifier_extension = true;
        let (from, to) = extra.validity.unwrap_or((-1, 90));
        (params.not_before, params.not_after) = (in_days(from).into(), in_days(to).into());
        params.signed_by(key, &self.issuer).unwrap().pem()
    }

    /// Writes `folder/stem.crt` and `folder/stem.key` below the PKI's folder and returns both paths.
    pub(crate) fn write(
        &self,
        folder: &str,
        stem: &str,
        names: &[&str],
        key: Key,
        extra: &Extra,
    ) -> (PathBuf, PathBuf) {
        let (certificate, key) = self.pair(names, key, extra);
        let folder = self.folder().join(folder);
        fs::create_dir_all(&folder).unwrap();
        let (crt, private) = (folder.join(format!("{stem}.crt")), folder.join(format!("{stem}.key")));
        fs::write(&crt, certificate).unwrap();
        write_private(&private, &key);
        (crt, private)
    }
}

/// The PEM of a self-signed certificate, valid from and to that many days from today, and the PEM of its key.
pub(crate) fn self_signed(name: &str, is_ca: bool, validity: (i64, i64)) -> (String, String) {
    let key = generate(Key::P256);
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = if is_ca { IsCa::Ca(BasicConstraints::Unconstrained) } else { IsCa::ExplicitNoCa };
    (params.not_before, params.not_after) = (in_days(validity.0).into(), in_days(validity.1).into());
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

/// Writes a file that only its owner can read.
pub(crate) fn write_private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// A key of that kind. RSA keys take long to make, so each size is made once in a process.
pub(crate) fn generate(key: Key) -> KeyPair {
    static RSA: OnceLock<Mutex<HashMap<Key, String>>> = OnceLock::new();
    let size = match key {
        Key::P256 => return KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap(),
        Key::P384 => return KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap(),
        Key::P521 => return KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512).unwrap(),
        Key::Ed25519 => return KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap(),
        Key::MlDsa44 => return KeyPair::generate_for(&rcgen::PKCS_ML_DSA_44).unwrap(),
        Key::MlDsa65 => return KeyPair::generate_for(&rcgen::PKCS_ML_DSA_65).unwrap(),
        Key::MlDsa87 => return KeyPair::generate_for(&rcgen::PKCS_ML_DSA_87).unwrap(),
        Key::Rsa2048 => RsaKeySize::_2048,
        Key::Rsa3072 => RsaKeySize::_3072,
        Key::Rsa4096 => RsaKeySize::_4096,
    };
    let mut made = RSA.get_or_init(Mutex::default).lock().unwrap();
    let make = || KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, size).unwrap().serialize_pem();
    KeyPair::from_pem(made.entry(key).or_insert_with(make)).unwrap()
}

fn in_days(days: i64) -> SystemTime {
    let shift = Duration::from_secs(days.unsigned_abs() * 86_400);
    if days < 0 { SystemTime::now() - shift } else { SystemTime::now() + shift }
}
