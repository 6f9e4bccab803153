//! States that are built and bound, and wait until they are served or let go. Must not know: why.

use std::fmt;
use std::path::Path;

use crate::reload::build::{Ready, Release};

/// One state that could be served at once.
pub(super) struct Held<P> {
    pub(super) release: Release,
    pub(super) ready: Ready,
    pub(super) prepared: P,
    /// Another state came into force since it was built.
    pub(super) is_stale: bool,
}

/// All of them, in the order in which they were built.
pub(super) struct All<P>(Vec<Held<P>>);

impl<P> fmt::Debug for All<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|held| &held.release)).finish()
    }
}

impl<P> Default for All<P> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<P> All<P> {
    /// Holds it, in place of one for the same release.
    pub(super) fn put(&mut self, held: Held<P>) {
        self.take(&held.release.file);
        self.0.push(held);
    }

    /// Holds it no longer.
    pub(super) fn take(&mut self, file: &Path) -> Option<Held<P>> {
        let at = self.0.iter().position(|held| held.release.file == file)?;
        Some(self.0.remove(at))
    }

    pub(super) fn get(&self, file: &Path) -> Option<&Held<P>> {
        self.0.iter().find(|held| held.release.file == file)
    }

    /// Another state is in force now.
    pub(super) fn all_stale(&mut self) {
        self.0.iter_mut().for_each(|held| held.is_stale = true);
    }

    /// The first that is stale.
    pub(super) fn stale(&self) -> Option<&Release> {
        self.0.iter().find(|held| held.is_stale).map(|held| &held.release)
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
