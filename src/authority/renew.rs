//! A new issuing certificate, in time before the old one ends, or after that one was revoked. Must not know: arguments.

use crate::acme::settings::KeyKind;
use crate::authority::build::{self, Validity};
use crate::authority::error::AuthorityError;
use crate::authority::key;
use crate::authority::new::issuing_name;
use crate::authority::open::{Ask, Authority, issuing_file};
use crate::tls::certificate::pem::written::section;
use crate::tls::certificate::x509;

impl Authority {
    /// Makes a new issuing certificate with a new key, which issues from now on. What the old one has issued stays valid,
    /// and the old one's list is kept up. The new key is encrypted if the root's is. Returns the serial number and the end
    /// of its validity.
    pub fn renew(&mut self, kind: KeyKind, days: u32, ask: Ask<'_>, now: i64) -> Result<(String, i64), AuthorityError> {
        let root = self.root(ask)?;
        if root.validity.to <= now {
            return Err(AuthorityError::Expired("root", "make a new authority"));
        }
        let passphrase = if self.has_encrypted_root()? { Some(ask(&self.path().join("ca.key"))?) } else { None };
        let parsed =
            x509::parse(&self.root.certificate).map_err(|_| AuthorityError::Wrong("the root cannot be read"))?;
        let common = parsed.subject().iter_common_name().next().and_then(|name| x509::text(name.attr_value()));
        let name = issuing_name(&common.unwrap_or_default(), self.index.issuing.len() + 1);
        let issuing = build::issuing(&name, key::generate(kind)?, Validity::days(days, now), &root, self.terms())?;
        let key = key::to_pem(issuing.issuer.key(), passphrase.as_deref())?;
        self.folder.write(&issuing_file(&issuing.serial, "key"), key.as_bytes())?;
        let certificate = section("CERTIFICATE", &issuing.certificate);
        self.folder.write(&issuing_file(&issuing.serial, "pem"), certificate.as_bytes())?;
        self.index.issuing.push(issuing.serial.clone());
        // This saves the index before the lists.
        self.publish(None, ask, now)?;
        Ok((issuing.serial, issuing.validity.to))
    }
}
