use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use jiff::Timestamp;
use tokio::time::{sleep, timeout};

use super::*;
use crate::acme::responder::Tokens;
use crate::acme::share;
use crate::fleet::key;
use crate::fleet::machine::{Action, Machine as _};
use crate::fleet::record::{Record, Root};
use crate::fleet::seal::Seal;
use crate::fleet::store::{Change, Written};
use crate::member::leading;
use crate::member::orders::up::Places;
use crate::member::status::{Counts, Status};

fn board() -> Handle {
    let release = Record {
        number: 1,
        stamp: 1,
        attempt: String::new(),
        root: Root(String::new()),
        canary: None,
        by: String::new(),
        note: String::new(),
    };
    Handle::new(Status {
        node: "a".into(),
        etcd: Vec::new(),
        prefix: String::new(),
        connected: true,
        etcd_trouble: None,
        leader: None,
        leader_trouble: None,
        trouble: None,
        release,
        since: Timestamp::UNIX_EPOCH,
        counts: Counts::default(),
        refused: None,
    })
}

/// What is put below `acme/`; the store takes it.
fn puts(machine: &mut Mirror) -> Vec<String> {
    let mut keys = Vec::new();
    while let Some(Action::Write(transaction)) = machine.next(1) {
        keys.extend(transaction.then.into_iter().filter_map(|change| match change {
            Change::Put { key, .. } if key.starts_with(key::ORDERS) => Some(key),
            _ => None,
        }));
        machine.written(Written::Done(9));
    }
    keys
}

async fn until(own: &mut Own<'_>, machine: &mut Mirror, mut is_so: impl FnMut(&mut Own<'_>, &mut Mirror) -> bool) {
    let looking = async {
        while own.seen(machine, None) && !is_so(own, machine) {
            tokio::select! {
                () = own.woken() => {}
                () = sleep(Duration::from_millis(10)) => {}
            }
        }
    };
    timeout(Duration::from_secs(60), looking).await.unwrap();
}

#[tokio::test]
async fn what_was_written_and_cannot_be_read_is_shared_once_it_can_be_and_nothing_is_settled_before() {
    let state = tempfile::tempdir().unwrap();
    let disk = Arc::new(Disk::open(state.path()).unwrap());
    let (share, mut others) = share::pair();
    let (fence, leading) = leading::channel();
    fence.send_replace(Some((key::LEADER.to_owned(), 1)));
    let places = Places { challenges: Arc::default(), tokens: Tokens::default() };
    let seal = Arc::new(Seal::new(&[b"secret"]).unwrap());
    let mut machine = Mirror::new(seal, "a".into(), BTreeMap::new());
    let mut own = Own::new(disk, &mut others, leading, board(), Up::new(places));
    own.seen(&mut machine, None);
    assert_eq!(machine.next(1), Some(Action::Connect));
    machine.connected(7, Vec::new());
    own.seen(&mut machine, None);

    // A folder in the place of a file cannot be read.
    let account = state.path().join("acme/a/account.json");
    fs::create_dir_all(&account).unwrap();
    fs::create_dir_all(state.path().join("acme/a/orders")).unwrap();
    fs::write(state.path().join("acme/a/orders/x.json"), "{}").unwrap();
    share.changed(Path::new("acme/a/account.json"));
    share.changed(Path::new("acme/a/orders/x.json"));
    let settled = tokio::spawn(async move { share.settled().await });
    for _ in 0..2 {
        own.again_at = None;
        until(&mut own, &mut machine, |own, _| own.again_at.is_some()).await;
        own.seen(&mut machine, None);
        tokio::task::yield_now().await;
        assert_eq!(puts(&mut machine), Vec::<String>::new());
        assert!(!settled.is_finished());
    }
    fs::remove_dir(&account).unwrap();
    fs::write(&account, "{}").unwrap();
    own.again_at = None;
    let mut shared = Vec::new();
    until(&mut own, &mut machine, |_, machine| {
        shared.extend(puts(machine));
        settled.is_finished()
    })
    .await;
    assert_eq!(shared, ["acme/a/account.json", "acme/a/orders/x.json"]);
    assert_eq!(settled.await.unwrap(), Ok(()));
}
