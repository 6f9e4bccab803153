//! Releases of a fleet that are to be prepared and committed, among the reloads. Must not know: how a release is built, who asks
//! for it.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::config::located::ConfigError;
use crate::files::unchanged::Known;
use crate::reload::control::Spoiled;

/// The answer to a command.
pub(super) type Reply = oneshot::Sender<Result<(), Vec<ConfigError>>>;

/// A release that is to be prepared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) file: PathBuf,
    /// Of its folder.
    pub(super) known: Option<Arc<Known>>,
}

/// What was asked for and is not done.
#[derive(Debug, Default)]
pub(super) struct Releases {
    asked: VecDeque<(Wish, Reply)>,
    committing: Option<(PathBuf, Reply)>,
    spoiled: Option<mpsc::UnboundedSender<Spoiled>>,
}

impl Releases {
    /// One is to be prepared.
    pub(super) fn ask(&mut self, wish: Wish, reply: Reply, spoiled: mpsc::UnboundedSender<Spoiled>) {
        self.spoiled = Some(spoiled);
        self.asked.push_back((wish, reply));
    }

    /// One is to be served. A commit that waits is given up: whoever asks now knows better.
    pub(super) fn commit(&mut self, file: PathBuf, reply: Reply) {
        self.committing = Some((file, reply));
    }

    /// One is not needed any longer.
    pub(super) fn let_go(&mut self, file: &Path) {
        self.asked.retain(|(asked, _)| asked.file != file);
        self.committing.take_if(|(committing, _)| committing == file);
    }

    /// The next one to be prepared.
    pub(super) fn first(&self) -> Option<&Wish> {
        self.asked.front().map(|(wish, _)| wish)
    }

    /// The one to be served.
    pub(super) fn to_commit(&self) -> Option<&Path> {
        self.committing.as_ref().map(|(file, _)| file.as_path())
    }

    /// It is served, or why it cannot be.
    pub(super) fn committed(&mut self, result: Result<(), Vec<ConfigError>>) {
        if let Some((_, reply)) = self.committing.take() {
            // An error only means that nobody waits.
            let _ = reply.send(result);
        }
    }

    /// It is held, or why not. What nobody has asked for was to be built again.
    pub(super) fn prepared(&mut self, file: PathBuf, result: Result<(), Vec<ConfigError>>) {
        if let Some(at) = self.asked.iter().position(|(asked, _)| asked.file == file) {
            let reply = self.asked.remove(at);
            let _ = reply.map(|(_, reply)| reply.send(result));
            return;
        }
        let Err(errors) = result else { return };
        if self.to_commit() == Some(&file) {
            self.committed(Err(errors.clone()));
        }
        let _ = self.spoiled.as_ref().map(|spoiled| spoiled.send(Spoiled { file, errors }));
    }
}
