//! Certificates and keys: the same for every proxy, each in the format that it reads.

use std::fs;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{CertificateParams, Issuer, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use rustls::pki_types::{CertificateDer, ServerName};

use crate::load::target::Site;

/// The name in the certificates that most rows use.
pub(crate) const NAME: &str = "bench.example.com";

/// A certificate and its key on disk.
pub(crate) struct Pair {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    /// Both in one file, as HAProxy and hitch require.
    pub(crate) combined: PathBuf,
    pub(crate) site: Site,
}

/// One ECDSA P-256 and one RSA-2048 certificate.
pub(crate) struct Material {
    pub(crate) ecdsa: Pair,
    pub(crate) rsa: Pair,
}

type Authority = Issuer<'static, KeyPair>;

impl Material {
    pub(crate) fn write(folder: &Path) -> io::Result<Self> {
        let authority = authority()?;
        let ecdsa = KeyPair::generate().map_err(io::Error::other)?;
        let rsa = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).map_err(io::Error::other)?;
        Ok(Self {
            ecdsa: pair(folder, "ecdsa", NAME, &ecdsa, &authority)?,
            rsa: pair(folder, "rsa", NAME, &rsa, &authority)?,
        })
    }
}

/// Many certificates with a name each, in two folders: pairs, and combined files.
pub(crate) struct Many {
    pub(crate) pairs: PathBuf,
    pub(crate) combined: PathBuf,
    pub(crate) names: Vec<String>,
    pub(crate) sites: Arc<[Site]>,
    authority: Authority,
}

impl Many {
    pub(crate) fn write(folder: &Path, count: usize) -> io::Result<Self> {
        let (pairs, combined) = (folder.join("pairs"), folder.join("combined"));
        fs::create_dir_all(&pairs)?;
        fs::create_dir_all(&combined)?;
        let names = (0..count).map(|number| format!("n{number:06}.example.com")).collect();
        let mut many = Self { pairs, combined, names, sites: Arc::new([]), authority: authority()? };
        let sites: io::Result<Vec<Site>> = (0..count).map(|number| many.renew(number)).collect();
        many.sites = sites?.into();
        Ok(many)
    }

    /// Replaces the certificate and key of that number, each file atomically.
    pub(crate) fn renew(&self, number: usize) -> io::Result<Site> {
        let name = &self.names[number];
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let written = pair(&self.pairs, &format!("{name}.new"), name, &key, &self.authority)?;
        // hitch reads them again after it has given up root.
        fs::set_permissions(&written.combined, Permissions::from_mode(0o644))?;
        fs::rename(written.combined, self.combined.join(format!("{name}.pem")))?;
        fs::rename(written.key, self.pairs.join(format!("{name}.key")))?;
        fs::rename(written.certificate, self.pairs.join(format!("{name}.crt")))?;
        Ok(written.site)
    }
}

fn authority() -> io::Result<Authority> {
    let key = KeyPair::generate().map_err(io::Error::other)?;
    Ok(Issuer::new(CertificateParams::new(Vec::new()).map_err(io::Error::other)?, key))
}

fn pair(folder: &Path, file: &str, name: &str, key: &KeyPair, authority: &Authority) -> io::Result<Pair> {
    let params = CertificateParams::new(vec![name.to_owned()]).map_err(io::Error::other)?;
    let certificate = params.signed_by(key, authority).map_err(io::Error::other)?;
    let paths = ["crt", "key", "pem"].map(|extension| folder.join(format!("{file}.{extension}")));
    let [crt, private, combined] = paths;
    let both = format!("{}{}", key.serialize_pem(), certificate.pem());
    for (path, text) in [(&crt, &certificate.pem()), (&private, &key.serialize_pem()), (&combined, &both)] {
        fs::write(path, text)?;
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
    }
    let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
    let certificates = vec![CertificateDer::from(certificate.der().to_vec())];
    Ok(Pair { certificate: crt, key: private, combined, site: Site { name, certificates } })
}
