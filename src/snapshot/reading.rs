//! The files that one snapshot is built from, read one after the other, and everything that is wrong with them.
//! Must not know: sockets, what the contents are used for.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::config::located::{ConfigError, Located};
use crate::files;
use crate::ja4::Ja4;
use crate::limit::prefixes::Addresses;
use crate::passphrase::Source as Passphrase;
use crate::snapshot::lists::Lists;
use crate::snapshot::{Failure, ListFile};
use crate::tls::certificate::pem;
use crate::tls::certificate::store::{Loading, Store, Trust};
use crate::tls::trust::lists::seen::Seen;
use crate::warning::Warning;

/// What is being read for one snapshot, and what was wrong so far.
pub(super) struct Reading<'b> {
    pub(super) loading: Loading<'b>,
    /// What was read from files of lists.
    pub(super) lists: Lists,
    lists_before: &'b Lists,
    pub(super) now: Timestamp,
    pub(super) warnings: Vec<Warning>,
    /// Files of secrets and of lists that a warning names already.
    warned_of: HashSet<PathBuf>,
    /// Certificates that were found and could not be loaded: skipped, or kept at their last good version.
    pub(super) failures: Vec<Located<Failure>>,
    /// Certificates that were found and that their listener's policy can never serve.
    pub(super) unusable: Vec<ConfigError>,
    /// Lists of revoked certificates that were fetched and cannot be used.
    pub(super) unproved: Vec<ConfigError>,
    /// Lists of revoked certificates that are used and are in files.
    pub(super) list_files: BTreeSet<ListFile>,
    /// Which fetched lists are there, by the file or the folder: looked at once, so that all who need them have the same ones,
    /// also where one comes meanwhile.
    pub(super) kept: HashMap<PathBuf, Vec<PathBuf>>,
    /// Takes note of where lists of revoked certificates are.
    pub(super) seen: Arc<Seen>,
    /// Certificates that are ordered, and lists that are fetched, and not there yet.
    pub(super) pending: Vec<Warning>,
    /// With a single error there is no snapshot.
    pub(super) errors: Vec<ConfigError>,
}

impl<'b> Reading<'b> {
    pub(super) fn new(
        (before, lists_before): (&'b Store, &'b Lists),
        trust: Trust,
        now: Timestamp,
        passphrases: &'b [Passphrase],
        seen: Arc<Seen>,
    ) -> Self {
        let loading = before.loading(trust, now.into(), passphrases);
        Self {
            loading,
            lists: Lists::default(),
            lists_before,
            now,
            warnings: Vec::new(),
            warned_of: HashSet::new(),
            failures: Vec::new(),
            unusable: Vec::new(),
            unproved: Vec::new(),
            list_files: BTreeSet::new(),
            kept: HashMap::new(),
            seen,
            pending: Vec::new(),
            errors: Vec::new(),
        }
    }

    /// The addresses and prefixes in a file.
    pub(super) fn addresses(&mut self, file: &Located<PathBuf>) -> Option<Arc<Addresses>> {
        self.lists.addresses(self.lists_before, file, &mut self.errors)
    }

    /// The same of clients that are refused. A warning is added where the file had some, and has none now.
    pub(super) fn denied(&mut self, file: &Located<PathBuf>) -> Option<Arc<Addresses>> {
        let denied = self.addresses(file);
        self.emptied(file);
        denied
    }

    /// The JA4s in a file, of clients that are refused, with the same warning.
    pub(super) fn denied_ja4(&mut self, file: &Located<PathBuf>) -> Option<Arc<HashSet<Ja4>>> {
        let denied = self.lists.ja4(self.lists_before, file, &mut self.errors);
        self.emptied(file);
        denied
    }

    /// Whoever was refused gets in from now on, so this is not left to the line about the change alone.
    fn emptied(&mut self, file: &Located<PathBuf>) {
        if self.lists.is_emptied(&file.value) {
            self.warn(file, EMPTIED.into());
        }
    }

    /// The SHA-256 of public keys in a file.
    pub(super) fn pins(&mut self, file: &Located<PathBuf>) -> Option<Arc<Vec<[u8; 32]>>> {
        self.lists.pins(self.lists_before, file, &mut self.errors)
    }

    /// Reads a secret other than a private key. A warning is added where everyone can read the file.
    pub(super) fn secret(&mut self, file: &Located<PathBuf>) -> Option<Zeroizing<String>> {
        match files::read_secret(&file.value) {
            Ok(secret) => {
                self.exposed(file, secret.exposed);
                Some(secret.text)
            }
            Err(error) => {
                self.errors.push(file.error(format!("{}: {}", file.value.display(), files::reason(&error))));
                None
            }
        }
    }

    /// Checks the admin server's token. The admin server reads it for each change, and refuses changes where it cannot: so
    /// a fault is only a warning.
    pub(super) fn token(&mut self, file: &Located<PathBuf>) {
        match files::read_secret(&file.value) {
            Ok(secret) => self.exposed(file, secret.exposed),
            Err(error) => {
                let reason = format!("{}; changes over TCP are refused", files::reason(&error));
                self.warn(file, reason.into());
            }
        }
    }

    /// Adds warnings for what is not read of a file of trusted certificates, or of lists.
    pub(super) fn unread(&mut self, file: &Located<PathBuf>, contents: &pem::Contents) {
        let (place, path) = (Arc::from(file.path.as_str()), file.value.display().to_string());
        let unread = contents.passed_over.iter();
        self.warnings.extend(unread.map(|unread| Warning::about(path.as_str(), unread.to_string()).at(&place)));
    }

    /// Adds a warning for a secret without which something may be missing; the reason begins with its name.
    pub(super) fn unread_secret<T>(&mut self, place: &Located<T>, reason: String) {
        self.warnings.push(Warning::new(reason).at(&Arc::from(place.path.as_str())));
    }

    pub(super) fn exposed(&mut self, file: &Located<PathBuf>, exposed: bool) {
        if exposed {
            self.warn(file, EXPOSED.into());
        }
    }

    /// Each route of a listener has the listener's ticket keys, and many have one list: one warning for a file is enough.
    fn warn(&mut self, file: &Located<PathBuf>, what: Cow<'static, str>) {
        if !self.warned_of.insert(file.value.clone()) {
            return;
        }
        let place = Arc::from(file.path.as_str());
        self.warnings.push(Warning::about(file.value.display().to_string(), what).at(&place));
    }
}

pub(super) const EXPOSED: &str =
    "can be read by everyone, and what is in it must stay secret (expected a mode such as 0600 or 0440)";

const EMPTIED: &str = "has no entries any more, so that it refuses nobody (was it cut off?)";
