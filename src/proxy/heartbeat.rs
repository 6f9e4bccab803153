//! Shows that tasks make progress: all of them are asked, and each answers. Must not know: who asks, what the tasks do.

use std::future::pending;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::sync::watch;

/// Asks the tasks that have joined.
#[derive(Debug)]
pub struct Heart {
    question: watch::Sender<u64>,
    members: Members,
}

/// Where tasks join. Cheap to clone; the default is for a process in which nobody asks.
#[derive(Debug, Clone, Default)]
pub struct Heartbeats(Option<(watch::Receiver<u64>, Members)>);

/// A task that answers. A task that ends drops it, and is asked no more; one that panics counts as one that does not answer.
#[derive(Debug)]
pub struct Heartbeat(Option<Asked>);

#[derive(Debug)]
struct Asked {
    question: watch::Receiver<u64>,
    own: Arc<Member>,
    members: Members,
}

#[derive(Debug)]
struct Member {
    name: String,
    /// The last question that it has answered.
    answered: AtomicU64,
}

type Members = Arc<Mutex<Vec<Arc<Member>>>>;

impl Heart {
    /// With no task, and no question.
    pub fn new() -> (Self, Heartbeats) {
        let ((question, questions), members) = (watch::channel(0), Members::default());
        (Self { question, members: Arc::clone(&members) }, Heartbeats(Some((questions, members))))
    }

    /// Asks all tasks again.
    pub fn ask(&self) {
        self.question.send_modify(|question| *question += 1);
    }

    /// The names of the tasks that have not answered the last question, sorted.
    pub fn silent(&self) -> Vec<String> {
        let question = *self.question.borrow();
        let members = lock(&self.members);
        let silent = members.iter().filter(|member| member.answered.load(Ordering::Acquire) < question);
        let mut names: Vec<String> = silent.map(|member| member.name.clone()).collect();
        names.sort_unstable();
        names
    }
}

impl Heartbeats {
    /// From now on the task of that name is asked.
    pub fn join(&self, name: impl FnOnce() -> String) -> Heartbeat {
        Heartbeat(self.0.as_ref().map(|(question, members)| {
            let mut question = question.clone();
            // Locked first: a question that comes now finds this member, which then answers it.
            let mut all = lock(members);
            let answered = AtomicU64::new(*question.borrow_and_update());
            let own = Arc::new(Member { name: name(), answered });
            all.push(Arc::clone(&own));
            drop(all);
            Asked { question, own, members: Arc::clone(members) }
        }))
    }
}

impl Heartbeat {
    /// Waits for a question, and answers it; for ever where nobody asks. Dropping the future loses nothing.
    pub async fn answer(&mut self) {
        let Some(Asked { question, own, .. }) = &mut self.0 else { return pending().await };
        match question.changed().await {
            Ok(()) => own.answered.store(*question.borrow_and_update(), Ordering::Release),
            // Whoever asked is gone.
            Err(_) => self.0 = None,
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if !thread::panicking() {
            lock(&self.members).retain(|member| !Arc::ptr_eq(member, &self.own));
        }
    }
}

/// The list is valid even if a thread panicked while it held the lock.
fn lock(members: &Members) -> MutexGuard<'_, Vec<Arc<Member>>> {
    members.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_does_not_answer_is_named_until_it_does() {
        let (heart, heartbeats) = Heart::new();
        let mut one = heartbeats.join(|| "one".into());
        let mut two = heartbeats.join(|| "two".into());
        assert_eq!(heart.silent().len(), 0, "nothing was asked");
        heart.ask();
        one.answer().await;
        assert_eq!(heart.silent(), ["two"]);
        heart.ask();
        assert_eq!(heart.silent(), ["one", "two"]);
        two.answer().await;
        drop(one);
        assert_eq!(heart.silent().len(), 0, "one has ended, and the latest question counts");
        let _late = heartbeats.join(|| "late".into());
        assert_eq!(heart.silent().len(), 0, "it did not exist when the question came");
    }

    #[tokio::test]
    async fn a_task_that_panics_is_missed_and_one_that_ends_is_not() {
        let (heart, heartbeats) = Heart::new();
        for panics in [false, true] {
            let mut beat = heartbeats.join(|| format!("panics: {panics}"));
            let task = tokio::spawn(async move {
                beat.answer().await;
                assert!(!panics, "on purpose");
            });
            tokio::task::yield_now().await;
            heart.ask();
            assert_eq!(task.await.is_err(), panics);
        }
        heart.ask();
        assert_eq!(heart.silent(), ["panics: true"]);
    }

    #[tokio::test]
    async fn where_nobody_asks_nobody_answers() {
        let (heart, heartbeats) = Heart::new();
        drop(heart);
        for mut beat in [heartbeats.join(String::new), Heartbeats::default().join(String::new)] {
            // The first call may return once, when it sees that whoever asked is gone.
            tokio::select! {
                biased;
                () = async { loop { beat.answer().await } } => {}
                () = std::future::ready(()) => {}
            }
        }
    }
}
