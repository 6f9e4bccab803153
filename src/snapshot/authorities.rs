//! A file of trusted certificates → the certificates, for backends, health checks and clients alike.
//! Must not know: what they are trusted for.

use std::path::PathBuf;

use rustls::pki_types::CertificateDer;

use crate::config::located::Located;
use crate::snapshot::reading::Reading;
use crate::tls::certificate::pem;

impl Reading<'_> {
    /// The certificates in a file, at least one, in the order of the file. `None` where the file cannot be used, which adds
    /// an error. Other content of the file adds a warning.
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
