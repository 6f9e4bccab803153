//! A store that is restored from a backup.

use std::path::{Path, PathBuf};

use super::*;
use crate::support::etcd::Version;
use crate::support::tool;

/// Copies the data of a member that does not run.
pub(super) fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    let output = tool::run("cp", &["-a", from.to_str().unwrap(), to.to_str().unwrap()], b"");
    assert!(output.status.success(), "{}", tool::shown(&output));
}

fn backup(folder: &Path, member: usize) -> PathBuf {
    folder.join(format!("backup{member}"))
}

#[test]
fn a_revision_that_goes_back_asks_to_read_again_once() {
    for version in Version::BOTH {
        for members in [1, 3] {
            let mut store = Store::start(version, members, &[]);
            let folder = store.folder.path().to_owned();
            run(async {
                let etcd = client(&store);
                let what = owned(&["a", "b/"]);
                done(&etcd, vec![put("a", "1")]).await;
                let lease = etcd.grant(Duration::from_secs(600)).await.unwrap();
                store.offline(|member, data| copy(data, &backup(&folder, member)));
                let mut last = 0;
                for number in 0..20 {
                    while last <= number {
                        let written = etcd.write(&when(&[], vec![put("a", "2")])).await;
                        last = if let Ok(Written::Done(revision)) = written { revision } else { last };
                    }
                }
                let late = etcd.grant(Duration::from_secs(600)).await.unwrap();
                let mut watch = etcd.watch(&what, last).await.unwrap();
                store.offline(|member, data| copy(&backup(&folder, member), data));

                let ended = watch.next().await.unwrap_err();
                assert!(matches!(ended, Trouble::Unreachable(_) | Trouble::Restart(_)), "{ended}");
                let kept = etcd.keep(lease).await;
                assert!(matches!(kept, Err(Trouble::Restart(_))), "{kept:?}");
                let read = etcd.read(&what).await;
                assert!(matches!(&read, Err(Trouble::Restart(why)) if why.contains("restored")), "{read:?}");
                let (revision, entries) = etcd.read(&what).await.unwrap();
                assert!(revision < last);
                assert_eq!(shown(&entries), [("a", Some("1"))]);
                etcd.keep(lease).await.unwrap();
                assert_eq!(etcd.keep(late).await, Err(Trouble::LeaseEnded));
            });
        }
    }
}

#[test]
fn another_cluster_at_the_same_address_asks_to_read_again() {
    let mut store = Store::one(Version::Newer);
    run(async {
        let etcd = client(&store);
        done(&etcd, vec![put("a", "1")]).await;
        let snapshot = store.folder.path().join("snapshot").display().to_string();
        store.ctl(&["snapshot", "save", &snapshot]);
        let peer = store.peers();
        store.offline(|_, data| {
            std::fs::remove_dir_all(data).unwrap();
            let (data, cluster) = (format!("--data-dir={}", data.display()), format!("--initial-cluster=m0={peer}"));
            let own = format!("--initial-advertise-peer-urls={peer}");
            let token = "--initial-cluster-token=another";
            let program = tool::from_pypi("etcdctl35");
            let arguments = ["snapshot", "restore", &snapshot, &data, "--name=m0", &cluster, &own, token];
            let output = tool::run(program.to_str().unwrap(), &arguments, b"");
            assert!(output.status.success(), "{}", tool::shown(&output));
        });
        let read = etcd.read(&owned(&["a"])).await;
        assert!(matches!(&read, Err(Trouble::Restart(why)) if why.contains("cluster")), "{read:?}");
        assert_eq!(shown(&etcd.read(&owned(&["a"])).await.unwrap().1), [("a", Some("1"))]);
    });
}
