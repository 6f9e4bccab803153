//! Drives one machine of the fleet over etcd: gets its lease and keeps it, reads, watches, writes, and does what it says.
//!
//! What takes long – fetching and building a release – holds up neither the renewals nor the changes that come meanwhile.
//!
//! Must not know: which machine it is, what a release contains.

use std::future::{Future, pending, ready};
use std::pin::{Pin, pin};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::{Duration, Instant, timeout};

use crate::etcd::{Etcd, Trouble, Watch};
use crate::fleet::machine::{Action, Machine};
use crate::fleet::record::{Record, Root};
use crate::fleet::store::{Entry, Lease, Transaction, Written};

mod link;
mod renewal;

use link::{Event, Link};
use renewal::Keeper;
pub use renewal::TTL;

/// What the machine wants done outside the store. Only a node wants releases built, served, forgotten and put back: for all others
/// there is nothing to do.
pub trait Hands<M: Machine>: Send {
    /// Fetches this release, verifies it, builds it and binds its addresses, without serving it; or why not.
    fn build(&mut self, _root: &Root) -> impl Future<Output = Result<(), String>> + Send {
        ready(Ok(()))
    }

    /// Keeps this record and serves what was built for it. `Err`: what was built cannot be served any more.
    fn serve(&mut self, _record: &Record) -> impl Future<Output = Result<(), String>> + Send {
        ready(Ok(()))
    }

    /// Lets go of what was built.
    fn forget(&mut self, _root: &Root) -> impl Future<Output = ()> + Send {
        ready(())
    }

    /// Puts the parts of this release into the store if they are missing.
    fn restore(&mut self, _record: &Record) -> impl Future<Output = Result<(), String>> + Send {
        ready(Ok(()))
    }

    /// Waits until the machine has something to do for a reason that lies outside the store. If the future is dropped, nothing is
    /// lost.
    fn woken(&mut self) -> impl Future<Output = ()> + Send {
        pending()
    }

    /// Called after each step and at least each second, unless one of the others is running; with the machine as it is then,
    /// and with why etcd cannot be reached. `false` ends the drive.
    fn seen(&mut self, machine: &mut M, trouble: Option<&str>) -> bool;
}

/// Until `hands` ends it, or `stop` is ready. The lease is revoked then. Waits longer and longer between attempts while
/// etcd cannot be reached, and never ends because of it.
pub async fn drive<M: Machine + Send, H: Hands<M>>(
    machine: &mut M,
    etcd: &Etcd,
    hands: &mut H,
    stop: impl Future<Output = ()>,
) {
    let (mut stop, mut link) = (pin!(stop), Link::default());
    while hands.seen(machine, link.trouble()) {
        let Some(action) = next(machine, &mut link) else {
            if !idle(machine, &mut link, hands, stop.as_mut()).await {
                break;
            }
            continue;
        };
        // Who connects anew has lost its place, and may still have the lease: what was put with it goes.
        let lease = if action == Action::Connect { link.lose() } else { link.lease() };
        let job = perform(action, etcd, hands, machine.watched(), lease);
        let Some(outcome) = attend(machine, &mut link, pin!(job), stop.as_mut()).await else { break };
        report(machine, &mut link, outcome);
    }
    if let Some(lease) = link.lose() {
        // If it fails, the lease ends by itself.
        let _ = timeout(FAREWELL, etcd.revoke(lease)).await;
    }
}

/// What is to be done now; `None`: wait.
fn next<M: Machine>(machine: &mut M, link: &mut Link) -> Option<Action> {
    if link.is_paused() {
        return None;
    }
    if let Some(action) = link.again.take() {
        return Some(action);
    }
    if link.is_blind() {
        return Some(Action::Read);
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let action = machine.next(u64::try_from(now).unwrap_or(u64::MAX));
    if action.is_none() {
        // What could not be written is not needed any more.
        link.wrote();
    }
    action
}

/// What has become of an action.
enum Outcome {
    Connected { keeper: Keeper, read: Box<Read> },
    Read { lease: Option<Lease>, read: Box<Read> },
    NotConnected(Action, Trouble),
    Written(Written),
    NotWritten(Trouble),
    NotRestored(String),
    Built(Root, Result<(), String>),
    Served(Record, Result<(), String>),
    Forgotten,
}

/// What is watched, as it is in the store, and the watch from there on.
struct Read {
    entries: Vec<Entry>,
    watch: Watch,
}

async fn perform<M: Machine, H: Hands<M>>(
    action: Action,
    etcd: &Etcd,
    hands: &mut H,
    watched: Vec<String>,
    lease: Option<Lease>,
) -> Outcome {
    match action {
        Action::Connect => match connect(etcd, &watched, lease).await {
            Ok((keeper, read)) => Outcome::Connected { keeper, read: Box::new(read) },
            Err(trouble) => Outcome::NotConnected(Action::Connect, trouble),
        },
        Action::Read => match read(etcd, &watched).await {
            Ok(read) => Outcome::Read { lease, read: Box::new(read) },
            Err(trouble) => Outcome::NotConnected(Action::Read, trouble),
        },
        Action::Write(transaction) => write(etcd, &transaction).await,
        Action::Restore(record, transaction) => match hands.restore(&record).await {
            Ok(()) => write(etcd, &transaction).await,
            Err(why) => Outcome::NotRestored(why),
        },
        Action::Build(root) => {
            let result = hands.build(&root).await;
            Outcome::Built(root, result)
        }
        Action::Serve(record) => {
            let result = hands.serve(&record).await;
            Outcome::Served(record, result)
        }
        Action::Forget(root) => {
            hands.forget(&root).await;
            Outcome::Forgotten
        }
    }
}

async fn connect(etcd: &Etcd, watched: &[String], old: Option<Lease>) -> Result<(Keeper, Read), Trouble> {
    if let Some(old) = old {
        let _ = timeout(FAREWELL, etcd.revoke(old)).await;
    }
    let asked = Instant::now();
    let lease = etcd.grant(TTL).await?;
    // What is read may take longer than a lease lives.
    let keeper = Keeper::new(etcd, lease, asked, TTL);
    match read(etcd, watched).await {
        Ok(read) => Ok((keeper, read)),
        Err(trouble) => {
            drop(keeper);
            // Nothing was put with it, so it does no harm if it stays until it ends.
            let _ = timeout(FAREWELL, etcd.revoke(lease)).await;
            Err(trouble)
        }
    }
}

async fn read(etcd: &Etcd, watched: &[String]) -> Result<Read, Trouble> {
    let (revision, entries) = etcd.read(watched).await?;
    let watch = etcd.watch(watched, revision).await?;
    Ok(Read { entries, watch })
}

async fn write(etcd: &Etcd, transaction: &Transaction) -> Outcome {
    etcd.write(transaction).await.map_or_else(Outcome::NotWritten, Outcome::Written)
}

fn report<M: Machine>(machine: &mut M, link: &mut Link, outcome: Outcome) {
    match outcome {
        Outcome::Connected { keeper, read } => {
            let lease = keeper.lease;
            link.connected(keeper);
            link.reads(read.watch);
            machine.connected(lease, read.entries);
        }
        Outcome::Read { lease: Some(lease), read } if link.lease() == Some(lease) => {
            link.reads(read.watch);
            machine.connected(lease, read.entries);
        }
        // The lease was lost meanwhile, and the machine knows.
        Outcome::Read { .. } => {}
        Outcome::NotConnected(action, trouble) => {
            link.failed_to_read(&trouble);
            // Without a lease, the machine connects.
            link.again = Some(action).filter(|action| *action == Action::Connect || link.lease().is_some());
        }
        Outcome::Written(written) => {
            if written == Written::Refused {
                link.was_refused()
            } else {
                link.wrote()
            }
            machine.written(written);
        }
        Outcome::NotWritten(Trouble::LeaseEnded) => lose(machine, link),
        // Nothing was written, as if the condition had not held.
        Outcome::NotWritten(trouble) => {
            link.failed_to_write(trouble.to_string());
            machine.written(Written::Refused);
        }
        Outcome::NotRestored(why) => {
            link.failed_to_write(why);
            machine.written(Written::Refused);
        }
        Outcome::Built(root, result) => machine.built(&root, result),
        Outcome::Served(record, Ok(())) => machine.served(&record),
        Outcome::Served(record, Err(why)) => {
            link.pause();
            machine.built(&record.root, Err(why));
        }
        Outcome::Forgotten => {}
    }
}

fn lose<M: Machine>(machine: &mut M, link: &mut Link) {
    link.lose();
    machine.lost();
}

/// Waits for a job, and meanwhile tells the machine what happens. `None`: it is time to stop.
async fn attend<M: Machine, T>(
    machine: &mut M,
    link: &mut Link,
    mut job: Pin<&mut impl Future<Output = T>>,
    mut stop: Pin<&mut impl Future<Output = ()>>,
) -> Option<T> {
    loop {
        tokio::select! {
            biased;
            () = stop.as_mut() => return None,
            event = link.event() => happened(machine, link, event),
            result = job.as_mut() => return Some(result),
        }
    }
}

/// Waits for something to happen, or for a moment. `false`: it is time to stop.
async fn idle<M: Machine, H: Hands<M>>(
    machine: &mut M,
    link: &mut Link,
    hands: &mut H,
    stop: Pin<&mut impl Future<Output = ()>>,
) -> bool {
    let wait = link.pause_left().unwrap_or(TICK).min(TICK);
    tokio::select! {
        biased;
        () = stop => return false,
        event = link.event() => happened(machine, link, event),
        () = hands.woken() => {}
        () = tokio::time::sleep(wait) => {}
    }
    true
}

fn happened<M: Machine>(machine: &mut M, link: &mut Link, event: Event) {
    match event {
        Event::Changed(entries) => entries.into_iter().for_each(|entry| machine.changed(entry)),
        Event::Blind(trouble) => link.blinded(&trouble),
        Event::Renewed => link.renewed(),
        Event::NotRenewed(why) => link.not_renewed(why),
        Event::Lost => lose(machine, link),
    }
}

/// The machine's time goes on also while nothing happens.
const TICK: Duration = Duration::from_millis(500);

/// For the last request of all.
const FAREWELL: Duration = Duration::from_secs(2);
