//! What clients are judged by: the files of CAs and of lists → one judge for all routes that ask for the same.
//! Must not know: routes, how a client is judged.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};

use super::Making;
use crate::config::located::Located;
use crate::config::validate::client_auth as asked;
use crate::tls::certificate::pem;
use crate::tls::trust::clients;
use crate::tls::trust::clients::{At, ClientAuth};
use crate::warning::Warning;

impl<'a> Making<'a, '_> {
    /// What clients are judged by.
    pub(super) fn client_auth(&mut self, asked: &'a asked::ClientAuth) -> Option<Arc<ClientAuth>> {
        let what = asked.asked();
        if let Some(made) = self.client_auths.get(&what) {
            return made.clone();
        }
        let made = self.read_client_auth(asked);
        self.client_auths.insert(what, made.clone());
        made
    }

    /// Reads what clients are judged by. What did not change is taken over, since long lists take their time.
    fn read_client_auth(&mut self, asked: &asked::ClientAuth) -> Option<Arc<ClientAuth>> {
        let before = self.certificates.errors.len();
        let (ca, ca_files) = self.authorities(&asked.ca);
        let (crls, list_files) = self.lists(&asked.crl);
        if self.certificates.errors.len() > before {
            return None;
        }
        let file = |at: At| match at {
            At::Ca(index) => ca_files.get(index).copied(),
            At::List(index) => list_files.get(index).copied(),
            At::Whole => None,
        };
        let fingerprint = clients::fingerprint(&asked.settings, &ca, &crls);
        let auth = match self.known.client_auths.get(&fingerprint) {
            Some(same) => Arc::clone(same),
            None => match ClientAuth::new(asked.settings.clone(), ca, crls) {
                Ok(auth) => Arc::new(auth),
                Err(errors) => {
                    let located = errors.into_iter().map(|error| match file(error.at) {
                        Some(file) => file.error(format!("{}: {error}", file.value.display())),
                        None => asked.here.error(error.to_string()),
                    });
                    self.certificates.errors.extend(located);
                    return None;
                }
            },
        };
        let warnings = auth.warnings(self.certificates.now.as_second());
        let located = warnings.into_iter().map(|(at, text)| match file(at) {
            Some(file) => Warning::about(file.value.display().to_string(), text).at(&Arc::from(file.path.as_str())),
            None => Warning::new(text).at(&Arc::from(asked.here.path.as_str())),
        });
        self.certificates.warnings.extend(located);
        Some(auth)
    }

    /// The certificates in those files, and for each the file that it is from. What cannot be read is an error.
    fn authorities<'f>(
        &mut self,
        files: &'f [Located<PathBuf>],
    ) -> (Vec<CertificateDer<'static>>, Vec<&'f Located<PathBuf>>) {
        let (mut pieces, mut origins) = (Vec::new(), Vec::new());
        for file in files {
            let more = self.certificates.trusted(file).unwrap_or_default();
            origins.resize(origins.len() + more.len(), file);
            pieces.extend(more);
        }
        (pieces, origins)
    }

    /// The lists of revoked certificates in those files, and for each the file that it is from. What cannot be read is an
    /// error.
    fn lists<'f>(
        &mut self,
        files: &'f [Located<PathBuf>],
    ) -> (Vec<CertificateRevocationListDer<'static>>, Vec<&'f Located<PathBuf>>) {
        let (mut pieces, mut origins) = (Vec::new(), Vec::new());
        for file in files {
            let bytes = match self.certificates.loading.plain(&file.value) {
                Ok(bytes) => bytes,
                Err(error) => {
                    self.certificates.errors.push(file.error(error.to_string()));
                    continue;
                }
            };
            match pem::read_crls(&bytes) {
                Ok(contents) => {
                    self.certificates.unread(file, &contents);
                    origins.resize(origins.len() + contents.crls.len(), file);
                    pieces.extend(contents.crls);
                }
                Err(error) => {
                    let message = format!("{}: {error}", file.value.display());
                    self.certificates.errors.push(file.error(message));
                }
            }
        }
        (pieces, origins)
    }
}
