//! Keys of a peer that have the same reason for not being taken over: tlsgate does without them, or has a table of its own
//! for them. Must not know: the peers.

use super::list::{Line, List};

/// The keys of a peer, by reason.
pub(super) struct Plain {
    /// Nothing is lost without them.
    pub(super) unneeded: &'static [&'static str],
    pub(super) log: &'static [&'static str],
    pub(super) process: &'static [&'static str],
}

impl Plain {
    /// Lists `key`, which is written as `text`, if it is one of these. Whether it is.
    pub(super) fn lists(&self, key: &str, text: &str, line: &Line, list: &mut List) -> bool {
        let reasons = [
            (self.unneeded, "tlsgate does without it"),
            (self.log, "the logs of tlsgate are set in [log]"),
            (self.process, "tlsgate has [process] for this"),
        ];
        let reason = reasons.iter().find(|(keys, _)| keys.contains(&key));
        if let Some((_, why)) = reason {
            list.note(line, text, *why);
        }
        reason.is_some()
    }
}
