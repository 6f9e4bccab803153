//! Releases put into etcd and fetched from it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use tlsgate::fleet::key;
use tlsgate::fleet::part::{Files, PartName, Parts, Plain};
use tlsgate::fleet::record::Root;
use tlsgate::fleet::transfer::{self, Cost, TransferError};

use super::*;
use crate::support::etcd::Version;

fn release(files: usize) -> Files {
    let small = (0..files).map(|number| {
        let text = format!("a certificate that must not be seen: {number}");
        (format!("certs/{number:05}/tls.crt"), text.into_bytes().into())
    });
    let large = ("lists/large".to_owned(), (0..900_000_u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>().into());
    small.chain([large, ("tlsgate.toml".to_owned(), Plain::default())]).collect()
}

fn parts() -> Parts {
    Parts::new(&[b"a secret"]).unwrap()
}

fn none(_: &str) -> Option<Plain> {
    None
}

#[test]
fn a_release_comes_out_as_it_went_in_and_a_change_costs_what_it_changes() {
    for version in Version::BOTH {
        let store = Store::one(version);
        let (etcd, parts, mut files) = (client(&store), parts(), release(2_000));
        run(async {
            let (first, cost) = transfer::put(&etcd, &parts, &files).await.unwrap();
            assert!(cost.parts > 2_000 && cost.bytes > 3_600_000, "{cost:?}");
            assert_eq!(transfer::get(&etcd, &parts, &first, &none).await.unwrap(), files);
            assert_eq!(transfer::put(&etcd, &parts, &files).await.unwrap(), (first.clone(), Cost::default()));

            let before = files.clone();
            files.insert("certs/01000/tls.crt".into(), b"another".to_vec().into());
            let (second, cost) = transfer::put(&etcd, &parts, &files).await.unwrap();
            assert!(second != first && cost.parts <= 4 && cost.bytes < 100_000, "{cost:?}");

            // What is here already is not fetched.
            let known: BTreeMap<PartName, Plain> = before
                .values()
                .flat_map(|content| content.chunks(256 * 1024))
                .map(|piece| (parts.name(piece).unwrap(), piece.to_vec().into()))
                .collect();
            let asked = AtomicUsize::new(0);
            let look = |name: &str| {
                let found = known.get(&PartName(name.to_owned())).cloned();
                asked.fetch_add(usize::from(found.is_none()), Ordering::Relaxed);
                found
            };
            assert_eq!(transfer::get(&etcd, &parts, &second, &look).await.unwrap(), files);
            assert!(asked.load(Ordering::Relaxed) < 100, "{asked:?}");
            // And what is wrong here is fetched.
            let wrong = |_: &str| Some(b"wrong".to_vec().into());
            assert_eq!(transfer::get(&etcd, &parts, &first, &wrong).await.unwrap(), before);
        });
        for (key, value) in store.all() {
            let has = |text: &[u8]| value.windows(text.len()).any(|part| part == text);
            assert!(key.starts_with("/test/a/part/") && !has(b"certificate") && !has(b"certs"), "{key}");
        }
    }
}

#[test]
fn a_part_that_is_missing_changed_or_exchanged_is_named_and_nothing_is_returned() {
    let store = Store::one(Version::Newer);
    let (etcd, parts, files) = (client(&store), parts(), release(20));
    run(async {
        let (root, _) = transfer::put(&etcd, &parts, &files).await.unwrap();
        let names = etcd.keys(key::PARTS).await.unwrap();
        let sealed: BTreeMap<String, Vec<u8>> =
            etcd.get(&names).await.unwrap().into_iter().map(|entry| (entry.key, entry.value.unwrap())).collect();
        for (at, name) in names.iter().enumerate() {
            let other = sealed[&names[(at + 1) % names.len()]].clone();
            let mut flipped = sealed[name].clone();
            let middle = flipped.len() / 2;
            flipped[middle] ^= 1;
            for wrong in [None, Some(other), Some(flipped), Some(Vec::new())] {
                match wrong {
                    Some(value) => etcd.put(vec![(name.clone(), value)]).await.unwrap(),
                    None => etcd.delete(std::slice::from_ref(name)).await.unwrap(),
                }
                let error = transfer::get(&etcd, &parts, &root, &none).await.unwrap_err();
                assert!(matches!(&error, TransferError::Release(why) if why.contains(name)), "{error}");
            }
            etcd.put(vec![(name.clone(), sealed[name].clone())]).await.unwrap();
        }
        assert_eq!(transfer::get(&etcd, &parts, &root, &none).await.unwrap(), files);
        let other = Parts::new(&[b"another secret"]).unwrap();
        assert!(transfer::get(&etcd, &other, &root, &none).await.is_err());
        assert!(transfer::get(&etcd, &parts, &Root("../x".into()), &none).await.is_err());
    });
}

#[test]
fn a_release_that_is_put_while_old_parts_are_removed_is_whole() {
    let store = Store::one(Version::Newer);
    let (parts, files) = (parts(), release(300));
    run(async {
        let (etcd, cleaner) = (client(&store), client(&store));
        let (root, _) = transfer::put(&etcd, &parts, &files).await.unwrap();
        // Removes everything again and again, lists before what they lead to, each time some more.
        let cleaning = tokio::spawn(async move {
            for round in 1..=4 {
                done(&cleaner, vec![put(key::PARTS_GENERATION, &round.to_string())]).await;
                let mut names = cleaner.keys(key::PARTS).await.unwrap();
                if let Some(at) = names.iter().position(|name| *name == format!("part/{}", root.0)) {
                    names.swap(0, at);
                }
                for some in names.chunks(40) {
                    cleaner.delete(some).await.unwrap();
                    tokio::task::yield_now().await;
                }
            }
        });
        while !cleaning.is_finished() {
            let (root, _) = transfer::put(&etcd, &parts, &files).await.unwrap();
            let _ = root;
        }
        let (root, _) = transfer::put(&etcd, &parts, &files).await.unwrap();
        assert_eq!(transfer::get(&etcd, &parts, &root, &none).await.unwrap(), files);
    });
}
