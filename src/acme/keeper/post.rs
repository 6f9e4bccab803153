//! The keeper's own task: opens and locks the state folder, starts a line for each authority, passes on what is asked. Must not
//! know: what a line does.

use std::collections::HashMap;
use std::future::pending;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::asked::{Ask, Outcome, Refused, Which};
use super::house::{House, Plan, Tools};
use super::line::Line;
use super::one::One;
use crate::acme::settings::Wanted;
use crate::acme::share::Share;
use crate::acme::status::Failure;
use crate::state::{Folder, Told};

/// What the keeper is sent.
pub(super) enum Message {
    Follow(Plan),
    Wish(Wish),
}

/// What somebody asks for.
pub(super) enum Wish {
    Renew(Which, Instant, oneshot::Sender<Result<Vec<Outcome>, Refused>>),
    Revoke(Which, Option<u8>, oneshot::Sender<Result<Vec<Outcome>, Refused>>),
    RollOver(String, oneshot::Sender<Result<(), Refused>>),
}

/// Runs until the sender of `stopped` is dropped.
pub(super) async fn run(
    tools: Tools,
    mut messages: mpsc::UnboundedReceiver<Message>,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut share = tools.share.clone();
    let mut post = Post { tools, plan: None, open: None, trouble: None, looked: None, is_led: false };
    loop {
        let pause = if post.open.is_some() || post.is_led { CHECK } else { AGAIN };
        tokio::select! {
            biased;
            _ = &mut stopped => return,
            () = role_changed(&mut share) => post.settle(),
            message = messages.recv() => match message {
                Some(Message::Follow(plan)) => post.follow(plan),
                Some(Message::Wish(wish)) => post.pass_on(wish),
                None => return,
            },
            () = sleep(pause) => post.settle(),
        }
    }
}

/// Never, where it is always this process that orders.
async fn role_changed(share: &mut Option<Share>) {
    match share {
        Some(share) => share.role_changed().await,
        None => pending().await,
    }
}

struct Post {
    tools: Tools,
    plan: Option<Arc<Plan>>,
    open: Option<Open>,
    /// Why the state folder cannot be used. It is logged once.
    trouble: Option<String>,
    /// When the folder that another process has locked was read.
    looked: Option<Instant>,
    /// Another process orders.
    is_led: bool,
}

/// The state folder is ours.
struct Open {
    house: Arc<House>,
    plans: watch::Sender<Arc<Plan>>,
    lines: HashMap<Arc<str>, Running>,
    /// What is known since this process leads again is read again.
    term: i64,
}

/// A line that runs. Dropping it ends it.
struct Running {
    asks: mpsc::UnboundedSender<Ask>,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Post {
    fn follow(&mut self, plan: Plan) {
        (self.plan, self.looked) = (Some(Arc::new(plan)), None);
        self.settle();
    }

    /// Brings about what the plan says: the folder open, a line for each authority.
    fn settle(&mut self) {
        let Some(plan) = self.plan.clone() else { return };
        let Some(state) = plan.settings.state.as_deref().filter(|_| !plan.settings.authorities.is_empty()) else {
            self.open = None;
            return;
        };
        let role = self.tools.share.as_ref().map(Share::role);
        self.is_led = role.as_ref().is_some_and(|role| !role.orders);
        self.tools.board.led_by(role.clone().filter(|_| self.is_led));
        if self.is_led {
            self.open = None;
            self.look(state, &plan);
            return;
        }
        let term = role.map_or(0, |role| role.term);
        if self.open.as_ref().is_some_and(|open| open.term != term || open.house.folder.path() != state) {
            self.open = None;
        }
        if self.open.is_none() {
            match self.enter(state, &plan, term) {
                Ok(open) => self.open = open,
                Err(reason) => self.report(reason),
            }
        }
        if let Some(open) = &mut self.open {
            open.follow(&plan);
        }
    }

    /// Opens and locks the folder. `None` if another process has locked it.
    fn enter(&mut self, state: &Path, plan: &Arc<Plan>, term: i64) -> Result<Option<Open>, String> {
        let folder = Folder::open(state).map_err(|error| error.to_string())?;
        let folder = match self.tools.share.clone() {
            Some(share) => folder.telling(Told::new(move |path| share.changed(path))),
            None => folder,
        };
        let Some(lock) = folder.lock().map_err(|error| error.to_string())? else {
            self.locked(&folder, plan);
            return Ok(None);
        };
        let tidied = folder.tidy().map_err(|error| error.to_string())?;
        if tidied > 0 {
            tracing::info!(state = %state.display(), tidied, "what a crash has left in the state folder is removed");
        }
        if self.trouble.take().is_some() {
            tracing::info!(state = %state.display(), "the state folder can be used");
        }
        self.tools.board.locked_by(None);
        let (plans, _) = watch::channel(Arc::clone(plan));
        let house = Arc::new(House::new(folder, lock, self.tools.clone()));
        Ok(Some(Open { house, plans, lines: HashMap::new(), term }))
    }

    /// Shows what there is. It is served, but nothing is ordered.
    fn locked(&mut self, folder: &Folder, plan: &Plan) {
        let holder = folder.holder();
        let of = holder.map(|pid| format!(" (process {pid})")).unwrap_or_default();
        let reason = format!("{} is locked by another process{of}", folder.path().display());
        if self.trouble.as_ref() != Some(&reason) {
            tracing::warn!(%reason, "no certificates are ordered until the state folder is free");
            self.trouble = Some(reason);
        }
        self.show(folder, plan);
        self.tools.board.locked_by(Some(holder.unwrap_or(0)));
    }

    /// Shows what there is where another process orders.
    fn look(&mut self, state: &Path, plan: &Plan) {
        self.tools.board.locked_by(None);
        match Folder::open(state) {
            Ok(folder) => {
                self.trouble = None;
                self.show(&folder, plan);
            }
            Err(error) => self.report(error.to_string()),
        }
    }

    fn show(&mut self, folder: &Folder, plan: &Plan) {
        if self.looked.is_none_or(|looked| looked.elapsed() >= LOOK) {
            self.looked = Some(Instant::now());
            let now = self.tools.clock.now();
            let all: Vec<One> = plan.settings.wanted.iter().map(|wanted| One::read(folder, wanted, now)).collect();
            self.tools.board.show(all.iter().map(|one| (one, None)), now);
        }
    }

    fn report(&mut self, reason: String) {
        let at = self.tools.clock.now();
        let failure = Failure { at, message: reason.clone(), problem: None, authority: String::new() };
        self.tools.board.fail(&failure);
        if self.trouble.as_ref() != Some(&reason) {
            tracing::warn!(%reason, "no certificates are ordered: the state folder cannot be used");
            self.trouble = Some(reason);
        }
    }

    fn pass_on(&mut self, wish: Wish) {
        // Whoever asked may be gone: then nobody needs the answer.
        match wish {
            Wish::Renew(which, asked, reply) => {
                match self.dispatch(&which, |wanted, reply| Ask::Renew(wanted, asked, reply)) {
                    Ok(answers) => gather(answers, reply),
                    Err(refused) => drop(reply.send(Err(refused))),
                }
            }
            Wish::Revoke(which, reason, reply) => {
                match self.dispatch(&which, |wanted, reply| Ask::Revoke(wanted, reason, reply)) {
                    Ok(answers) => gather(answers, reply),
                    Err(refused) => drop(reply.send(Err(refused))),
                }
            }
            Wish::RollOver(authority, reply) => match self.line(&authority) {
                Ok(line) => {
                    let (answer, changed) = oneshot::channel();
                    let _ = line.asks.send(Ask::RollOver(answer));
                    tokio::spawn(async move {
                        let changed = changed.await.map_err(|_| Refused::Ended);
                        reply.send(changed.and_then(|changed| changed.map_err(Refused::Failed)))
                    });
                }
                Err(refused) => drop(reply.send(Err(refused))),
            },
        }
    }

    /// Asks each line for those of its certificates that fit.
    fn dispatch(
        &self,
        which: &Which,
        ask: impl Fn(Vec<Arc<Wanted>>, oneshot::Sender<Vec<Outcome>>) -> Ask,
    ) -> Result<Vec<oneshot::Receiver<Vec<Outcome>>>, Refused> {
        let (plan, open) = self.ready()?;
        let mut by_line: HashMap<Arc<str>, Vec<Arc<Wanted>>> = HashMap::new();
        for wanted in which.among(&plan.settings)? {
            by_line.entry(Arc::clone(&wanted.authority)).or_default().push(wanted);
        }
        let mut answers = Vec::new();
        for (name, wanted) in by_line {
            let Some(line) = open.lines.get(&name) else { continue };
            let (reply, answer) = oneshot::channel();
            let _ = line.asks.send(ask(wanted, reply));
            answers.push(answer);
        }
        Ok(answers)
    }

    /// Where else certificates are ordered.
    fn led(&self) -> Refused {
        let role = self.tools.share.as_ref().map(Share::role).unwrap_or_default();
        role.trouble.map_or(Refused::Led(role.leader), Refused::Nothing)
    }

    fn line(&self, name: &str) -> Result<&Running, Refused> {
        let (plan, open) = self.ready()?;
        let names = || plan.settings.authorities.iter().map(|one| one.name.to_string()).collect();
        open.lines.get(name).ok_or_else(|| Refused::NoSuchAuthority(names()))
    }

    fn ready(&self) -> Result<(&Plan, &Open), Refused> {
        match (&self.plan, &self.open) {
            (Some(plan), Some(open)) => Ok((plan, open)),
            (Some(_), None) if self.is_led => Err(self.led()),
            _ => match (self.tools.board.status().locked_by, &self.trouble) {
                (Some(process), _) => Err(Refused::Locked(Some(process).filter(|process| *process != 0))),
                (None, Some(reason)) => Err(Refused::Nothing(reason.clone())),
                (None, None) => Err(Refused::Nothing("the configuration has no authority".to_owned())),
            },
        }
    }
}

impl Open {
    fn follow(&mut self, plan: &Arc<Plan>) {
        if !Arc::ptr_eq(&self.plans.borrow(), plan) {
            self.plans.send_replace(Arc::clone(plan));
        }
        // A line ends by itself only if it panics. It starts again from what is remembered.
        self.lines.retain(|name, running| {
            let ended = running.task.is_finished();
            if ended {
                tracing::error!(authority = %name, "the keeper of an authority's certificates has panicked");
            }
            !ended && plan.authority(name).is_some()
        });
        for authority in &plan.settings.authorities {
            if !self.lines.contains_key(&authority.name) {
                let (asks, asked) = mpsc::unbounded_channel();
                let name = Arc::clone(&authority.name);
                let line = Line::new(Arc::clone(&name), Arc::clone(&self.house), self.plans.subscribe(), asked);
                self.lines.insert(name, Running { asks, task: tokio::spawn(line.run()) });
            }
        }
    }
}

/// Waits for all lines, and answers.
fn gather(answers: Vec<oneshot::Receiver<Vec<Outcome>>>, reply: oneshot::Sender<Result<Vec<Outcome>, Refused>>) {
    tokio::spawn(async move {
        let mut all = Vec::new();
        for answer in answers {
            match answer.await {
                Ok(outcomes) => all.extend(outcomes),
                // The line has gone, with its authority.
                Err(_) => return reply.send(Err(Refused::Ended)),
            }
        }
        reply.send(Ok(all))
    });
}

/// While the folder is locked or cannot be used.
const AGAIN: Duration = Duration::from_secs(2);

/// How often what another process has written is read: it may be a thousand certificates.
const LOOK: Duration = Duration::from_secs(30);

/// Whether all lines still run.
const CHECK: Duration = Duration::from_secs(60);
