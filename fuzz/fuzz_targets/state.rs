//! Files that tlsgate itself has written, of an authority and of certificates that are ordered: whatever is in them, they
//! are read or refused, and what is read is written and read as the same.
#![no_main]

use std::fmt::Debug;

use libfuzzer_sys::fuzz_target;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tlsgate::acme::memory::of_account::OfAccount;
use tlsgate::acme::memory::of_certificate::OfCertificate;
use tlsgate::authority::index::Index;

fuzz_target!(|data: &[u8]| {
    match Index::read(data) {
        Ok(index) => {
            // It becomes the name of a file.
            assert!(!index.newest().is_empty() && index.newest().bytes().all(|byte| byte.is_ascii_hexdigit()));
            assert_eq!(Index::read(&index.write()), Ok(index));
        }
        Err(error) => assert!(!error.is_empty()),
    }
    again::<OfAccount>(data);
    again::<OfCertificate>(data);
});

fn again<T: DeserializeOwned + Serialize + PartialEq + Debug>(data: &[u8]) {
    if let Ok(value) = serde_json::from_slice::<T>(data) {
        let written = serde_json::to_vec(&value).expect("JSON");
        assert_eq!(serde_json::from_slice::<T>(&written).ok(), Some(value));
    }
}
