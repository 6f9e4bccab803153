//! Releases ↔ etcd: puts the parts that are missing, children before parents, and fetches trees part by part, verified.
//!
//! Must not know: what files mean.

use std::collections::{BTreeSet, HashMap};
use std::future::Future;

use tokio::time::{Duration, Instant, sleep};

use crate::etcd::{Etcd, Trouble};
use crate::fleet::key;
use crate::fleet::part::{Files, PartName, Parts, Plain};
use crate::fleet::record::Root;
use crate::fleet::store::Revision;
use crate::fleet::tree::index::Index;
use crate::fleet::tree::reader::{Read, Reader};
use crate::fleet::tree::{Leads, cut, leads};

/// What an upload took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    pub parts: usize,
    pub bytes: usize,
}

/// Why a release could not be put or fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransferError {
    #[error("{0}")]
    Etcd(#[from] Trouble),
    #[error("{0}")]
    Release(String),
}

/// Puts files as a release. Looks from the root down: what is there has everything below it, so the cost follows what has
/// changed.
///
/// Somebody may remove old parts at the same time, and says so first, in [`key::PARTS_GENERATION`]. So parts are only put
/// while that has not changed since it was seen which of them are missing; otherwise it begins again.
pub async fn put(etcd: &Etcd, parts: &Parts, files: &Files) -> Result<(Root, Cost), TransferError> {
    let tree = Tree::new(parts, files)?;
    let mut cost = Cost::default();
    for _ in 0..ATTEMPTS {
        let generation = generation(etcd).await?;
        let missing = match tree.missing(etcd).await {
            // The store was restored from a backup.
            Err(TransferError::Etcd(Trouble::Restart(_))) => continue,
            missing => missing?,
        };
        let are_put = tree.put(etcd, parts, generation, &missing, &mut cost).await?;
        if are_put && self::generation(etcd).await? == generation {
            return Ok((Root(tree.root.0), cost));
        }
    }
    Err(TransferError::Release(format!("found old parts being removed during {ATTEMPTS} attempts to add new ones")))
}

/// Puts again what is missing of a release or was changed. It reads all of it: [`put`] relies on what it finds.
pub async fn mend(etcd: &Etcd, parts: &Parts, files: &Files) -> Result<(Root, Cost), TransferError> {
    let tree = Tree::new(parts, files)?;
    let generation = generation(etcd).await?;
    let (mut lost, mut cost) = (BTreeSet::new(), Cost::default());
    for names in tree.order.chunks(AT_ONCE) {
        let keys: Vec<String> = names.iter().map(key::part).collect();
        let entries = patiently(|| etcd.get(&keys)).await?.into_iter();
        let there: HashMap<String, Vec<u8>> = entries.filter_map(|entry| Some((entry.key, entry.value?))).collect();
        let opens =
            |name: &PartName| there.get(&key::part(name)).is_some_and(|sealed| parts.open(name, sealed).is_ok());
        lost.extend(names.iter().filter(|name| !opens(name)).cloned());
    }
    if tree.put(etcd, parts, generation, &lost, &mut cost).await? {
        return Ok((Root(tree.root.0), cost));
    }
    Err(TransferError::Release("found old parts being removed while others were put again".into()))
}

async fn generation(etcd: &Etcd) -> Result<Revision, Trouble> {
    let keys = [key::PARTS_GENERATION.to_owned()];
    let found = patiently(|| etcd.get(&keys)).await?;
    Ok(found.first().map_or(0, |entry| entry.revision))
}

/// A release that is cut into parts.
struct Tree {
    root: PartName,
    content: HashMap<PartName, Plain>,
    /// Each part once, children before parents.
    order: Vec<PartName>,
}

impl Tree {
    fn new(parts: &Parts, files: &Files) -> Result<Self, TransferError> {
        let (mut content, mut order) = (HashMap::new(), Vec::new());
        let root = cut(files, |part| {
            let name = parts.name(&part).map_err(|error| error.to_string())?;
            if content.insert(name.clone(), part).is_none() {
                order.push(name.clone());
            }
            Ok(name)
        });
        let root = root.map_err(|error| TransferError::Release(error.to_string()))?;
        Ok(Self { root, content, order })
    }

    /// Level by level: what is below a list that exists is not asked for.
    async fn missing(&self, etcd: &Etcd) -> Result<BTreeSet<PartName>, TransferError> {
        let mut missing = BTreeSet::new();
        let (mut lists, mut pieces) = (BTreeSet::from([self.root.clone()]), BTreeSet::new());
        while !lists.is_empty() {
            let absent = absent(etcd, lists).await?;
            lists = BTreeSet::new();
            for list in &absent {
                match self.content.get(list).and_then(|content| leads(content)) {
                    Some(Leads::ToLists(below)) => lists.extend(below),
                    Some(Leads::ToPieces(below)) => pieces.extend(below),
                    None => return Err(TransferError::Release(format!("found a part {} that is no list", list.0))),
                }
            }
            missing.extend(absent);
        }
        missing.extend(absent(etcd, pieces).await?);
        Ok(missing)
    }

    /// `false`: old parts are being removed.
    async fn put(
        &self,
        etcd: &Etcd,
        parts: &Parts,
        generation: Revision,
        missing: &BTreeSet<PartName>,
        cost: &mut Cost,
    ) -> Result<bool, TransferError> {
        let order: Vec<&PartName> = self.order.iter().filter(|name| missing.contains(*name)).collect();
        for some in order.chunks(AT_ONCE) {
            let mut values = Vec::with_capacity(some.len());
            for name in some {
                let content = self.content.get(*name).map_or(&[][..], |content| content.as_slice());
                let sealed = parts.close(name, content).map_err(|error| TransferError::Release(error.to_string()))?;
                values.push((key::part(name), sealed));
            }
            let bytes: usize = values.iter().map(|(_, sealed)| sealed.len()).sum();
            let when = [(key::PARTS_GENERATION.to_owned(), generation)];
            if !patiently(|| etcd.put_while(&when, values.clone())).await? {
                return Ok(false);
            }
            cost.parts += some.len();
            cost.bytes += bytes;
        }
        Ok(true)
    }
}

async fn absent(etcd: &Etcd, names: BTreeSet<PartName>) -> Result<BTreeSet<PartName>, Trouble> {
    let keys: Vec<String> = names.iter().map(key::part).collect();
    let there: BTreeSet<String> = patiently(|| etcd.existing(&keys)).await?.into_iter().collect();
    Ok(names.into_iter().filter(|name| !there.contains(&key::part(name))).collect())
}

/// What need not be fetched of a release.
pub trait Here: Sync {
    /// The lists of another release.
    fn index(&self) -> Option<&Index>;

    /// Whether its files are here, too.
    fn has_files(&self) -> bool;

    /// Pieces of files by their names, as far as they are here. What is wrong is fetched.
    fn pieces(&self, names: &[PartName]) -> impl Future<Output = Vec<(PartName, Plain)>> + Send;
}

/// Nothing is here.
#[derive(Debug, Clone, Copy)]
pub struct Nothing;

impl Here for Nothing {
    fn index(&self) -> Option<&Index> {
        None
    }

    fn has_files(&self) -> bool {
        false
    }

    async fn pieces(&self, _: &[PartName]) -> Vec<(PartName, Plain)> {
        Vec::new()
    }
}

/// Fetches a release, but for what is here: files that are the same in the release that is here are not returned.
pub async fn get(etcd: &Etcd, parts: &Parts, root: &Root, here: &impl Here) -> Result<Read, TransferError> {
    let release = |error: &dyn std::fmt::Display| TransferError::Release(error.to_string());
    let (root, mut bytes) = (PartName(root.0.clone()), 0_u64);
    let reader = match here.index() {
        Some(index) => Reader::beside(root, index.clone(), here.has_files()),
        None => Ok(Reader::new(root)),
    };
    let mut reader = reader.map_err(|error| release(&error))?;
    loop {
        let wanted: Vec<PartName> = reader.wanted().cloned().collect();
        if wanted.is_empty() {
            return reader.finish().map_err(|error| release(&error));
        }
        let pieces: Vec<PartName> = reader.pieces().cloned().collect();
        let found = if pieces.is_empty() { Vec::new() } else { here.pieces(&pieces).await };
        for (name, content) in found.into_iter().filter(|(name, content)| parts.is_of(name, content)) {
            reader.take(&name, content).map_err(|error| release(&error))?;
        }
        // What these lead to is wanted in the next round.
        let absent: Vec<PartName> =
            reader.wanted().filter(|name| wanted.binary_search(name).is_ok()).cloned().collect();
        for names in absent.chunks(AT_ONCE) {
            let found = match fetched(etcd, parts, names).await {
                // Each part proves itself, whatever store it comes from.
                Err(TransferError::Etcd(Trouble::Restart(_))) => fetched(etcd, parts, names).await,
                found => found,
            };
            for (name, content) in found? {
                bytes = bytes.saturating_add(content.len() as u64);
                reader.take(&name, content).map_err(|error| release(&error))?;
            }
            // Lists lead to no more than is allowed together, and repeat nothing.
            if bytes > MOST_BYTES {
                return Err(release(&format!("found more than {MOST_BYTES} bytes, expected a smaller release")));
            }
        }
    }
}

async fn fetched(etcd: &Etcd, parts: &Parts, names: &[PartName]) -> Result<Vec<(PartName, Plain)>, TransferError> {
    let keys: Vec<String> = names.iter().map(key::part).collect();
    let mut there: HashMap<String, Vec<u8>> = HashMap::new();
    for entry in patiently(|| etcd.get(&keys)).await? {
        there.insert(entry.key, entry.value.unwrap_or_default());
    }
    let open = |name: &PartName| {
        let error = |why: String| TransferError::Release(format!("{}: {why}", key::part(name)));
        let sealed = there.get(&key::part(name)).ok_or_else(|| error("found nothing, expected a part".into()))?;
        let content = parts.open(name, sealed).map_err(|reason| error(reason.to_string()))?;
        Ok((name.clone(), content))
    };
    names.iter().map(open).collect()
}

/// Asks again for a while: members that have just lost their leader elect another one, and no release should fail for that.
async fn patiently<T, F: Future<Output = Result<T, Trouble>>>(mut ask: impl FnMut() -> F) -> Result<T, Trouble> {
    let (end, mut pause) = (Instant::now() + PATIENCE, FIRST_PAUSE);
    loop {
        match ask().await {
            Err(Trouble::Unreachable(_)) if Instant::now() + pause < end => sleep(pause).await,
            result => return result,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// How long etcd may be without a leader.
const PATIENCE: Duration = Duration::from_secs(15);

const FIRST_PAUSE: Duration = Duration::from_millis(100);

const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Parts that are sealed, put or fetched together: 16 MiB at most.
const AT_ONCE: usize = 64;

/// A release has at most half of it.
const MOST_BYTES: u64 = 2 << 30;

const ATTEMPTS: u32 = 10;
