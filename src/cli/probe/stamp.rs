//! When something was found, and by which version: for reports that are kept. Pure. Must not know: what was found.

use serde::Serialize;

use crate::tls::certificate::x509::rfc3339;

/// Part of a report, in JSON among its other fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Stamp {
    /// When the probe began, in UTC (RFC 3339).
    probed_at: String,
    /// The program and its version.
    probed_by: &'static str,
}

impl Stamp {
    /// `now` is in seconds since 1970.
    pub(super) fn at(now: i64) -> Self {
        Self { probed_at: rfc3339(now), probed_by: concat!("tlsgate ", env!("CARGO_PKG_VERSION")) }
    }

    /// For people.
    pub(super) fn shown(&self) -> String {
        format!("probed at {} by {}", self.probed_at, self.probed_by)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_the_time_that_it_is_given_and_the_version() {
        let stamp = Stamp::at(1_795_996_800);
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(stamp.shown(), format!("probed at 2026-11-30T00:00:00Z by tlsgate {version}"));
        let json =
            serde_json::json!({ "probed_at": "2026-11-30T00:00:00Z", "probed_by": format!("tlsgate {version}") });
        assert_eq!(serde_json::to_value(&stamp).unwrap(), json);
    }
}
