//! The files of CAs and of lists of revoked certificates → one judge of client certificates for all routes with the same
//! requirements. Must not know: routes, how a client is judged.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;

use crate::config::located::Located;
use crate::config::validate::client_auth as asked;
use crate::snapshot::reading::Reading;
use crate::tls::handshake::Terminator;
use crate::tls::trust::clients::ClientAuth;
use crate::tls::trust::clients::fingerprint;
use crate::tls::trust::clients::settings::Settings;
use crate::tls::trust::lists::remarks::At;
use crate::warning::Warning;

/// The judges of one listener and its routes, or of the admin server.
pub(super) struct Judges<'a> {
    /// Those of the same in the snapshot before, by fingerprint.
    before: HashMap<[u8; 32], &'a Arc<ClientAuth>>,
    /// Made so far; `None` where something is wrong with it. Many routes have the listener's requirements.
    made: HashMap<asked::Asked<'a>, Option<Arc<ClientAuth>>>,
}

impl<'a> Judges<'a> {
    /// None yet; those of the same in the snapshot before can be taken over.
    pub(super) fn of(same: impl IntoIterator<Item = &'a Terminator>) -> Self {
        let before = same.into_iter().filter_map(Terminator::client_auth);
        Self { before: before.map(|auth| (*auth.fingerprint(), auth)).collect(), made: HashMap::new() }
    }

    /// The judge for these requirements. `None` where something is wrong, which adds an error to `reading`.
    pub(super) fn judge(&mut self, asked: &'a asked::ClientAuth, reading: &mut Reading<'_>) -> Option<Arc<ClientAuth>> {
        let what = asked.asked();
        if let Some(made) = self.made.get(&what) {
            return made.clone();
        }
        let made = self.read(asked, reading);
        self.made.insert(what, made.clone());
        made
    }

    /// Reads the files of a judge. One that did not change is taken over: long lists take long to verify.
    fn read(&self, asked: &asked::ClientAuth, reading: &mut Reading<'_>) -> Option<Arc<ClientAuth>> {
        let before = reading.errors.len();
        let (ca, ca_files) = authorities(&asked.ca, reading);
        let lists = reading.lists(&asked.lists);
        let settings = Settings { lists: lists.rules(&asked.lists), ..settings(asked, reading) };
        // With a file missing, errors about the others would mislead.
        if reading.errors.len() > before {
            return None;
        }
        let file = |at: At| match at {
            At::Ca(index) => ca_files.get(index).copied(),
            At::List(index) => lists.file(index),
            At::Whole => None,
        };
        let fingerprint = fingerprint::of(&settings, &ca, &lists.given);
        let auth = match self.before.get(&fingerprint) {
            Some(same) => Arc::clone(same),
            None => match ClientAuth::new(settings, ca, lists.given.clone()) {
                Ok(auth) => Arc::new(auth.learning(Arc::clone(&reading.seen))),
                Err(errors) => {
                    let located = errors.into_iter().map(|error| match file(error.at) {
                        Some(file) => file.error(format!("{}: {error}", file.value.display())),
                        None => asked.here.error(error.to_string()),
                    });
                    reading.errors.extend(located);
                    return None;
                }
            },
        };
        lists.note(auth.used(), auth.left_out(), reading);
        let warnings = auth.warnings(reading.now.as_second());
        let located = warnings.into_iter().map(|(at, text)| match (at, file(at)) {
            (At::Ca(_), Some(file)) => {
                Warning::about(file.value.display().to_string(), text).at(&Arc::from(file.path.as_str()))
            }
            _ => lists.warning(at, text, &asked.here),
        });
        reading.warnings.extend(located);
        Some(auth)
    }
}

/// The settings, with the pins that are in files. What is wrong with a file adds an error.
fn settings(asked: &asked::ClientAuth, reading: &mut Reading<'_>) -> Settings {
    let (mut settings, known) = (asked.settings.clone(), reading.errors.len());
    for file in &asked.pins_file {
        settings.pins.extend(reading.pins(file).iter().flat_map(|pins| pins.iter()));
    }
    // No pin at all would mean that any key is accepted.
    if let Some(file) = asked.pins_file.first().filter(|_| settings.pins.is_empty() && reading.errors.len() == known) {
        let path = file.value.display();
        reading.errors.push(file.error(format!(
            "{path}: found no pin, so that no client could connect (expected at least one on a line, or in pins)"
        )));
    }
    settings
}

/// The certificates in those files, and for each the file that it is from. What cannot be read adds an error.
fn authorities<'f>(
    files: &'f [Located<PathBuf>],
    reading: &mut Reading<'_>,
) -> (Vec<CertificateDer<'static>>, Vec<&'f Located<PathBuf>>) {
    let (mut pieces, mut origins) = (Vec::new(), Vec::new());
    for file in files {
        let more = reading.trusted(file).unwrap_or_default();
        origins.resize(origins.len() + more.len(), file);
        pieces.extend(more);
    }
    (pieces, origins)
}
