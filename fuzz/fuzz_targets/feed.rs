//! Lists in files, of addresses and of JA4s: what is read is shown as a list that is read as the same, and every address of a
//! list is found in it.
#![no_main]

use std::fmt::Debug;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use tlsgate::feed;
use tlsgate::ja4::Ja4;
use tlsgate::limit::prefixes::{self, Addresses, Prefixes};

fuzz_target!(|bytes: &[u8]| {
    again(bytes, |entry| Ja4::parse(entry).ok_or_else(|| feed::found(entry)));
    let address = |entry: &str| prefixes::parse(entry).ok_or_else(|| feed::found(entry)).and_then(prefixes::exact);
    again(bytes, address);
    if let Ok(list) = feed::entries(bytes, address) {
        let set: Arc<Addresses> = Arc::new(list.iter().copied().collect());
        assert!(set.len() <= list.len() && set.is_empty() == list.is_empty());
        let (allowed, denied) = (Prefixes::of([Arc::clone(&set)], []), Prefixes::of([], [set]));
        for prefix in list {
            assert!(allowed.allows(prefix.addr()) && !denied.allows(prefix.addr()), "{prefix}");
        }
    }
});

/// What is read of a list, shown, is read as the same; what is wrong has its line.
fn again<T: PartialEq + Debug + ToString>(bytes: &[u8], read: impl Fn(&str) -> Result<T, String>) {
    match feed::entries(bytes, &read) {
        Ok(entries) => {
            let text: String = entries.iter().map(|entry| entry.to_string() + "\n").collect();
            assert_eq!(feed::entries(text.as_bytes(), &read), Ok(entries), "{text:?}");
        }
        Err(faults) => {
            assert!((1..=5).contains(&faults.first.len()));
            assert!(faults.first.is_sorted_by_key(|fault| fault.line) && faults.first[0].line > 0);
            assert!(faults.first.iter().all(|fault| !fault.reason.is_empty() && fault.reason.len() < 1000));
        }
    }
}
