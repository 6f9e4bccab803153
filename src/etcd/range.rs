//! Reads: ranges of keys at one revision, in pages; and many single keys at once.
//!
//! Ranges are read with requests of their own, and not with a transaction: a member whose database is full refuses even
//! those transactions that only read. All but the first name the revision of the first.
//!
//! Must not know: what keys and values mean.

use std::collections::BTreeMap;

use tokio::time::timeout;

use super::call::{Call, Fault};
use super::client::Etcd;
use super::message::{KeyValue, MOST_OPERATIONS, Operation, RangeRequest, RangeResponse};
use super::message::{TxnRequest, TxnResponse};
use super::pages::{Bound, KEYS, Pages, RECORDS, VALUES};
use super::trouble::Trouble;
use super::value::{Blob, Int, Words};
use crate::fleet::store::{Entry, Revision};

impl Etcd {
    /// Everything under these keys (or prefixes, which end in `/`), all at the returned revision; sorted, each key once.
    pub async fn read(&self, what: &[String]) -> Result<(Revision, Vec<Entry>), Trouble> {
        self.changes(what, 0).await
    }

    /// The same, of what was put after that revision.
    pub(super) async fn changes(&self, what: &[String], after: Revision) -> Result<(Revision, Vec<Entry>), Trouble> {
        let reading = async {
            let mut attempt = 1;
            loop {
                match self.at_one_revision(what, after).await {
                    // The revision was compacted while it was read.
                    Err(Fault::Compacted(_)) if attempt < ATTEMPTS => attempt += 1,
                    result => return result,
                }
            }
        };
        self.in_time(self.1, &what.join(", "), reading).await
    }

    async fn at_one_revision(&self, what: &[String], after: Revision) -> Result<(Revision, Vec<Entry>), Fault> {
        let (mut revision, mut entries, mut pages) = (Int(0), BTreeMap::new(), Pages::new(self.1));
        let first = after.checked_add(1).ok_or_else(|| absurd(after))?;
        for key in what {
            let name = format!("read {key:?}");
            let mut range = self.range(key);
            (range.limit, range.min_mod_revision) = (page(self.1), Int(if after > 0 { first } else { 0 }));
            pages.begin(key, &range);
            loop {
                range.revision = revision;
                let answer: RangeResponse = self.0.call(self.to_read(&name, self.1), &range).await?;
                if revision.0 == 0 {
                    revision = answer.header.revision;
                }
                let (found, next) = pages.take(answer).map_err(bounded)?;
                entries.extend(found.into_iter().filter_map(|of| self.entry(of)).map(|of| (of.key.clone(), of)));
                match next {
                    Some(next) => range.key = Blob(next),
                    None => break,
                }
            }
        }
        Ok((revision.0, entries.into_values().collect()))
    }

    /// Which of these keys exist; any number of them.
    pub async fn existing(&self, keys: &[String]) -> Result<Vec<String>, Trouble> {
        let found = self.each(keys, MOST_OPERATIONS, true).await?;
        Ok(found.into_iter().map(|entry| entry.key).collect())
    }

    /// The entries of these keys, those that exist; any number, within etcd's limits for one request.
    pub async fn get(&self, keys: &[String]) -> Result<Vec<Entry>, Trouble> {
        self.each(keys, VALUES_AT_ONCE, false).await
    }

    /// All keys under a prefix, in pages.
    pub async fn keys(&self, prefix: &str) -> Result<Vec<String>, Trouble> {
        let reading = async {
            let name = format!("read the keys in {prefix:?}");
            let mut range = RangeRequest { keys_only: true, limit: page(KEYS), ..self.range(prefix) };
            let (mut keys, mut pages) = (Vec::new(), Pages::new(KEYS));
            pages.begin(prefix, &range);
            loop {
                let answer: RangeResponse = self.0.call(self.to_read(&name, RECORDS), &range).await?;
                let (found, next) = pages.take(answer).map_err(bounded)?;
                keys.extend(found.into_iter().filter_map(|of| self.short(&of.key.0)));
                match next {
                    Some(next) => range.key = Blob(next),
                    None => return Ok(keys),
                }
            }
        };
        self.in_time(KEYS, prefix, reading).await
    }

    async fn each(&self, keys: &[String], at_once: usize, keys_only: bool) -> Result<Vec<Entry>, Trouble> {
        let (mut entries, mut pages) = (Vec::new(), Pages::new(VALUES));
        for some in keys.chunks(at_once) {
            let range = |key: &String| RangeRequest { key: Blob(self.full(key)), keys_only, ..RangeRequest::default() };
            let success = some.iter().map(|key| Operation::Range(range(key))).collect();
            let request = TxnRequest { compare: Vec::new(), success };
            let found = match self.0.call::<TxnResponse>(self.to_read_many(), &request).await {
                Ok(TxnResponse { header, responses, .. }) => {
                    responses.0.into_iter().map(|of| RangeResponse { header, ..of.response_range }).collect()
                }
                Err(Fault::NoSpace(_)) => self.one_by_one(some.iter().map(range)).await?,
                Err(fault) => return Err(fault.into()),
            };
            // One answer for each key.
            for (key, answer) in some.iter().zip(found) {
                pages.begin(key, &range(key));
                let (found, _) = pages.take(answer).map_err(bounded)?;
                entries.extend(found.into_iter().filter_map(|of| self.entry(of)));
            }
        }
        Ok(entries)
    }

    async fn one_by_one(&self, ranges: impl Iterator<Item = RangeRequest>) -> Result<Vec<RangeResponse>, Fault> {
        let mut found = Vec::new();
        for range in ranges {
            found.push(self.0.call(self.to_read("read one of many keys", RECORDS), &range).await?);
        }
        Ok(found)
    }

    /// One time limit for all pages together.
    async fn in_time<T>(
        &self,
        bound: Bound,
        name: &str,
        reading: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Trouble> {
        // Members that hang cost one limit each.
        let members = u32::try_from(self.0.endpoints.len()).unwrap_or(u32::MAX);
        let limit = self.0.settings.timeout.saturating_mul(bound.requests.saturating_add(members));
        let late = || {
            let name = Words::of(name).0;
            Trouble::Unreachable(format!("etcd: {name}: found no end within {} s", limit.as_secs_f32()))
        };
        timeout(limit, reading).await.map_err(|_| late())?.map_err(Trouble::from)
    }

    /// A key, or all keys under a prefix that ends in `/`.
    pub(super) fn range(&self, key: &str) -> RangeRequest {
        let full = self.full(key);
        let mut end = Vec::new();
        if key.is_empty() || key.ends_with('/') {
            // After a slash comes a zero, so this is the first key that is not below it.
            end.clone_from(&full);
            if let Some(last) = end.last_mut() {
                *last += 1;
            }
        }
        RangeRequest { key: Blob(full), range_end: Blob(end), ..RangeRequest::default() }
    }

    fn entry(&self, of: KeyValue) -> Option<Entry> {
        let (revision, lease) = (of.mod_revision.0, of.lease.0);
        Some(Entry { key: self.short(&of.key.0)?, value: Some(of.value.0), revision, lease })
    }

    fn to_read<'n>(&self, what: &'n str, bound: Bound) -> Call<'n> {
        let (limit, most) = (self.0.settings.timeout, (bound.bytes / 3 * 4 + bound.page * OVERHEAD).min(MANY));
        Call { path: "/v3/kv/range", what, may_repeat: true, is_streamed: false, limit, most }
    }

    fn to_read_many(&self) -> Call<'static> {
        let many = self.to_read("read many keys", RECORDS);
        Call { path: "/v3/kv/txn", most: MANY, ..many }
    }
}

/// Another member would have the same.
fn bounded(why: String) -> Fault {
    Fault::Refused(format!("etcd: {why}"))
}

fn absurd(after: Revision) -> Fault {
    Fault::Refused(format!("etcd: found the revision {after}, expected one that can have a next one"))
}

fn page(bound: Bound) -> Int {
    Int(i64::try_from(bound.page).unwrap_or(i64::MAX))
}

/// Each value may have 350 KiB as base64.
const VALUES_AT_ONCE: usize = 64;

/// In bytes, of an answer with so many values.
const MANY: usize = 32 << 20;

/// In bytes of JSON, of a key beside its value.
const OVERHEAD: usize = 1024;

const ATTEMPTS: u32 = 5;
