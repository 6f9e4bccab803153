//! What grows over years under one prefix, beyond what may be under the keys of records.

use std::collections::BTreeMap;
use std::sync::Arc;

use tlsgate::fleet::drive::{Hands, drive};
use tlsgate::fleet::key;
use tlsgate::fleet::mirror::Mirror;
use tlsgate::fleet::mirror::item::{Bytes, Content, Item};
use tlsgate::fleet::seal::Seal;

use super::*;
use crate::support::etcd::Version;

/// Takes what comes, until it has so much.
struct Taking(usize);

impl Hands<Mirror> for Taking {
    fn seen(&mut self, machine: &mut Mirror, _: Option<&str>) -> bool {
        for (path, item) in machine.take_coming(8) {
            self.0 -= 1;
            machine.wrote(path, item, true);
        }
        self.0 > 0
    }
}

#[test]
fn more_than_of_records_is_read_watched_and_mirrored() {
    let store = Store::one(Version::Debian);
    run(async {
        let etcd = client(&store);
        let seal = Arc::new(Seal::new(&[b"a secret"]).unwrap());
        let item = |number: u64| {
            let content = Content::File(Bytes(vec![b'x'; 200_000].into()));
            let key = key::order(&format!("a/orders/{number:03}.json"));
            let value = seal.close(&key, &Item { stamp: number + 1, content }).unwrap();
            (key, value)
        };
        let mut values: Vec<_> = (0..40).map(item).collect();
        // More than a page of it, too.
        values.extend((0..200).map(|number| (format!("release/{number:020}"), vec![7; 100])));
        etcd.put(values.clone()).await.unwrap();
        let both = owned(&["acme/", "release/"]);
        let trouble = etcd.read(&both).await.unwrap_err().to_string();
        assert!(trouble.contains("found an answer of more than"), "{trouble}");
        let etcd = etcd.for_collections();
        let (revision, all) = etcd.read(&both).await.unwrap();
        assert!(all.into_iter().map(|entry| (entry.key, entry.value.unwrap())).eq(values));
        let mut watch = etcd.watch(&both, revision).await.unwrap();
        let (key, value) = item(999);
        etcd.put(vec![(key.clone(), value)]).await.unwrap();
        until(&mut watch, &key).await.unwrap();
        let mut mirror = Mirror::new(Arc::clone(&seal), "a".into(), BTreeMap::new());
        drive(&mut mirror, &etcd, &mut Taking(41), std::future::pending()).await;
        assert_eq!(mirror.trouble(), None);
    });
}
