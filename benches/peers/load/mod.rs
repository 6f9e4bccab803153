//! The load: clients and a backend on one thread, which check every byte. Must not know: which proxy is between them.

use std::time::Duration;

pub(crate) mod arrivals;
pub(crate) mod aside;
pub(crate) mod backend;
pub(crate) mod buffers;
pub(crate) mod latencies;
pub(crate) mod offered;
pub(crate) mod pattern;
pub(crate) mod pings;
pub(crate) mod probe;
pub(crate) mod record;
pub(crate) mod session;
mod slow;
pub(crate) mod steady;
pub(crate) mod target;
pub(crate) mod work;

/// Why a measurement does not count.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("{0} was not done within {1:?}")]
    Late(&'static str, Duration),
    #[error("the proxy refuses: {0}")]
    Refused(rustls::Error),
    #[error("{what}: {found} was negotiated instead of {expected}")]
    Negotiated { what: &'static str, expected: String, found: String },
    #[error("what was received differs from what was sent, at byte {0}")]
    Corrupt(u64),
    #[error("{found} bytes came instead of {expected}")]
    Short { expected: u64, found: u64 },
    #[error("a record that TLS does not allow here: {0}")]
    Record(&'static str),
    #[error("of {all} connections {refused} were refused, and {late} were not done in time")]
    Unserved { refused: u64, late: u64, all: u64 },
    #[error("the load cannot keep up: it began connections {0:?} late")]
    Overtaxed(Duration),
    #[error("the backend: {0}")]
    Backend(String),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl From<rustls::Error> for Fault {
    fn from(error: rustls::Error) -> Self {
        Self::Refused(error)
    }
}
