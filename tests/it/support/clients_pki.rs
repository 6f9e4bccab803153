//! CAs that issue to clients, and certificates of every kind from them: good, expired, revoked, from another CA.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CrlDistributionPoint, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevocationReason, RevokedCertParams,
    SanType, SerialNumber,
};

use super::pki::write_private;

/// A CA for clients, with its certificate in `NAME.pem`.
pub(crate) struct ClientCa {
    folder: PathBuf,
    name: String,
    params: CertificateParams,
    issuer: Issuer<'static, KeyPair>,
}

/// A client's certificate (with the chain behind it) and key, as files.
#[derive(Debug, Clone)]
pub(crate) struct Credentials {
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
}

/// The content of a certificate.
#[derive(Debug, Clone)]
pub(crate) struct Kind<'a> {
    pub(crate) serial: u64,
    pub(crate) common_name: &'a str,
    pub(crate) names: Vec<SanType>,
    /// Days from today.
    pub(crate) validity: (i64, i64),
    /// When it ends, instead of after so many days.
    pub(crate) until: Option<SystemTime>,
    pub(crate) purpose: ExtendedKeyUsagePurpose,
    /// URLs of distribution points of the list that can revoke it.
    pub(crate) points: Vec<String>,
}

impl Default for Kind<'_> {
    fn default() -> Self {
        let purpose = ExtendedKeyUsagePurpose::ClientAuth;
        let (until, points) = (None, Vec::new());
        Self { serial: 1, common_name: "alice", names: Vec::new(), validity: (-1, 90), until, purpose, points }
    }
}

impl ClientCa {
    pub(crate) fn new(folder: &Path, name: &str) -> Self {
        Self::named(folder, name, name, |_| {})
    }

    /// A CA with this subject, in `STEM.pem`, and with the given changes.
    pub(crate) fn named(folder: &Path, stem: &str, subject: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = ca(subject, 100);
        change(&mut params);
        fs::write(folder.join(format!("{stem}.pem")), params.self_signed(&key).unwrap().pem()).unwrap();
        let issuer = Issuer::new(params.clone(), key);
        Self { folder: folder.to_owned(), name: stem.to_owned(), params, issuer }
    }

    /// Writes another certificate for the same key.
    pub(crate) fn certify(&self, change: impl FnOnce(&mut CertificateParams)) {
        let mut params = self.params.clone();
        change(&mut params);
        fs::write(self.file(), params.self_signed(self.issuer.key()).unwrap().pem()).unwrap();
    }

    /// A CA below this one. Its certificate follows those that it issues, in the same file.
    pub(crate) fn below(&self, name: &str, serial: u64) -> Self {
        self.below_with(name, serial, |_| {})
    }

    /// The same, with the given changes.
    pub(crate) fn below_with(&self, name: &str, serial: u64, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = ca(name, serial);
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        fs::write(self.folder.join(format!("{name}.pem")), certificate).unwrap();
        let issuer = Issuer::new(params.clone(), key);
        Self { folder: self.folder.clone(), name: name.to_owned(), params, issuer }
    }

    /// The file of its certificate.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.join(format!("{}.pem", self.name))
    }

    pub(crate) fn issue(&self, stem: &str, kind: &Kind<'_>) -> Credentials {
        self.issue_with(stem, kind, &[])
    }

    /// The same with the certificates of `above` behind it.
    pub(crate) fn issue_with(&self, stem: &str, kind: &Kind<'_>, above: &[&Self]) -> Credentials {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, kind.common_name);
        params.subject_alt_names.clone_from(&kind.names);
        params.serial_number = Some(SerialNumber::from(kind.serial));
        let until = kind.until.unwrap_or_else(|| in_days(kind.validity.1));
        (params.not_before, params.not_after) = (in_days(kind.validity.0).into(), until.into());
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![kind.purpose.clone()];
        params.use_authority_key_identifier_extension = true;
        let point = |url: &String| CrlDistributionPoint { uris: vec![url.clone()] };
        params.crl_distribution_points = kind.points.iter().map(point).collect();
        let mut chain = params.signed_by(&key, &self.issuer).unwrap().pem();
        for ca in above {
            chain += &fs::read_to_string(ca.file()).unwrap();
        }
        let files = [".crt", ".key"].map(|end| self.folder.join(format!("{stem}{end}")));
        fs::write(&files[0], chain).unwrap();
        write_private(&files[1], &key.serialize_pem());
        let [chain, key] = files;
        Credentials { chain, key }
    }

    /// A list of these serial numbers, valid for that many days from today, as PEM.
    pub(crate) fn list(&self, revoked: &[u64], until: i64) -> String {
        self.numbered_list(1, revoked, until)
    }

    /// The same with the given CRL number.
    pub(crate) fn numbered_list(&self, number: u64, revoked: &[u64], until: i64) -> String {
        let entry = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: in_days(-1).into(),
            reason_code: Some(RevocationReason::KeyCompromise),
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: in_days(-2).into(),
            next_update: in_days(until).into(),
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: revoked.iter().map(entry).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().pem().unwrap()
    }
}

fn ca(name: &str, serial: u64) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(SerialNumber::from(serial));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn in_days(days: i64) -> SystemTime {
    let shift = Duration::from_secs(days.unsigned_abs() * 86_400);
    if days < 0 { SystemTime::now() - shift } else { SystemTime::now() + shift }
}
