//! One certificate that is kept: what is wanted, what is there, what is remembered. Must not know: when it is ordered.

use std::sync::Arc;

use tokio::time::Instant;

use crate::acme::issued;
use crate::acme::issued::Facts;
use crate::acme::memory;
use crate::acme::memory::of_certificate::OfCertificate;
use crate::acme::schedule::Lifetime;
use crate::acme::settings::Wanted;
use crate::acme::status::Failure;
use crate::state::Folder;

/// One certificate.
pub(super) struct One {
    pub(super) wanted: Arc<Wanted>,
    pub(super) kept: OfCertificate,
    /// Of the certificate in the folder.
    pub(super) facts: Option<Facts>,
    /// When the last attempt ended since the start, and how.
    pub(super) ended: Option<(Instant, Result<(), Failure>)>,
}

impl One {
    /// Reads what there is. What cannot be read is taken for missing, and reported: it is ordered again.
    pub(super) fn read(folder: &Folder, wanted: &Arc<Wanted>, now: i64) -> Self {
        let kept = memory::certificate(folder, wanted, now).unwrap_or_else(|error| {
            tracing::warn!(%wanted, %error, "what was remembered of a certificate cannot be read");
            OfCertificate::doubtful(&wanted.authority, now)
        });
        Self { wanted: Arc::clone(wanted), kept, facts: in_folder(folder, wanted), ended: None }
    }

    /// How an attempt ended that was still to end when somebody asked for one: it is the one that was asked for.
    pub(super) fn ended_since(&self, asked: Instant) -> Option<Result<(), Failure>> {
        self.ended.as_ref().filter(|(at, _)| *at > asked).map(|(_, result)| result.clone())
    }

    pub(super) fn lifetime(&self) -> Option<Lifetime> {
        self.facts.as_ref().map(|facts| facts.lifetime)
    }
}

fn in_folder(folder: &Folder, wanted: &Wanted) -> Option<Facts> {
    let file = wanted.folder().join("tls.crt");
    match folder.read(&file) {
        Ok(bytes) => bytes.and_then(|bytes| issued::facts(&bytes)),
        Err(error) => {
            tracing::warn!(%wanted, %error, "a certificate cannot be read");
            None
        }
    }
}
