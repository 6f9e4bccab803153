//! The end of a server: it accepts no more, waits until its connections have ended, and goes on meanwhile to judge their clients
//! by what is on the disk. Must not know: how clients are judged, who accepts from now on.

use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::config::validate::Config;
use crate::lists::settings::{self, From};
use crate::member::start;
use crate::reload::build::Release;
use crate::reload::watch::interests::Interests;
use crate::reload::{Cause, Finished, Reloader};
use crate::server::signals::{Asked, Streams};
use crate::server::sockets::Sockets;
use crate::server::wanted::{Wanted, rereading};
use crate::server::{Ended, Server, Succession, notify};

impl Server {
    /// Accepts no more, and waits until the open connections end.
    pub(super) async fn drain(&mut self, streams: &mut Streams) -> Ended {
        let patience = self.reloader.config().runtime.shutdown_timeout;
        let shown = humantime::format_duration(patience);
        tracing::info!(timeout = %shown, "no longer accepting, waiting for connections to end");
        // From now on no authority reaches this process; and a successor waits for the folder of the state.
        self.reloader.let_all_go();
        self.give_up_keepers();
        self.reloader.give_up();
        let newest = newest(self.reloader.config());
        self.reloader.draining(newest);
        // After a hand-over, the service goes on in the successor: it is not stopping.
        let is_replaced = matches!(self.succession, Succession::TakenOver);
        if !is_replaced {
            notify::stopping(patience);
        }
        self.reloader.sockets().close();
        self.refuse_commands();
        // Only now, since an admin request may have waited for its command. Here, the admin server goes on to the end.
        if is_replaced && let Some(admin) = self.admin.take() {
            end(move || admin.hand_over());
        }
        self.wait_for_connections(streams, patience).await
    }

    /// Waits until the last connection ends. Reads files again meanwhile, for those whose clients may have to leave.
    async fn wait_for_connections(&mut self, streams: &mut Streams, patience: Duration) -> Ended {
        // Where no client is judged again, a reload would change nothing for anybody.
        let judges = self.review.is_needed(&self.control.current.load());
        let Self { reloader, review, watch, nudged, all_ended, .. } = self;
        // Each connection holds a sender: this returns when the last one is dropped.
        let mut all_ended = pin!(timeout(patience, all_ended.recv()));
        let (mut wanted, mut reread) = (Wanted::default(), rereading());
        if judges {
            watch.follow(interests(reloader));
            // What has changed just before the drain may be asked for no longer.
            wanted.ask(Cause::Change);
        }
        loop {
            if judges
                && !reloader.is_under_way()
                && let Some((cause, _)) = wanted.take()
            {
                reloader.begin(cause);
            }
            tokio::select! {
                drained = &mut all_ended => {
                    if drained.is_ok() {
                        return Ended::Orderly;
                    }
                    tracing::warn!("shutdown_timeout has passed, remaining connections are cut");
                    return Ended::DeadlinePassed;
                }
                asked = streams.next() => match asked {
                    Asked::Drain | Asked::Stop => {
                        tracing::info!("signalled again, remaining connections are cut");
                        return Ended::Orderly;
                    }
                    Asked::Reload => wanted.ask(Cause::Signal),
                    Asked::ReopenLogs | Asked::Upgrade => {}
                },
                // The servers' health is not checked by what is new: only connections that are open need them.
                Finished::Reloaded(_) = reloader.next() => {
                    watch.follow(interests(reloader));
                    review.ring();
                }
                Some(()) = nudged.recv() => wanted.file_has_changed(),
                () = wanted.settled() => {
                    wanted.settles = None;
                    wanted.ask(Cause::Change);
                }
                _ = reread.tick() => wanted.ask(Cause::Reread),
            }
        }
    }

    /// Orders no more certificates, fetches no more lists, and releases the folder of the state. Nobody waits for it: it may be about to write to a
    /// disk that does not answer.
    fn give_up_keepers(&mut self) {
        let (Some(keeper), lists, member) = (self.keeper.take(), self.lists.take(), self.member.take()) else { return };
        let ending = thread::Builder::new().name("end".into()).spawn(move || drop((member, lists, keeper)));
        // Without a thread, it was dropped here.
        self.giving_up = ending.ok();
    }

    /// Refuses the commands that wait for an answer, and all that follow.
    pub(super) fn refuse_commands(&mut self) {
        self.commands.close();
        // To drop a command drops its reply channel, which the caller sees as a refusal.
        while self.commands.try_recv().is_ok() {}
    }
}

/// What a reload depends on. No keeper of this process signals a list that was fetched: another process fetches it, and puts it
/// into the folder of the state.
fn interests(reloader: &Reloader<Sockets>) -> Interests {
    let (mut interests, crl) = (reloader.interests(), &reloader.config().crl);
    if let Some(folder) = crl.state.as_deref().map(settings::folder) {
        for wanted in &crl.wanted {
            match &wanted.from {
                From::Url(url) => drop(interests.files.insert(folder.join(settings::file(url)))),
                // Any file of the folder may be one of them.
                From::Points => drop(interests.folders.insert(folder.clone())),
            }
        }
    }
    if let Some(serving) = reloader.config().fleet.as_ref().and_then(|fleet| start::serving(fleet)) {
        interests.files.insert(serving);
    }
    interests
}

/// The release that is in force on this machine, for a process that takes part in the fleet no longer: another one may have put it
/// there, and the one that this process has served may be gone.
fn newest(config: &Config) -> impl Fn(Release) -> Release + Send + Sync + 'static {
    let (fleet, last) = (config.fleet.clone(), Mutex::new(None::<Release>));
    move |served| {
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        let known = last.take().unwrap_or(served);
        let other = fleet.as_ref().and_then(|fleet| start::other(fleet, &known.file));
        let now = match other {
            Some((file, of)) => Release { file, known: Some(of), ..known },
            None => known,
        };
        last.insert(now).clone()
    }
}

/// Drops what owns threads that may wait for a file. After [`END_PATIENCE`] it no longer waits: a thread whose file system
/// does not answer ends with the process.
pub(super) fn end(threads: impl FnOnce() + Send + 'static) {
    let ended = thread::Builder::new().name("end".into()).spawn(threads);
    let deadline = Instant::now() + END_PATIENCE;
    while ended.as_ref().is_ok_and(|ended| !ended.is_finished()) && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(1));
    }
}

/// How long the admin server may take to finish its answers.
const END_PATIENCE: Duration = Duration::from_secs(10);
