//! Releases of a fleet: built and bound before anything is changed, then served by one swap, or let go. Must not know: who
//! decides that, what a release is but a file.

use std::path::Path;
use std::sync::Arc;

use crate::config::located::ConfigError;
use crate::files::manifest::Manifest;
use crate::files::unchanged::Known;
use crate::reload::build::{Origin, Ready, Release};
use crate::reload::held::Held;
use crate::reload::report::Report;
use crate::reload::sockets::Sockets;
use crate::reload::{Cause, Purpose, Reloader};

/// What is known of a release that was to be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holding {
    /// It can be served at once.
    Ready,
    /// It was built upon a state that is in force no longer: it has to be built again.
    Stale,
    /// It is not held.
    Nothing,
}

impl<S: Sockets> Reloader<S> {
    /// Begins to build another release of the fleet and to bind its addresses. [`Self::next`] waits for the result, which is
    /// held. It changes nothing that is served.
    pub fn begin_to_prepare(&mut self, file: &Path, known: Option<Arc<Known>>) {
        let Origin::Release(Release { machine, .. }) = self.origin() else { return };
        let release = Release { machine: machine.clone(), file: file.to_owned(), known };
        self.start_building(Purpose::Prepare(release));
    }

    /// Serves a release that is held: one swap, and nothing of it can fail. `None` where it is not held.
    pub fn commit(&mut self, file: &Path) -> Option<Report> {
        let Held { release, ready, prepared, .. } = self.held.take(file)?;
        self.origin = Origin::Release(release);
        let changes = self.put(ready, prepared);
        Some(self.succeeded(changes, Cause::Release))
    }

    /// The files of the release in force were written again: they are known by this.
    pub fn written(&mut self, file: &Path, manifest: Manifest) {
        if let Origin::Release(release) = &mut self.origin
            && release.file == file
        {
            release.known = Some(Arc::new(Known { manifest, unchanged: None }));
        }
    }

    /// Lets go of a release that is held: its new sockets are closed.
    pub fn let_go(&mut self, file: &Path) {
        self.held.take(file);
    }

    /// Lets go of all.
    pub fn let_all_go(&mut self) {
        self.held.clear();
    }

    /// What is known of a release.
    pub fn holding(&self, file: &Path) -> Holding {
        match self.held.get(file) {
            Some(held) if held.is_stale => Holding::Stale,
            Some(_) => Holding::Ready,
            None => Holding::Nothing,
        }
    }

    /// A release that has to be built again before it can be served.
    pub fn stale(&self) -> Option<&Release> {
        self.held.stale()
    }

    /// Begins to build a release again that is held.
    pub fn begin_again(&mut self, file: &Path) {
        if let Some(held) = self.held.get(file) {
            self.start_building(Purpose::Prepare(held.release.clone()));
        }
    }

    /// Binds what was built, and holds it. One that was held for the same release stays until then, so that its sockets are
    /// used again; where something is wrong, it is let go.
    pub(super) fn hold(
        &mut self,
        release: Release,
        built: Result<Ready, Vec<ConfigError>>,
    ) -> Result<(), Vec<ConfigError>> {
        let whole = built.and_then(|ready| {
            // A reload goes on with the last good version of a certificate, and no release has one of another's. What a node
            // keeps of its orders is no part of the release.
            let errors = ready.built.failed_for_good();
            if errors.is_empty() { Ok(ready) } else { Err(errors) }
        });
        let bound = whole.and_then(|ready| Ok((self.sockets.prepare(&ready.config)?, ready)));
        match bound {
            Ok((prepared, ready)) => {
                self.sockets.hold(&prepared);
                self.held.put(Held { release, ready, prepared, is_stale: false });
                Ok(())
            }
            Err(errors) => {
                self.held.take(&release.file);
                Err(errors)
            }
        }
    }
}
