//! Releases and times as people and programs read them. Must not know: where they come from.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::cli::answer::print::visible;
use crate::fleet::record::{Record, Root};
use crate::tls::certificate::x509::rfc3339;
use crate::tls::crypto::random;

/// In milliseconds since 1970.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Milliseconds since 1970 as a time.
pub(super) fn time(stamp: u64) -> String {
    rfc3339(i64::try_from(stamp / 1000).unwrap_or(i64::MAX))
}

/// `release 7 since 2026-11-30T00:12:33Z by ann@host: "note"`
pub(super) fn release(record: &Record) -> String {
    let note = if record.note.is_empty() { String::new() } else { format!(": {}", visible(&record.note)) };
    format!("release {} since {} by {}{note}", record.number, time(record.stamp), visible(&record.by))
}

pub(super) fn release_json(record: &Record) -> Value {
    json!({
        "number": record.number,
        "since": time(record.stamp),
        "by": record.by,
        "note": record.note,
        "root": record.root.0,
        "canary": record.canary.as_ref().map(|canary| json!({
            "root": canary.root.0, "nodes": canary.nodes, "until": canary.until.map(time),
        })),
    })
}

/// The beginning of a root, by which people tell releases apart.
pub(super) fn short(root: &Root) -> String {
    root.0.chars().take(12).collect()
}

/// At most so many names, and how many more there are.
pub(super) fn names<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    let all: Vec<String> = names.into_iter().map(visible).collect();
    match all.split_at_checked(MOST) {
        Some((first, rest)) if !rest.is_empty() => format!("{} and {} more", first.join(", "), rest.len()),
        _ => all.join(", "),
    }
}

pub(super) fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Who publishes: the user and the machine.
pub(super) fn who() -> String {
    let user =
        ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok().filter(|name| !name.is_empty()));
    let user = user.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()));
    format!("{user}@{}", rustix::system::uname().nodename().to_string_lossy())
}

/// Identifies one attempt to publish.
pub(super) fn attempt() -> Result<String, String> {
    let mut bytes = [0_u8; 16];
    match random(&mut bytes) {
        true => Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
        false => Err("the system provides no random bytes".into()),
    }
}

/// How many names a line has.
const MOST: usize = 12;
