//! This process as a node of a fleet → JSON. Must not know: HTTP, how it takes part.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::member::status::Status;

/// Everything that is known; `fleet` is null where this is not a node of a fleet.
pub(in crate::admin) fn fleet(status: Option<&Status>) -> Value {
    json!({ "fleet": status.map(node) })
}

fn node(status: &Status) -> Value {
    let Status { release, counts, .. } = status;
    let published = i64::try_from(release.stamp).ok().and_then(|stamp| Timestamp::from_millisecond(stamp).ok());
    json!({
        "node": status.node,
        "etcd": status.etcd,
        "prefix": status.prefix,
        "connected": status.connected,
        "etcd_trouble": status.etcd_trouble,
        "leader": status.leader,
        "leader_trouble": status.leader_trouble,
        "trouble": status.trouble,
        "release": {
            "number": release.number,
            "root": release.root_for(&status.node).0,
            "canary": release.canary.as_ref().is_some_and(|canary| canary.nodes.contains(&status.node)),
            "by": release.by,
            "note": release.note,
            "published": published.map(|time| time.to_string()),
            "since": status.since.to_string(),
        },
        "prepared": { "ready": counts.prepared, "refused": counts.refused },
        "committed": { "served": counts.served, "failed": counts.failed },
        "last_refusal": status.refused.as_ref().map(|refused| json!({
            "root": refused.root,
            "reason": refused.reason,
            "time": refused.at.to_string(),
        })),
    })
}
