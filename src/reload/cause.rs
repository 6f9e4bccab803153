//! What causes a reload. Must not know: what a reload does.

use crate::tls::certificate::store::Trust;

/// What caused a reload. A later one in this order takes precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// A file has changed.
    Change,
    /// The periodic read, which also finds changes that were not noticed.
    Reread,
    Signal,
    /// A command, whose sender waits for the report.
    Command,
    /// A release of the fleet, which was built before.
    Release,
}

impl Cause {
    /// Whether files that seem unchanged are read. A change event is frequent and must be cheap; the other causes must also
    /// find what time stamps hide.
    pub(super) fn trust(self) -> Trust {
        match self {
            Self::Change => Trust::Stamps,
            Self::Reread | Self::Signal | Self::Command | Self::Release => Trust::Bytes,
        }
    }

    /// For the log.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Change => "a file has changed",
            Self::Reread => "read again",
            Self::Signal => "SIGHUP",
            Self::Command => "asked to",
            Self::Release => "a release of the fleet",
        }
    }
}
