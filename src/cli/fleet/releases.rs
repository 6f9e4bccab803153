//! Releases in the store: their records, what they consist of, and single files of them. Must not know: what is done with them.

use std::collections::BTreeMap;

use super::place::Store;
use crate::fleet::key;
use crate::fleet::part::{PartName, Plain};
use crate::fleet::record::{Record, Root};
use crate::fleet::tree;
use crate::fleet::tree::lists::{Entry, Lists};

/// The history.
pub(super) struct All {
    /// The last one first.
    pub(super) records: Vec<Record>,
    /// The keys of those that cannot be opened, each with the reason: they may be sealed with a secret that was removed.
    pub(super) unreadable: Vec<(String, String)>,
}

/// All releases. Whether the secrets are right, the current one shows.
pub(super) async fn all(store: &Store) -> Result<All, String> {
    let (mut records, mut unreadable) = (Vec::new(), Vec::new());
    for (number, record) in store.collection::<Record>(key::RELEASES).await? {
        match record {
            Ok(record) => records.push(record),
            Err(error) => unreadable.push((format!("{}{number}", key::RELEASES), error)),
        }
    }
    records.sort_by_key(|record| std::cmp::Reverse(record.stamp));
    Ok(All { records, unreadable })
}

/// The release of a number.
pub(super) async fn numbered(store: &Store, number: u64) -> Result<Record, String> {
    if let Some(record) = store.one(&key::release(number)).await?.value {
        return Ok(record);
    }
    // The last one is also there if its entry in the history is not.
    let current = store.one::<Record>(key::CURRENT).await?.value.filter(|current| current.number == number);
    match current {
        Some(record) => Ok(record),
        None => {
            let there: Vec<u64> = all(store).await?.records.iter().map(|record| record.number).collect();
            let range = match (there.iter().min(), there.iter().max()) {
                (Some(first), Some(last)) => format!("one of those from {first} to {last} that are listed by history"),
                _ => "none yet, since nothing was published".into(),
            };
            Err(format!("found no release {number}, expected {range}"))
        }
    }
}

/// The current release.
pub(super) async fn current(store: &Store) -> Result<Option<Record>, String> {
    Ok(store.one(key::CURRENT).await?.value)
}

/// Reads the lists that are wanted, and returns those that are not there.
pub(super) async fn read(store: &Store, lists: &mut Lists) -> Result<Vec<PartName>, String> {
    let mut missing = Vec::new();
    loop {
        let wanted: Vec<PartName> = lists.wanted().take(BATCH).cloned().collect();
        if wanted.is_empty() {
            return Ok(missing);
        }
        let there = parts(store, &wanted).await?;
        for name in wanted {
            match there.get(&name) {
                Some(content) => lists.take(&name, content).map_err(|error| error.to_string())?,
                None => {
                    lists.miss(&name);
                    missing.push(name);
                }
            }
        }
    }
}

/// The files of one release: what they consist of.
pub(super) async fn files(store: &Store, root: &Root) -> Result<BTreeMap<String, Entry>, String> {
    let (root, mut lists) = (PartName(root.0.clone()), Lists::default());
    lists.add(root.clone());
    let missing = read(store, &mut lists).await?;
    match missing.first() {
        Some(part) => Err(gone(part, missing.len())),
        None => lists.files(&root).map_err(|error| error.to_string()),
    }
}

/// The content of one file.
pub(super) async fn content(store: &Store, entry: &Entry) -> Result<Plain, String> {
    // At once, since nobody would wipe what it grows out of; whatever size somebody has written there.
    let most = entry.pieces.len().saturating_mul(tree::PIECE);
    let mut content = Plain::new(Vec::with_capacity(usize::try_from(entry.size).map_or(0, |size| size.min(most))));
    for pieces in entry.pieces.chunks(PIECES) {
        let there = parts(store, pieces).await?;
        for piece in pieces {
            content.extend_from_slice(there.get(piece).ok_or_else(|| gone(piece, 1))?);
        }
    }
    Ok(content)
}

/// An error unless all parts of a release are there. Its lists are opened, and its pieces are not.
pub(super) async fn complete(store: &Store, root: &Root) -> Result<(), String> {
    let files = files(store, root).await?;
    let mut keys: Vec<String> = files.values().flat_map(|entry| &entry.pieces).map(key::part).collect();
    keys.sort_unstable();
    keys.dedup();
    let there = store.etcd.existing(&keys).await.map_err(|trouble| trouble.to_string())?;
    let count = keys.len() - there.len().min(keys.len());
    let missing = keys.iter().find(|key| !there.contains(key));
    match missing {
        Some(part) => Err(gone(&PartName(part.trim_start_matches(key::PARTS).to_owned()), count)),
        None => Ok(()),
    }
}

/// Whether a release is named and sealed with a secret that is not the first one.
pub(super) async fn is_of_old_secret(store: &Store, root: &Root) -> Result<bool, String> {
    let root = PartName(root.0.clone());
    let there = parts(store, std::slice::from_ref(&root)).await?;
    let name =
        there.get(&root).map(|content| store.parts.name(content)).transpose().map_err(|error| error.to_string())?;
    Ok(name.is_some_and(|name| name != root))
}

fn gone(part: &PartName, count: usize) -> String {
    let part: String = part.0.chars().take(12).collect();
    format!("found {count} of its parts missing, the first one {part}…; expected all: gc may have removed them")
}

/// These parts, opened; those that exist.
pub(super) async fn parts(store: &Store, names: &[PartName]) -> Result<BTreeMap<PartName, Plain>, String> {
    let keys: Vec<String> = names.iter().map(key::part).collect();
    let entries = store.etcd.get(&keys).await.map_err(|trouble| trouble.to_string())?;
    let mut parts = BTreeMap::new();
    for entry in entries {
        let (Some(name), Some(sealed)) = (entry.key.strip_prefix(key::PARTS), entry.value) else { continue };
        let name = PartName(name.to_owned());
        let content = store.parts.open(&name, &sealed).map_err(|error| format!("etcd's key {}: {error}", entry.key))?;
        parts.insert(name, content);
    }
    Ok(parts)
}

/// Lists that are read at a time.
const BATCH: usize = 64;

/// Pieces of files that are read at a time; each has 256 KiB at most.
const PIECES: usize = 16;
