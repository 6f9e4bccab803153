//! Releases put into etcd and fetched from it.

use std::collections::BTreeMap;
use std::sync::Mutex;

use tlsgate::fleet::key;
use tlsgate::fleet::part::{Files, PartName, Parts, Plain};
use tlsgate::fleet::record::Root;
use tlsgate::fleet::transfer::{self, Cost, Here, Nothing, TransferError};
use tlsgate::fleet::tree::index::Index;

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

/// What is here.
struct Known {
    index: Option<Index>,
    parts: BTreeMap<PartName, Plain>,
    /// For what somebody has asked.
    asked: Mutex<Vec<PartName>>,
}

impl Here for Known {
    fn index(&self) -> Option<&Index> {
        self.index.as_ref()
    }

    fn has_files(&self) -> bool {
        true
    }

    async fn pieces(&self, names: &[PartName]) -> Vec<(PartName, Plain)> {
        self.asked.lock().unwrap().extend_from_slice(names);
        names
            .iter()
            .filter_map(|name| self.parts.get_key_value(name))
            .map(|(name, part)| (name.clone(), part.clone()))
            .collect()
    }
}

#[test]
fn a_release_comes_out_as_it_went_in_and_a_change_costs_what_it_changes() {
    for version in Version::BOTH {
        let store = Store::one(version);
        let (etcd, parts, mut files) = (client(&store), parts(), release(2_000));
        run(async {
            let (first, cost) = transfer::put(&etcd, &parts, &files).await.unwrap();
            assert!(cost.parts > 2_000 && cost.bytes > 3_600_000, "{cost:?}");
            assert_eq!(transfer::get(&etcd, &parts, &first, &Nothing).await.unwrap().files, files);
            assert_eq!(transfer::put(&etcd, &parts, &files).await.unwrap(), (first.clone(), Cost::default()));

            let before = files.clone();
            files.insert("certs/01000/tls.crt".into(), b"another".to_vec().into());
            let (second, cost) = transfer::put(&etcd, &parts, &files).await.unwrap();
            assert!(second != first && cost.parts <= 4 && cost.bytes < 100_000, "{cost:?}");

            // What is here already is not fetched.
            let index = |files: &Files| Index::of(files, |part| Ok(parts.name(part).unwrap())).unwrap();
            let here = Known { index: Some(index(&before)), parts: BTreeMap::new(), asked: Mutex::default() };
            let read = transfer::get(&etcd, &parts, &second, &here).await.unwrap();
            assert_eq!(read.files.keys().collect::<Vec<_>>(), ["certs/01000/tls.crt"]);
            assert_eq!(read.index.entries(), index(&files).entries());
            assert_eq!(here.asked.lock().unwrap().len(), 1);
            // A file has another path, and its content is here.
            let moved = files.remove("certs/01200/tls.crt").unwrap();
            let name = parts.name(&moved).unwrap();
            files.insert("moved".into(), moved.clone());
            let (third, cost) = transfer::put(&etcd, &parts, &files).await.unwrap();
            let known = BTreeMap::from([(name.clone(), moved)]);
            etcd.delete(&[key::part(&name)]).await.unwrap();
            let here = Known { index: Some(index(&before)), parts: known, asked: Mutex::default() };
            let read = transfer::get(&etcd, &parts, &third, &here).await.unwrap();
            assert_eq!(read.files.keys().collect::<Vec<_>>(), ["certs/01000/tls.crt", "moved"], "{cost:?}");
            // And what is wrong here is fetched.
            transfer::mend(&etcd, &parts, &before).await.unwrap();
            let wrong = before.values().map(|content| (parts.name(content).unwrap(), b"wrong".to_vec().into()));
            let here = Known { index: None, parts: wrong.collect(), asked: Mutex::default() };
            assert_eq!(transfer::get(&etcd, &parts, &first, &here).await.unwrap().files, before);
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
                let error = transfer::get(&etcd, &parts, &root, &Nothing).await.unwrap_err();
                assert!(matches!(&error, TransferError::Release(why) if why.contains(name)), "{error}");
            }
            etcd.put(vec![(name.clone(), sealed[name].clone())]).await.unwrap();
        }
        assert_eq!(transfer::get(&etcd, &parts, &root, &Nothing).await.unwrap().files, files);
        let other = Parts::new(&[b"another secret"]).unwrap();
        assert!(transfer::get(&etcd, &other, &root, &Nothing).await.is_err());
        assert!(transfer::get(&etcd, &parts, &Root("../x".into()), &Nothing).await.is_err());
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
        assert_eq!(transfer::get(&etcd, &parts, &root, &Nothing).await.unwrap().files, files);
    });
}
