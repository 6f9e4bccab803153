//! What is read in pages: whether each follows the one before, and whether all of them stay within a bound. Pure. Must not
//! know: how pages are asked for, what keys and values mean.

use super::message::{KeyValue, MOST_KEYS, RangeRequest, RangeResponse};
use super::value::Words;
use crate::fleet::store::LARGEST_COLLECTION;

/// What is read together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound {
    /// Of keys and values.
    pub(super) bytes: usize,
    pub(super) keys: usize,
    /// In one page.
    pub(super) page: usize,
    /// So many times longer than one request it may take.
    pub(super) requests: u32,
}

/// Records, at one revision: all that is watched.
pub(super) const RECORDS: Bound = Bound { bytes: 8 << 20, keys: 50_000, page: MOST_KEYS, requests: 4 };

/// What grows over years, at one revision. A page must fit into one answer, and a value may have 350 KiB as it is sealed.
pub(super) const COLLECTIONS: Bound = Bound { bytes: LARGEST_COLLECTION, keys: 2_000_000, page: 64, requests: 24 };

/// Keys without values. A release has 200,000 files at most, and many have one thing in common.
pub(super) const KEYS: Bound = Bound { bytes: 256 << 20, keys: 2_000_000, page: MOST_KEYS, requests: 24 };

/// Values of many keys, which are asked for by name.
pub(super) const VALUES: Bound = Bound { bytes: 256 << 20, keys: 2_000_000, page: MOST_KEYS, requests: 24 };

/// One range after the other.
pub(super) struct Pages {
    bound: Bound,
    bytes: usize,
    keys: usize,
    /// The range: its name, the first key that can come, and the first that cannot.
    name: String,
    next: Vec<u8>,
    end: Vec<u8>,
}

impl Pages {
    pub(super) fn new(bound: Bound) -> Self {
        Self { bound, bytes: 0, keys: 0, name: String::new(), next: Vec::new(), end: Vec::new() }
    }

    /// Goes on with another range. The bound is for all together.
    pub(super) fn begin(&mut self, name: &str, range: &RangeRequest) {
        name.clone_into(&mut self.name);
        self.next.clone_from(&range.key.0);
        self.end = if range.range_end.0.is_empty() { after(&range.key.0) } else { range.range_end.0.clone() };
    }

    /// Takes a page; returns what is in it, and from which key on there is more.
    pub(super) fn take(&mut self, page: RangeResponse) -> Result<(Vec<KeyValue>, Option<Vec<u8>>), String> {
        let newest = page.header.revision.0;
        for found in &page.kvs.0 {
            self.follows(found, newest)?;
            self.count(found)?;
        }
        if page.more && page.kvs.0.is_empty() {
            return Err(format!("{}: found no key, and that there are more", shown(self.name.as_bytes())));
        }
        let has_more = page.more && self.next < self.end;
        Ok((page.kvs.0, has_more.then(|| self.next.clone())))
    }

    /// Whether it is in the range, and after all that came before.
    fn follows(&mut self, found: &KeyValue, newest: i64) -> Result<(), String> {
        let (key, name) = (&found.key.0, shown(self.name.as_bytes()));
        if *key < self.next || *key >= self.end {
            let (key, next) = (shown(key), shown(&self.next));
            return Err(format!("{name}: found the key {key:?}, expected one of this range from {next:?} on"));
        }
        if !(1..=newest).contains(&found.mod_revision.0) {
            let (key, found) = (shown(key), found.mod_revision.0);
            return Err(format!("{name}: found the key {key:?} of the revision {found}, expected at most {newest}"));
        }
        self.next = after(key);
        Ok(())
    }

    fn count(&mut self, found: &KeyValue) -> Result<(), String> {
        self.keys += 1;
        self.bytes = self.bytes.saturating_add(found.key.0.len() + found.value.0.len());
        let Bound { bytes, keys, .. } = self.bound;
        if self.keys > keys || self.bytes > bytes {
            let name = shown(self.name.as_bytes());
            let all = format!("found {} bytes in {} keys, and perhaps more", self.bytes, self.keys);
            return Err(format!("{name}: {all}; expected at most {bytes} bytes in {keys} keys"));
        }
        Ok(())
    }
}

/// The first key that can come after this one.
fn after(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

fn shown(key: &[u8]) -> String {
    Words::of(&String::from_utf8_lossy(key)).0
}

#[cfg(test)]
mod tests {
    use super::super::message::Header;
    use super::super::value::{Blob, Few, Int, Uint};
    use super::*;

    fn page(keys: &[&str], more: bool) -> RangeResponse {
        let of = |key: &&str| KeyValue {
            key: Blob(key.as_bytes().to_vec()),
            value: Blob(vec![7; 100]),
            mod_revision: Int(3),
            lease: Int(0),
        };
        let header = Header { cluster_id: Uint(7), member_id: Uint(1), revision: Int(5) };
        RangeResponse { header, kvs: Few(keys.iter().map(of).collect()), more }
    }

    fn pages(bound: Bound, from: &str, end: &str) -> Pages {
        let mut pages = Pages::new(bound);
        let (key, range_end) = (Blob(from.as_bytes().to_vec()), Blob(end.as_bytes().to_vec()));
        pages.begin("control/", &RangeRequest { key, range_end, ..RangeRequest::default() });
        pages
    }

    #[test]
    fn each_page_follows_the_one_before() {
        let mut all = pages(RECORDS, "a/", "a0");
        assert_eq!(all.take(page(&["a/1", "a/2"], true)).unwrap().1, Some(b"a/2\0".to_vec()));
        assert!(all.take(page(&["a/3"], false)).unwrap().1.is_none());
        for wrong in [&["a/3"][..], &["a/2"], &["a0"], &["b"], &["a/5", "a/4"], &["a/6", "a/6"]] {
            let error = all.take(page(wrong, true)).map(|_| ()).unwrap_err();
            assert!(error.starts_with("control/: found the key") && error.contains("expected one of"), "{error}");
        }
        assert!(pages(RECORDS, "a/", "a0").take(page(&[], true)).is_err());
        assert!(pages(RECORDS, "a/", "a0").take(page(&[], false)).unwrap().1.is_none());

        let mut one = pages(RECORDS, "a", "");
        assert!(one.take(page(&["a"], true)).unwrap().1.is_none());
        assert!(one.take(page(&["a"], false)).is_err());
        assert!(pages(RECORDS, "a", "").take(page(&["a/"], false)).is_err());
    }

    #[test]
    fn what_is_more_than_the_bound_is_refused_and_named() {
        let bound = Bound { bytes: 1_000, keys: 5, page: 5, requests: 1 };
        let text = |taken: Result<(Vec<KeyValue>, _), String>| taken.map(|_: (_, Option<Vec<u8>>)| ()).unwrap_err();
        let error = text(pages(bound, "a/", "a0").take(page(&["a/1", "a/2", "a/3", "a/4", "a/5", "a/6"], false)));
        assert!(error.contains("control/: found 618 bytes in 6 keys") && error.contains("expected at most"), "{error}");
        let bound = Bound { bytes: 250, ..bound };
        let mut all = pages(bound, "a/", "a0");
        all.take(page(&["a/1", "a/2"], false)).unwrap();
        // Another range counts as well.
        all.begin("b", &RangeRequest { key: Blob(b"b".to_vec()), ..RangeRequest::default() });
        let error = text(all.take(page(&["b"], false)));
        assert!(error.starts_with("b: found 307 bytes in 3 keys"), "{error}");
    }

    #[test]
    fn a_key_that_is_newer_than_the_store_is_refused() {
        for revision in [6, 0, -1, i64::MAX] {
            let mut one = page(&["a/1"], false);
            one.kvs.0[0].mod_revision = Int(revision);
            let error = pages(RECORDS, "a/", "a0").take(one).map(|_| ()).unwrap_err();
            assert!(error.contains(&format!("of the revision {revision}, expected at most 5")), "{error}");
        }
    }
}
