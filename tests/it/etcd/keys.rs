//! Reads, transactions, leases, watches.

use super::*;
use crate::support::etcd::Version;

#[test]
fn what_is_written_is_read_under_the_prefix_and_only_there() {
    for version in Version::BOTH {
        let store = Store::one(version);
        store.put("/test/ab", "a neighbour");
        store.put("/test/a0", "a neighbour");
        run(async {
            let etcd = client(&store);
            let first = done(&etcd, vec![put("control/current", "1"), put("node/x", "2"), put("nodes", "3")]).await;
            let (revision, entries) =
                etcd.read(&owned(&["control/", "node/", "nodes", "gone", "control/current"])).await.unwrap();
            assert_eq!(revision, first);
            let all = [("control/current", Some("1")), ("node/x", Some("2")), ("nodes", Some("3"))];
            assert_eq!(shown(&entries), all);
            assert!(entries.iter().all(|entry| entry.revision == first));

            let refused = when(&[("node/x", first), ("gone", 7)], vec![put("node/x", "4")]);
            assert_eq!(etcd.write(&refused).await, Ok(Written::Refused));
            let held =
                when(&[("node/x", first), ("gone", 0)], vec![Change::Delete { key: "node/x".into() }, put("new", "5")]);
            assert_eq!(etcd.write(&held).await, Ok(Written::Done(first + 1)));
            assert_eq!(etcd.keys("").await.unwrap(), owned(&["control/current", "new", "nodes"]));
            assert_eq!(etcd.keys("control/").await.unwrap(), owned(&["control/current"]));
            assert_eq!(etcd.existing(&owned(&["new", "gone", "node/x"])).await.unwrap(), owned(&["new"]));
        });
        assert_eq!(store.get("/test/a/new"), Some(b"5".to_vec()));
        assert_eq!(store.all().len(), 5);
        store.delete("/test/a0");
        assert_eq!(store.all().len(), 4);
    }
}

#[test]
fn any_number_of_keys_is_put_read_and_deleted_in_bulk() {
    for version in Version::BOTH {
        let store = Store::one(version);
        run(async {
            let etcd = client(&store);
            let keys: Vec<String> = (0..2_345).map(|number| format!("part/{number:05}")).collect();
            etcd.put(keys.iter().map(|key| (key.clone(), key.as_bytes().to_vec())).collect()).await.unwrap();
            assert_eq!(etcd.keys("part/").await.unwrap(), keys);
            let (_, entries) = etcd.read(&owned(&["part/"])).await.unwrap();
            assert!(entries.iter().map(|entry| &entry.key).eq(&keys));
            let asked: Vec<String> = keys.iter().flat_map(|key| [key.clone(), format!("{key}x")]).collect();
            assert_eq!(etcd.existing(&asked).await.unwrap(), keys);
            let values = etcd.get(&asked).await.unwrap();
            assert!(values.iter().all(|entry| entry.value.as_deref() == Some(entry.key.as_bytes())));
            assert_eq!(values.len(), keys.len());
            etcd.delete(&keys[10..]).await.unwrap();
            assert_eq!(etcd.keys("").await.unwrap(), keys[..10]);
        });
    }
}

#[test]
fn values_are_put_only_while_a_key_is_as_it_was() {
    let store = Store::one(Version::Newer);
    run(async {
        let etcd = client(&store);
        let values = || (0..200).map(|number| (format!("part/{number}"), b"x".to_vec())).collect::<Vec<_>>();
        assert_eq!(etcd.put_while(&[("generation".into(), 0)], values()).await, Ok(true));
        let revision = done(&etcd, vec![put("generation", "1")]).await;
        assert_eq!(etcd.put_while(&[("generation".into(), 0)], values()).await, Ok(false));
        assert_eq!(etcd.put_while(&[("generation".into(), revision)], values()).await, Ok(true));
    });
}

#[test]
fn what_was_put_with_a_lease_goes_with_it_and_a_watch_sees_all_in_order() {
    for version in Version::BOTH {
        let store = Store::one(version);
        run(async {
            let etcd = client(&store);
            let lease = etcd.grant(Duration::from_secs(2)).await.unwrap();
            let last = done(&etcd, vec![leased("node/x", "1", Some(lease)), put("node/y", "1")]).await;
            etcd.keep(lease).await.unwrap();
            let mut watch = etcd.watch(&owned(&["node/", "generation"]), last).await.unwrap();
            done(&etcd, vec![put("elsewhere", "1")]).await;
            let put_at = done(&etcd, vec![put("node/z", "1"), put("generation", "1")]).await;
            let seen = until(&mut watch, "generation").await.unwrap();
            assert_eq!(shown(&seen), [("generation", Some("1")), ("node/z", Some("1"))]);
            assert!(seen.iter().all(|entry| entry.revision == put_at));
            // It is not renewed any more.
            let seen = until(&mut watch, "node/x").await.unwrap();
            assert_eq!(shown(&seen), [("node/x", None)]);
            assert!(seen[0].revision > put_at);
            assert_eq!(etcd.keep(lease).await, Err(Trouble::LeaseEnded));
            let late = when(&[], vec![leased("node/x", "2", Some(lease))]);
            assert_eq!(etcd.write(&late).await, Err(Trouble::LeaseEnded));
            etcd.revoke(lease).await.unwrap();

            let lease = etcd.grant(Duration::from_secs(60)).await.unwrap();
            done(&etcd, vec![leased("node/x", "3", Some(lease))]).await;
            until(&mut watch, "node/x").await.unwrap();
            etcd.revoke(lease).await.unwrap();
            assert_eq!(shown(&until(&mut watch, "node/x").await.unwrap()), [("node/x", None)]);
        });
    }
}

#[test]
fn what_is_changed_together_in_several_ranges_comes_together() {
    for version in Version::BOTH {
        let store = Store::one(version);
        run(async {
            let etcd = client(&store);
            let first = done(&etcd, vec![put("a/x", "0"), put("b/x", "0"), put("c", "0")]).await;
            let writer = client(&store);
            let writing = tokio::spawn(async move {
                for number in 1..=300 {
                    let value = number.to_string();
                    done(&writer, vec![put("c", &value), put("a/x", &value), put("b/x", &value)]).await;
                }
            });
            let mut watch = etcd.watch(&owned(&["a/", "b/", "c"]), first).await.unwrap();
            let mut last = String::new();
            while last != "300" {
                let changes = watch.next().await.unwrap();
                let values: Vec<_> = shown(&changes).into_iter().map(|(_, value)| value.unwrap()).collect();
                assert!(values.len() == 3 && values.iter().all(|value| *value == values[0]), "{values:?}");
                values[0].clone_into(&mut last);
            }
            writing.await.unwrap();
        });
    }
}

#[test]
fn a_watch_from_a_revision_that_was_compacted_away_asks_to_read_again() {
    for version in Version::BOTH {
        let store = Store::one(version);
        run(async {
            let etcd = client(&store);
            let first = done(&etcd, vec![put("a", "0")]).await;
            let mut open = etcd.watch(&owned(&["a"]), first).await.unwrap();
            for _ in 0..10 {
                done(&etcd, vec![put("a", "1")]).await;
            }
            store.ctl(&["compact", &store.revision().to_string(), "--physical"]);
            let result = match etcd.watch(&owned(&["a", "b/"]), first).await {
                Ok(mut watch) => watch.next().await.map(drop),
                Err(trouble) => Err(trouble),
            };
            assert!(matches!(&result, Err(Trouble::Restart(_))), "{result:?}");
            // One that is open and up to date goes on.
            let mut seen = open.next().await.unwrap();
            let last = done(&etcd, vec![put("a", "2")]).await;
            while seen.iter().all(|entry| entry.revision < last) {
                seen = open.next().await.unwrap();
            }
            assert_eq!(etcd.read(&owned(&["a"])).await.unwrap().0, last);
        });
    }
}
