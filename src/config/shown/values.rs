//! Kinds of value → how they are shown, which is how they are written. Must not know: which key holds which.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};

use crate::config::located::Located;
use crate::config::shown::table::{Shown, Table};
use crate::config::validate::reference::{BackendRef, Share};
use crate::config::values::limits;
use crate::files;
use crate::labels::Labels;
use crate::limit::rate::Rate;
use crate::route::index;
use crate::tls::certificate::source::Source;

/// `"1h 30m"`
pub fn time(time: Duration) -> String {
    humantime::format_duration(time).to_string()
}

pub(super) fn path(path: &Path) -> String {
    files::shown(path)
}

pub(super) fn files(files: &[Located<PathBuf>]) -> Vec<String> {
    files.iter().map(|file| path(&file.value)).collect()
}

pub(super) fn texts<T: Display>(values: impl IntoIterator<Item = T>) -> Vec<String> {
    values.into_iter().map(|value| value.to_string()).collect()
}

/// `{ env = "prod", team = "directory" }`
pub(super) fn labels(labels: &Labels) -> Value {
    labels.iter().map(|(name, value)| (name.to_owned(), value.into())).collect::<Map<_, _>>().into()
}

/// Application protocols; bytes that are not printable ASCII are escaped.
pub fn protocols<P: AsRef<[u8]>>(list: &[P]) -> Vec<String> {
    list.iter().map(|protocol| index::shown(protocol.as_ref())).collect()
}

pub(super) fn backend(backend: Option<&BackendRef>) -> Option<&str> {
    let BackendRef { index: _, name } = backend?;
    Some(name)
}

/// The keys `backend` and `backends`, of which one is set: `[{ backend = "blue", weight = 95 }, …]`.
pub(super) fn backends(shares: &[Share]) -> Table {
    let shown = |share: &Share| {
        let Share { backend: BackendRef { index: _, name }, weight } = share;
        json!({ "backend": name, "weight": weight })
    };
    let (one, several) = match shares {
        [] => (None, None),
        [only] => (backend(Some(&only.backend)), None),
        several => (None, Some(several.iter().map(shown).collect::<Vec<_>>())),
    };
    Table::default().key("backend", one).key("backends", several)
}

/// A limit; `None` where there is none.
pub fn most(limit: usize) -> Option<usize> {
    (limit != usize::MAX).then_some(limit)
}

/// `{ rate = "10/s", burst = 50 }`
pub(super) fn rate(rate: Option<Rate>) -> Shown {
    let Some(rate) = rate else { return Value::Null.into() };
    let Rate { count: _, per: _, burst } = rate;
    Shown::Inline(Table::default().key("rate", limits::shown(rate)).key("burst", burst.get()))
}

/// The SHA-256 of a public key, as curl's `--pinnedpubkey` and HPKP (RFC 7469) write it.
pub(super) fn pin(pin: &[u8; 32]) -> String {
    format!("sha256/{}", BASE64.encode(pin))
}

/// The same in hex.
pub(super) fn hex(pin: &[u8; 32]) -> String {
    pin.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn certificates(sources: &[Located<Source>]) -> Vec<Value> {
    sources.iter().map(|source| source.value.shown()).collect()
}
