//! What all requests to the API and to the page share. Must not know: what is requested.

use std::sync::Arc;

use tokio::sync::{Mutex, Semaphore};

use crate::admin::known::Known;
use crate::admin::page::session::Sessions;
use crate::admin::view::renderings::Renderings;

/// What all requests share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) known: Arc<Known>,
    /// Whether it serves TLS. That is decided at the start, as where it listens.
    pub(super) secure: bool,
    pub(super) renderings: Arc<Renderings>,
    /// Those who have signed in at the page.
    pub(super) sessions: Sessions,
    /// Held while files are changed, or while a drain begins: one change at a time.
    pub(super) changing: Mutex<()>,
    /// A permit for each change that runs or waits for its turn.
    pub(super) changes: Arc<Semaphore>,
    /// A permit for each thread that reads the token.
    pub(super) readers: Arc<Semaphore>,
}
