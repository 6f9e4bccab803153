//! Reads: ranges of keys at one revision, in pages; and many single keys at once.
//!
//! Ranges are read with requests of their own, and not with a transaction: a member whose database is full refuses even
//! those transactions that only read. All but the first name the revision of the first.
//!
//! Must not know: what keys and values mean.

use std::collections::BTreeMap;

use super::call::{Call, Fault};
use super::client::Etcd;
use super::message::{Blob, Int, KeyValue, Operation, RangeRequest, RangeResponse, TxnRequest, TxnResponse};
use super::trouble::Trouble;
use crate::fleet::store::{Entry, Revision};

impl Etcd {
    /// Everything under these keys (or prefixes, which end in `/`), all at the returned revision; sorted, each key once.
    pub async fn read(&self, what: &[String]) -> Result<(Revision, Vec<Entry>), Trouble> {
        self.changes(what, 0).await
    }

    /// The same, of what was put after that revision.
    pub(super) async fn changes(&self, what: &[String], after: Revision) -> Result<(Revision, Vec<Entry>), Trouble> {
        let mut attempt = 1;
        loop {
            match self.at_one_revision(what, after).await {
                // The revision was compacted while it was read.
                Err(Fault::Compacted(_)) if attempt < ATTEMPTS => attempt += 1,
                result => return result.map_err(Trouble::from),
            }
        }
    }

    async fn at_one_revision(&self, what: &[String], after: Revision) -> Result<(Revision, Vec<Entry>), Fault> {
        let (mut revision, mut entries) = (Int(0), BTreeMap::new());
        for key in what {
            let mut range = self.range(key);
            (range.limit, range.min_mod_revision) = (Int(PAGE), Int(if after > 0 { after + 1 } else { 0 }));
            loop {
                range.revision = revision;
                let answer: RangeResponse = self.0.call(self.to_read(), &range).await?;
                if revision.0 == 0 {
                    revision = answer.header.revision;
                }
                let (more, next) = (answer.more, answer.kvs.last().map(|last| after_key(&last.key)));
                entries.extend(answer.kvs.into_iter().filter_map(|of| self.entry(of)).map(|of| (of.key.clone(), of)));
                match next.filter(|_| more) {
                    Some(next) => range.key = next,
                    None => break,
                }
            }
        }
        Ok((revision.0, entries.into_values().collect()))
    }

    /// Which of these keys exist; any number of them.
    pub async fn existing(&self, keys: &[String]) -> Result<Vec<String>, Trouble> {
        let found = self.each(keys, KEYS_AT_ONCE, true).await?;
        Ok(found.into_iter().map(|entry| entry.key).collect())
    }

    /// The entries of these keys, those that exist; any number, within etcd's limits for one request.
    pub async fn get(&self, keys: &[String]) -> Result<Vec<Entry>, Trouble> {
        self.each(keys, VALUES_AT_ONCE, false).await
    }

    /// All keys under a prefix, in pages.
    pub async fn keys(&self, prefix: &str) -> Result<Vec<String>, Trouble> {
        let mut range = RangeRequest { keys_only: true, limit: Int(PAGE), ..self.range(prefix) };
        let mut keys = Vec::new();
        loop {
            let answer: RangeResponse = self.0.call(self.to_read(), &range).await?;
            let (more, next) = (answer.more, answer.kvs.last().map(|last| after_key(&last.key)));
            keys.extend(answer.kvs.into_iter().filter_map(|of| self.short(&of.key.0)));
            match next.filter(|_| more) {
                Some(next) => range.key = next,
                None => return Ok(keys),
            }
        }
    }

    async fn each(&self, keys: &[String], at_once: usize, keys_only: bool) -> Result<Vec<Entry>, Trouble> {
        let mut entries = Vec::new();
        for some in keys.chunks(at_once) {
            let range = |key: &String| RangeRequest { key: Blob(self.full(key)), keys_only, ..RangeRequest::default() };
            let success = some.iter().map(|key| Operation::Range(range(key))).collect();
            let request = TxnRequest { compare: Vec::new(), success };
            let found: Vec<KeyValue> = match self.0.call::<TxnResponse>(self.to_read_many(), &request).await {
                Ok(answer) => answer.responses.into_iter().flat_map(|of| of.response_range.kvs).collect(),
                Err(Fault::NoSpace(_)) => self.one_by_one(some.iter().map(range)).await?,
                Err(fault) => return Err(fault.into()),
            };
            entries.extend(found.into_iter().filter_map(|of| self.entry(of)));
        }
        Ok(entries)
    }

    async fn one_by_one(&self, ranges: impl Iterator<Item = RangeRequest>) -> Result<Vec<KeyValue>, Fault> {
        let mut found = Vec::new();
        for range in ranges {
            let answer: RangeResponse = self.0.call(self.to_read(), &range).await?;
            found.extend(answer.kvs);
        }
        Ok(found)
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
        Some(Entry {
            key: self.short(&of.key.0)?,
            value: Some(of.value.0),
            revision: of.mod_revision.0,
            lease: of.lease.0,
        })
    }

    fn to_read(&self) -> Call {
        let limit = self.0.settings.timeout;
        Call { path: "/v3/kv/range", what: "read", may_repeat: true, is_streamed: false, limit }
    }

    fn to_read_many(&self) -> Call {
        Call { path: "/v3/kv/txn", ..self.to_read() }
    }
}

/// The first key that can come after this one.
fn after_key(key: &Blob) -> Blob {
    let mut next = key.0.clone();
    next.push(0);
    Blob(next)
}

/// Of records, which have some hundred bytes each.
const PAGE: i64 = 1000;

/// etcd's limit for the operations of a transaction (`--max-txn-ops`).
const KEYS_AT_ONCE: usize = 128;

/// Each value may have 350 KiB as base64.
const VALUES_AT_ONCE: usize = 64;

const ATTEMPTS: u32 = 5;
