//! A file of trusted certificates → the certificates, for backends, health checks and clients alike.
//! Must not know: whom they are trusted to vouch for.

use std::path::PathBuf;

use rustls::pki_types::CertificateDer;

use crate::config::located::Located;
use crate::snapshot::certificates::Certificates;
use crate::tls::certificate::pem;

impl Certificates<'_> {
    /// The certificates in a file, at least one, in the order of the file. `None` where the file cannot be used, which is
    /// then among the errors. What the file holds besides certificates is a warning.
    pub(super) fn trusted(&mut self, file: &Located<PathBuf>) -> Option<Vec<CertificateDer<'static>>> {
        let contents = match self.loading.plain(&file.value) {
            Ok(bytes) => pem::read_certificates(&bytes),
            Err(error) => {
                self.errors.push(file.error(error.to_string()));
                return None;
            }
        };
        let fault = match contents {
            Ok(contents) => {
                self.unread(file, &contents);
                if !contents.certificates.is_empty() {
                    return Some(contents.certificates);
                }
                HOLDS_NONE.to_owned()
            }
            Err(error) => error.to_string(),
        };
        self.errors.push(file.error(format!("{}: {fault}", file.value.display())));
        None
    }
}

const HOLDS_NONE: &str = "holds no certificate";
