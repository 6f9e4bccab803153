//! Makes the demo's certificates. Must not know: how they are served.

use std::error::Error;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SignatureAlgorithm,
};

/// Writes `ca.pem`, and `certs/` with an RSA and an ECDSA pair for each name. The CA's key is never written.
pub(super) fn write(folder: &Path, names: &[&str]) -> Result<(), Box<dyn Error>> {
    let mut authority = parameters("tlsgate demo CA", &[])?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate()?;
    fs::write(folder.join("ca.pem"), authority.self_signed(&key)?.pem())?;
    let issuer = Issuer::new(authority, key);
    let certs = folder.join("certs");
    fs::create_dir(&certs)?;
    for name in names {
        for (kind, algorithm) in KINDS {
            let key = KeyPair::generate_for(algorithm)?;
            let mut leaf = parameters(name, &[(*name).to_owned()])?;
            leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            // Strict clients require it (RFC 5280 section 4.2.1.1), such as Python from 3.13 on.
            leaf.use_authority_key_identifier_extension = true;
            let stem = format!("{}.{kind}", name.replace('*', "any"));
            fs::write(certs.join(format!("{stem}.crt")), leaf.signed_by(&key, &issuer)?.pem())?;
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(certs.join(format!("{stem}.key")))?;
            file.write_all(key.serialize_pem().as_bytes())?;
        }
    }
    Ok(())
}

fn parameters(common_name: &str, names: &[String]) -> Result<CertificateParams, rcgen::Error> {
    let mut parameters = CertificateParams::new(names)?;
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, common_name);
    let now = SystemTime::now();
    parameters.not_before = (now - HOUR).into();
    parameters.not_after = (now + 30 * 24 * HOUR).into();
    Ok(parameters)
}

const KINDS: &[(&str, &SignatureAlgorithm)] =
    &[("rsa", &rcgen::PKCS_RSA_SHA256), ("ecdsa", &rcgen::PKCS_ECDSA_P256_SHA256)];

/// Certificates are also valid for this time before now, in case a client's clock is slow.
const HOUR: Duration = Duration::from_secs(3600);
