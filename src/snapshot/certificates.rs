//! The certificates of listeners, routes and backends, loaded one after the other; remembers what was wrong.
//! Must not know: sockets, how a certificate is made of its files.

use std::borrow::Cow;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;

use crate::config::located::{ConfigError, Located};
use crate::files;
use crate::snapshot::reach::Reach;
use crate::snapshot::remarks;
use crate::tls::certificate::pem;
use crate::tls::certificate::select;
use crate::tls::certificate::source::Source;
use crate::tls::certificate::store::{Loading, Store, Trust, loaded};
use crate::tls::handshake::never_served;
use crate::tls::policy::Policy;
use crate::warning::Warning;

/// Loads the certificates of one listener after the other, and remembers what was wrong.
pub(super) struct Certificates<'b> {
    pub(super) loading: Loading<'b>,
    pub(super) now: Timestamp,
    pub(super) warnings: Vec<Warning>,
    /// Files of secrets.
    warned_of: HashSet<PathBuf>,
    pub(super) failures: Vec<Warning>,
    pub(super) unusable: Vec<ConfigError>,
    pub(super) errors: Vec<ConfigError>,
}

impl<'b> Certificates<'b> {
    pub(super) fn loading(before: &'b Store, trust: Trust, now: Timestamp) -> Self {
        let loading = before.loading(trust, now.into());
        Self {
            loading,
            now,
            warnings: Vec::new(),
            warned_of: HashSet::new(),
            failures: Vec::new(),
            unusable: Vec::new(),
            errors: Vec::new(),
        }
    }

    /// Reads a secret besides the private keys. That everybody may read it is a warning.
    pub(super) fn secret(&mut self, file: &Located<PathBuf>) -> Option<String> {
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

    /// The admin server reads its token for each change, and refuses changes where it cannot. Here is only warned of that.
    pub(super) fn token(&mut self, file: &Located<PathBuf>) {
        match files::read_secret(&file.value) {
            Ok(secret) => self.exposed(file, secret.exposed),
            Err(error) => {
                let reason = format!("{}; changes over TCP are refused", files::reason(&error));
                self.warn(file, reason.into());
            }
        }
    }

    /// Warns of what is in a file of others' certificates, or of lists, and is not read.
    pub(super) fn unread(&mut self, file: &Located<PathBuf>, contents: &pem::Contents) {
        let (place, path) = (Arc::from(file.path.as_str()), file.value.display().to_string());
        let unread = contents.passed_over.iter();
        self.warnings.extend(unread.map(|unread| Warning::about(path.as_str(), unread.to_string()).at(&place)));
    }

    fn exposed(&mut self, file: &Located<PathBuf>, exposed: bool) {
        if exposed {
            self.warn(file, EXPOSED.into());
        }
    }

    /// Each route of a listener has the listener's ticket keys: one warning for a file is enough.
    fn warn(&mut self, file: &Located<PathBuf>, what: Cow<'static, str>) {
        if !self.warned_of.insert(file.value.clone()) {
            return;
        }
        let place = Arc::from(file.path.as_str());
        self.warnings.push(Warning::about(file.value.display().to_string(), what).at(&place));
    }

    /// Those of a listener or a route, which stands `here`.
    pub(super) fn of(
        &mut self,
        here: &Located<()>,
        policy: &Policy,
        sources: &[Located<Source>],
        reach: &Reach,
    ) -> select::Certificates {
        let place = Arc::from(here.path.as_str());
        let (mut all, mut skipped, mut unusable) = (Vec::new(), Vec::new(), Vec::new());
        let before = self.errors.len();
        for source in sources {
            match source.value.load(&mut self.loading) {
                Ok(loaded) => {
                    self.warnings.extend(loaded.warnings.into_iter().map(|warning| warning.at(&place)));
                    skipped.extend(loaded.failures.iter().map(ToString::to_string));
                    self.failures.extend(loaded.failures.into_iter().map(|failure| failure.at(&place)));
                    for item in &loaded.items {
                        let Some(reason) = never_served(&item.entry.certificate, policy) else { continue };
                        let list = if item.named { &mut self.errors } else { &mut unusable };
                        list.push(source.error(reason));
                    }
                    all.extend(loaded.items);
                }
                Err(error) => self.errors.push(source.error(error.to_string())),
            }
        }
        if all.is_empty() && self.errors.len() == before {
            let mut message = NONE_FOUND.to_owned();
            // Without them nobody would know why.
            message.extend(skipped.iter().map(|reason| format!("; {reason}")));
            self.errors.push(here.error(message));
        }
        let items = loaded::merge(all);
        let now = self.now.as_second();
        let remarks = items.iter().flat_map(|item| remarks::of(item, now)).map(|warning| warning.at(&place));
        self.warnings.extend(remarks);
        let index = select::Certificates::new(items.into_iter().map(|item| item.entry).collect());
        // With none that can be served, the listener could do nothing but refuse.
        let none_left = index.all().iter().all(|certificate| never_served(certificate, policy).is_some());
        if none_left { &mut self.errors } else { &mut self.unusable }.extend(unusable);
        let overlaps = index.overlaps().into_iter().map(|name| Warning::about(name, OVERLAP).at(&place));
        self.warnings.extend(overlaps);
        self.warnings.extend(reach.nobodys(&index, now).into_iter().map(|warning| warning.at(&place)));
        index
    }
}

const NONE_FOUND: &str = "certificates: none that can be used was found (expected x.crt or x.pem with x.key, combined PEM files, or folders of them, as certbot, acme.sh, lego, Caddy or Kubernetes make them)";

const OVERLAP: &str = "several certificates of one key type bear this name, and the preferred one is served";

const EXPOSED: &str =
    "can be read by everyone, and what is in it must stay secret (expected a mode such as 0600 or 0440)";
