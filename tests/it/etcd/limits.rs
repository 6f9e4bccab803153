//! etcd's limits: the size of requests, the number of operations, the space on the disk.

use super::*;
use crate::support::etcd::Version;

#[test]
fn values_of_every_size_up_to_the_limit_are_put_and_read_and_no_error_contains_one() {
    for version in Version::BOTH {
        let store = Store::one(version);
        run(async {
            let etcd = client(&store);
            let value = |size: usize| "secret".bytes().cycle().take(size).collect::<Vec<_>>();
            let sizes = [0, 1, 1_000, 262_172, 262_172, 262_172, 740_000, 740_000, 10];
            let values: Vec<_> =
                sizes.iter().enumerate().map(|(at, size)| (format!("part/{at}"), value(*size))).collect();
            etcd.put(values.clone()).await.unwrap();
            let keys: Vec<String> = values.iter().map(|(key, _)| key.clone()).collect();
            let found = etcd.get(&keys).await.unwrap();
            assert!(found.into_iter().map(|entry| (entry.key, entry.value.unwrap())).eq(values));

            for size in [900_000, 3_000_000] {
                let large = vec![("part/large".to_owned(), value(size))];
                let [bulk, single] = [
                    etcd.put(large.clone()).await.unwrap_err(),
                    etcd.write(&when(&[], vec![put("part/large", std::str::from_utf8(&large[0].1).unwrap())]))
                        .await
                        .unwrap_err(),
                ];
                for trouble in [bulk, single] {
                    let text = format!("{trouble} {trouble:?}");
                    assert!(matches!(trouble, Trouble::Refused(_)) && text.contains("expected at most"), "{text}");
                    assert!(!text.contains("secret") && text.len() < 500);
                }
            }
            let many = (0..200).map(|number| put(&format!("{number}"), "")).collect();
            assert!(matches!(etcd.write(&when(&[], many)).await, Err(Trouble::Refused(_))));
            assert!(etcd.existing(&owned(&["part/large", "1"])).await.unwrap().is_empty());

            // As many large values as are asked for at once.
            let values: Vec<_> = (0..70).map(|at| (format!("part/{at:03}"), value(262_172))).collect();
            etcd.put(values.clone()).await.unwrap();
            let keys: Vec<String> = values.iter().map(|(key, _)| key.clone()).collect();
            assert_eq!(etcd.get(&keys).await.unwrap().len(), 70);
        });
    }
}

#[test]
fn a_full_database_refuses_what_is_new_and_can_be_read_watched_and_cleaned() {
    for version in Version::BOTH {
        let store = Store::start(version, 1, &["--quota-backend-bytes=4000000"]);
        run(async {
            let etcd = client(&store);
            let first = done(&etcd, vec![put("a", "1")]).await;
            let lease = etcd.grant(Duration::from_secs(600)).await.unwrap();
            let mut number = 0;
            let trouble = loop {
                number += 1;
                if let Err(trouble) = etcd.put(vec![(format!("part/{number}"), vec![7; 500_000])]).await {
                    break trouble;
                }
            };
            assert!(matches!(&trouble, Trouble::Refused(why) if why.contains("NOSPACE")), "{trouble}");
            let write = when(&[("a", first)], vec![put("a", "2")]);
            assert!(matches!(etcd.write(&write).await, Err(Trouble::Refused(why)) if why.contains("NOSPACE")));
            let state = etcd.members().await.remove(0).state.unwrap();
            assert_eq!(state.alarms, ["NOSPACE"]);
            assert!(state.database_bytes > 1_000_000 && !state.version.is_empty());

            // What is served goes on.
            etcd.keep(lease).await.unwrap();
            assert_eq!(shown(&etcd.read(&owned(&["a", "control/"])).await.unwrap().1), [("a", Some("1"))]);
            let mut watch = etcd.watch(&owned(&["a", "part/"]), first).await.unwrap();
            until(&mut watch, "part/1").await.unwrap();
            let parts = etcd.keys("part/").await.unwrap();
            assert_eq!(etcd.existing(&parts).await.unwrap(), parts);
            assert_eq!(etcd.get(&parts).await.unwrap().len(), parts.len());
            etcd.delete(&parts).await.unwrap();
            assert_eq!(etcd.keys("").await.unwrap(), owned(&["a"]));

            store.ctl(&["compact", &store.revision().to_string(), "--physical"]);
            store.ctl(&["defrag"]);
            store.ctl(&["alarm", "disarm"]);
            assert_eq!(etcd.write(&write).await.map(|written| matches!(written, Written::Done(_))), Ok(true));
            assert!(etcd.members().await[0].state.as_ref().unwrap().alarms.is_empty());
        });
    }
}
