//! TLS with client certificates; users, roles, and tokens that end.

use super::*;
use crate::support::etcd::Version;
use crate::support::pki::Pki;

#[test]
fn members_are_verified_and_ask_for_a_client_certificate() {
    for version in Version::BOTH {
        let store = Store::secured(version, 1);
        let right = settings(&store);
        run(async {
            let etcd = client(&store);
            let first = done(&etcd, vec![put("a", "1")]).await;
            let mut watch = etcd.watch(&owned(&["a"]), first).await.unwrap();
            done(&etcd, vec![put("a", &"2".repeat(300_000))]).await;
            assert_eq!(until(&mut watch, "a").await.unwrap()[0].value.as_ref().unwrap().len(), 300_000);
            assert!(etcd.members().await[0].state.as_ref().unwrap().is_leader);

            let anonymous = Settings { identity: None, ..right.clone() };
            let error = Etcd::new(&anonymous).unwrap().read(&owned(&["a"])).await.unwrap_err();
            assert!(matches!(&error, Trouble::Unreachable(why) if why.contains(&store.urls()[0])), "{error}");

            let other = Pki::new();
            let distrusting = Settings { ca: Some(other.ca()), ..right.clone() };
            let error = Etcd::new(&distrusting).unwrap().read(&owned(&["a"])).await.unwrap_err();
            assert!(error.to_string().contains("not from a CA that is trusted"), "{error}");

            // What is wrong with the files is reported at the start, and they are read again for each connection.
            let (certificate, key) = right.identity.clone().unwrap();
            let kept = std::fs::read(&key).unwrap();
            std::fs::write(&key, "no key").unwrap();
            let error = Etcd::new(&right).unwrap_err();
            assert!(error.to_string().contains(key.to_str().unwrap()), "{error}");
            std::fs::write(&key, kept).unwrap();
            let gone = Settings { identity: Some((certificate, "/nowhere".into())), ..right.clone() };
            assert!(Etcd::new(&gone).unwrap_err().to_string().contains("/nowhere: no such file"));
        });
    }
}

/// With the user `node`, who may read and write below the prefix.
fn with_user(version: Version, members: usize) -> (Store, Settings) {
    let mut store = Store::start(version, members, &[]);
    store.with_user("node", "pass word", &["readwrite /test/a/"]);
    let file = store.folder.path().join("password");
    crate::support::pki::write_private(&file, "pass word\n");
    let settings = Settings { user: Some(("node".into(), file)), ..settings(&store) };
    (store, settings)
}

#[test]
fn a_user_has_its_rights_and_a_token_that_ends_is_replaced() {
    for version in Version::BOTH {
        let (mut store, settings) = with_user(version, 1);
        run(async {
            let etcd = Etcd::new(&settings).unwrap();
            let first = done(&etcd, vec![put("a", "1")]).await;
            let mut watch = etcd.watch(&owned(&["a", "b/"]), first).await.unwrap();
            let lease = etcd.grant(Duration::from_secs(600)).await.unwrap();
            etcd.keep(lease).await.unwrap();
            // Tokens are kept in memory.
            for _ in 0..2 {
                store.kill(0);
                store.restart(0);
                store.is_healthy();
                assert!(watch.next().await.is_err());
                watch = etcd.watch(&owned(&["a", "b/"]), first).await.unwrap();
                done(&etcd, vec![put("b/c", "1")]).await;
                until(&mut watch, "b/c").await.unwrap();
                etcd.keep(lease).await.unwrap();
                etcd.read(&owned(&["a"])).await.unwrap();
            }
            etcd.revoke(lease).await.unwrap();

            let elsewhere = Etcd::new(&Settings { prefix: "/test/b".into(), ..settings.clone() }).unwrap();
            for trouble in [
                elsewhere.read(&owned(&["a"])).await.unwrap_err(),
                elsewhere.write(&when(&[], vec![put("a", "a value")])).await.unwrap_err(),
                elsewhere.watch(&owned(&["a"]), first).await.unwrap_err(),
                elsewhere.delete(&owned(&["a"])).await.unwrap_err(),
            ] {
                assert!(matches!(&trouble, Trouble::Refused(why) if why.contains("permission denied")), "{trouble}");
            }
            let file = settings.user.clone().unwrap().1;
            std::fs::write(&file, "a wrong one").unwrap();
            let error = Etcd::new(&settings).unwrap().read(&owned(&["a"])).await.unwrap_err();
            assert!(matches!(&error, Trouble::Refused(why) if why.contains("wrong user or password")), "{error}");
            let nobody = Settings { user: None, ..settings.clone() };
            let error = Etcd::new(&nobody).unwrap().read(&owned(&["a"])).await.unwrap_err();
            assert!(matches!(&error, Trouble::Refused(why) if why.contains("expected the name of a user")), "{error}");
            let shown = format!("{etcd:?} {error} {error:?}");
            assert!(!shown.contains("wrong one") && !shown.contains("pass word"), "{shown}");
        });
    }
}

#[test]
fn another_member_that_does_not_know_the_token_gives_a_new_one() {
    let (mut store, settings) = with_user(Version::Newer, 3);
    run(async {
        let etcd = Etcd::new(&settings).unwrap();
        done(&etcd, vec![put("a", "1")]).await;
        for member in 0..3 {
            store.kill(member);
            store.restart(member);
            store.is_healthy();
            etcd.read(&owned(&["a"])).await.unwrap();
        }
    });
}

#[test]
fn where_etcd_asks_for_no_user_the_name_does_no_harm() {
    for version in Version::BOTH {
        let store = Store::one(version);
        let file = store.folder.path().join("password");
        crate::support::pki::write_private(&file, "x");
        let settings = Settings { user: Some(("node".into(), file)), ..settings(&store) };
        run(async {
            done(&Etcd::new(&settings).unwrap(), vec![put("a", "1")]).await;
        });
    }
}
