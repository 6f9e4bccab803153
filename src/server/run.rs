//! Runs a server after its start: reloads, signals, another process that takes over. Must not know: how a reload works, how
//! connections are served.

use std::io;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::admin::Admin;
use crate::member::Member;
use crate::monitor::Monitor;
use crate::reload::build::Origin;
use crate::reload::control::Command;
use crate::reload::releases::Holding;
use crate::reload::report::Report;
use crate::reload::{Cause, Finished, Purpose};
use crate::server::draining::end;
use crate::server::handover::{Begun, Successor};
use crate::server::releases::{Releases, Wish};
use crate::server::series::Alive;
use crate::server::signals::{Asked, Streams};
use crate::server::wanted::{Waiting, Wanted, rereading};
use crate::server::{Ended, Server, Signals, Succession, admin_name, follow, operated};

/// What is to be done, one after the other.
#[derive(Default)]
struct Work {
    wanted: Wanted,
    /// The callers that wait for the reload that is under way.
    waiting: Waiting,
    releases: Releases,
}

impl Server {
    /// Runs until a signal ends it: TERM and INT let connections finish; QUIT, or a second TERM or INT, cuts them. HUP and
    /// a change of any file that was read start a reload.
    pub fn run_until_signalled(mut self, signals: Signals) -> Ended {
        let (runtime, mut streams) = signals.into_parts();
        let ended = runtime.block_on(async {
            match self.run(&mut streams).await {
                Asked::Stop => {
                    tracing::info!("stopping now");
                    Ended::Orderly
                }
                _ => self.drain(&mut streams).await,
            }
        });
        // An admin request may wait for its command: it has to be answered before the admin server can end.
        self.refuse_commands();
        self.reloader.sockets().close();
        self.workers.dismiss();
        let responder = self.reloader.sockets().responder();
        let (admin, upkeep, keeper, giving_up) = (self.admin, self.upkeep, self.keeper, self.giving_up);
        let (governor, review, lists, member) = (self.governor, self.review, self.lists, self.member);
        end(move || {
            drop((member, responder, keeper, lists, admin, upkeep, governor, review));
            // It only ends the keeper, and that has logged a panic.
            let _ = giving_up.map(JoinHandle::join);
        });
        drop(self.reloader);
        // Last, so that the lines of the connections cut above are written too.
        self.writer.finish(LOG_PATIENCE);
        ended
    }

    /// Handles signals, commands and changed files until the server is to drain or to stop. A reload runs on another
    /// thread: this loop never waits for it.
    async fn run(&mut self, streams: &mut Streams) -> Asked {
        let (taken_over, mut successors) = mpsc::channel(1);
        let asked = self.serve(streams, taken_over, &mut successors).await;
        self.call_off(&mut successors).await;
        asked
    }

    async fn serve(
        &mut self,
        streams: &mut Streams,
        taken_over: mpsc::Sender<TakenOver>,
        successors: &mut mpsc::Receiver<TakenOver>,
    ) -> Asked {
        let mut moved = self.upkeep.moved();
        let (mut reread, mut work) = (rereading(), Work::default());
        self.follow();
        let mut lost = pin!(end_of(self.monitor.clone()));
        let mut is_lost = false;
        loop {
            self.begin(&mut work);
            tokio::select! {
                finished = self.reloader.next() => match finished {
                    Finished::Reloaded(report) => {
                        self.reloaded(report, std::mem::take(&mut work.waiting), work.wanted.is_asked_for());
                    }
                    Finished::Prepared(file, result) => work.releases.prepared(file, result),
                },
                // The sender lives as long as the process.
                Ok(()) = moved.changed() => self.forget_what_is_gone(),
                Some(command) = self.commands.recv() => match command {
                    Command::Drain => return Asked::Drain,
                    command => self.command(command, &mut work),
                },
                asked = streams.next() => match asked {
                    Asked::Reload => {
                        self.fetch_again();
                        work.wanted.ask(Cause::Signal);
                        self.status.reloading();
                    }
                    Asked::ReopenLogs => self.reloader.sockets().reopen_log(),
                    Asked::Upgrade => self.upgrade(taken_over.clone()),
                    other => return other,
                },
                Some(taken_over) = successors.recv() => if self.is_replaced(taken_over) {
                    return Asked::Drain;
                },
                Some(()) = self.nudged.recv() => work.wanted.file_has_changed(),
                () = work.wanted.settled() => {
                    work.wanted.settles = None;
                    work.wanted.ask(Cause::Change);
                }
                _ = reread.tick() => work.wanted.ask(Cause::Reread),
                error = &mut lost, if !is_lost => {
                    is_lost = true;
                    report_lost(error);
                }
            }
        }
    }

    /// Takes a command.
    fn command(&mut self, command: Command, work: &mut Work) {
        match command {
            // It ends the loop, which has seen it.
            Command::Drain => {}
            Command::Reload(reply) => {
                work.wanted.waiting.push(reply);
                self.fetch_again();
                work.wanted.ask(Cause::Command);
                self.status.reloading();
            }
            Command::Prepare { file, known, reply, spoiled } => {
                work.releases.ask(Wish { file, known }, reply, spoiled);
            }
            Command::Commit { file, reply } => work.releases.commit(file, reply),
            Command::Written(file, manifest) => self.reloader.written(&file, manifest),
            Command::LetGo(file) => {
                work.releases.let_go(&file);
                self.reloader.let_go(&file);
            }
        }
    }

    /// Commits what is to be committed, and begins what comes next.
    fn begin(&mut self, work: &mut Work) {
        if let Some(file) = work.releases.to_commit().map(Path::to_owned) {
            match self.reloader.holding(&file) {
                Holding::Ready => self.commit(&file, work),
                // What it was built upon is in force no longer. It comes first now: all other nodes serve it already.
                Holding::Stale if !self.reloader.is_under_way() => return self.reloader.begin_again(&file),
                Holding::Stale => return,
                Holding::Nothing => work.releases.committed(Err(Vec::new())),
            }
        }
        if self.reloader.is_under_way() {
            return;
        }
        if let Some((cause, callers)) = work.wanted.take() {
            self.reloader.begin(cause);
            work.waiting = callers;
        } else if let Some(Wish { file, known }) = work.releases.first().cloned() {
            self.reloader.begin_to_prepare(&file, known);
        } else if let Some(release) = self.reloader.stale().cloned() {
            self.reloader.begin_again(&release.file);
        }
    }

    /// Serves a release that is held.
    fn commit(&mut self, file: &Path, work: &mut Work) {
        // What is under way was begun upon the state that is replaced now. It is asked for again.
        if let Some(Purpose::Reload(cause)) = self.reloader.give_up() {
            work.wanted.ask(cause);
            work.wanted.waiting.append(&mut work.waiting);
        }
        if let Some(report) = self.reloader.commit(file) {
            self.reloaded(report, Waiting::new(), work.wanted.is_asked_for());
            work.releases.committed(Ok(()));
        }
    }

    /// Watches the files, and checks the servers, of the current state.
    fn follow(&self) {
        // A change between reading a folder and watching it would be missed, so a folder that is new here triggers a
        // reload.
        self.watch.follow(self.reloader.interests());
        self.upkeep.follow(self.control.current.load().pools(), &self.reloader.config().resolver);
        self.governor.follow(self.reloader.config().bounds.memory);
        self.review.ring();
        if let (Some(keeper), Some(lists)) = (&self.keeper, &self.lists) {
            follow((keeper, lists), self.reloader.config());
        }
        if let (Some(member), Some(fleet)) = (&self.member, &self.reloader.config().fleet) {
            member.follow(fleet);
        }
    }

    /// Whoever asks for a reload need not wait for lists whose servers have failed, nor for a release that was refused.
    fn fetch_again(&self) {
        self.lists.iter().for_each(|lists| lists.retry());
        self.member.iter().for_each(Member::retry);
    }

    /// `others` is whether somebody has asked for another one meanwhile.
    fn reloaded(&mut self, report: Report, waiting: Waiting, others: bool) {
        if matches!(&report, Report::Swapped(changes) if !changes.is_empty()) {
            self.forget_what_is_gone();
        }
        self.follow();
        let sockets = self.control.status.borrow().addresses.len();
        self.status.reloaded(&report, sockets, others);
        let report = Arc::new(report);
        for reply in waiting {
            // An error only means that this caller no longer waits.
            let _ = reply.send(Arc::clone(&report));
        }
    }

    /// Removes the metrics' series of what no longer exists.
    fn forget_what_is_gone(&self) {
        let snapshot = self.control.current.load();
        let alive = Alive::of(&snapshot);
        self.metrics.prune(|labels| alive.has(labels));
    }

    /// Starts this program's new version with the sockets of this process, and sends the result to `taken_over`.
    fn upgrade(&mut self, taken_over: mpsc::Sender<TakenOver>) {
        if let Succession::Begun(Begun { pid, .. }) = &self.succession {
            tracing::warn!(pid, "another process is already about to take over");
            return;
        }
        if let Origin::Once(path) = self.reloader.origin() {
            let path = path.display();
            tracing::error!("no other process is started: the configuration ({path}) cannot be read a second time");
            return;
        }
        let mut sockets = self.reloader.sockets().to_hand_over();
        // Where its sockets were passed, they are handed over with all that were.
        let of_admin = self.admin.iter().flat_map(Admin::bound);
        sockets.extend(of_admin.map(|(purpose, address, socket)| (admin_name(purpose, address), socket)));
        let started = Successor::start(sockets, self.monitor.as_ref()).and_then(|successor| {
            let begun = successor.begun()?;
            let control = self.control.clone();
            let told =
                move || control.changes.tell(|| operated::to_hand_over(&control.current.load())).unwrap_or_default();
            // It waits for up to a minute, while this thread has to handle signals and reloads.
            let wait = move || drop(taken_over.blocking_send(successor.wait_until_ready(told)));
            thread::Builder::new().name("handover".into()).spawn(wait)?;
            Ok(begun)
        });
        match started {
            Ok(begun) => {
                tracing::info!(pid = begun.pid, "starting another process to take over");
                self.status.upgrading(Some(begun.pid));
                self.succession = Succession::Begun(begun);
            }
            Err(error) => tracing::error!(%error, "cannot start another process, everything stays as it is"),
        }
    }

    /// This process ends, and nobody is to take over any more: who has asked for the end means the whole service. A process that
    /// has taken over in this very moment goes on.
    async fn call_off(&mut self, successors: &mut mpsc::Receiver<TakenOver>) {
        let Succession::Begun(begun) = &self.succession else { return };
        tracing::warn!(
            pid = begun.pid,
            "this process is to end: the one that was about to take over is stopped as well"
        );
        begun.call_off();
        match timeout(CALLED_OFF, successors.recv()).await {
            Ok(Some(Ok(pid))) => drop(self.is_replaced(Ok(pid))),
            Ok(Some(Err(_)) | None) => self.succession = Succession::None,
            Err(_) => {
                // It cannot report any more that it accepts, and ends.
                tracing::error!("whether the process that was about to take over has ended is not known");
                self.succession = Succession::None;
            }
        }
    }

    /// Handles the result of an upgrade. True where the other process accepts.
    fn is_replaced(&mut self, taken_over: TakenOver) -> bool {
        match taken_over {
            Ok(pid) => {
                tracing::info!(pid, "another process has taken over");
                if self.control.changes.tell(|| operated::is_any(&self.control.current.load())) == Some(true) {
                    tracing::warn!(
                        pid,
                        "it is of an older version: its weights and states of servers are those of the configuration"
                    );
                }
                // From now on the service manager is to hear of the other process only.
                self.watchdog = None;
                self.succession = Succession::TakenOver;
                self.reloader.sockets().hand_over();
                true
            }
            Err(error) => {
                // Before anybody can know of it: a change is not refused any more then.
                self.control.changes.go_on();
                tracing::error!("no other process has taken over, everything stays as it is: {error}");
                self.succession = Succession::None;
                self.status.upgrading(None);
                false
            }
        }
    }
}

/// The process id of one that has taken over, or why it has not.
type TakenOver = Result<u32, String>;

/// Without the monitor, the service goes on as it is.
fn report_lost(error: std::io::Result<std::io::Error>) {
    let (Ok(error) | Err(error)) = error;
    tracing::error!("no other address can be bound, no program and no other process be started: {error}");
}

/// Waits until the monitor has ended, and returns why; for ever where there is none.
async fn end_of(monitor: Option<Monitor>) -> io::Result<io::Error> {
    match monitor {
        Some(monitor) => monitor.ended().await,
        None => std::future::pending().await,
    }
}

/// How long it may take until a process that does not take over any more has ended.
const CALLED_OFF: Duration = Duration::from_secs(5);
/// How long the access log may take to write its last lines.
const LOG_PATIENCE: Duration = Duration::from_secs(2);
