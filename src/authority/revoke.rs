//! Revokes certificates. Must not know: arguments, how lists are signed.

use crate::authority::error::AuthorityError;
use crate::authority::index::{Reason, Revoked};
use crate::authority::open::{Ask, Authority, issued_file};
use crate::tls::certificate::pem::written::section;

impl Authority {
    /// Revokes a certificate, which is named by its serial number or a file, and writes new lists. One that was revoked
    /// already stays as it was, and the lists are written all the same. Returns its record, and when the lists end.
    pub fn revoke(
        &mut self,
        what: &str,
        reason: Reason,
        ask: Ask<'_>,
        now: i64,
    ) -> Result<(Revoked, i64), AuthorityError> {
        let found = self.find(what)?;
        let record = match self.index.revoked(&found.serial) {
            Some(known) => known.clone(),
            None => {
                let (serial, issuer, not_after) = (found.serial, found.issuer, found.not_after);
                let record = Revoked { serial, issuer, at: now, reason, not_after };
                // One that was issued, but whose record was lost, shall be in the list of all certificates too.
                if record.issuer != self.root.serial {
                    let pem = section("CERTIFICATE", &found.certificate);
                    self.folder.write(&issued_file(&record.serial), pem.as_bytes())?;
                }
                self.index.revoked.push(record.clone());
                record
            }
        };
        // This saves the index before the lists.
        let until = self.publish(None, ask, now)?;
        Ok((record, until))
    }
}
