//! What clients are judged by: the files of CAs and of lists → one judge for all routes that ask for the same.
//! Must not know: routes, how a client is judged.

use std::path::PathBuf;
use std::sync::Arc;

use super::Making;
use crate::config::located::Located;
use crate::config::validate::client_auth as asked;
use crate::tls::certificate::pem;
use crate::tls::certificate::pem::PemError;
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
        let (ca, ca_files) = self.read_all(&asked.ca, pem::read_certificates, |contents| contents.certificates);
        let (crls, list_files) = self.read_all(&asked.crl, pem::read_crls, |contents| contents.crls);
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

    /// What is in those files, and for each piece the file that it is from. What cannot be read is an error.
    fn read_all<'f, T>(
        &mut self,
        files: &'f [Located<PathBuf>],
        read: impl Fn(&[u8]) -> Result<pem::Contents, PemError>,
        wanted: impl Fn(pem::Contents) -> Vec<T>,
    ) -> (Vec<T>, Vec<&'f Located<PathBuf>>) {
        let (mut pieces, mut origins) = (Vec::new(), Vec::new());
        for file in files {
            let at = |error: String| file.error(format!("{}: {error}", file.value.display()));
            let bytes = match self.certificates.loading.plain(&file.value) {
                Ok(bytes) => bytes,
                Err(error) => {
                    self.certificates.errors.push(file.error(error.to_string()));
                    continue;
                }
            };
            match read(&bytes) {
                Ok(contents) => {
                    self.certificates.unread(file, &contents);
                    let more = wanted(contents);
                    if more.is_empty() {
                        self.certificates.errors.push(at("there is no certificate in it".into()));
                    }
                    origins.resize(origins.len() + more.len(), file);
                    pieces.extend(more);
                }
                Err(error) => self.certificates.errors.push(at(error.to_string())),
            }
        }
        (pieces, origins)
    }
}
