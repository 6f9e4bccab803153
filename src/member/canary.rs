//! A node that is a canary judges itself: it compares the handshakes that have ended since it serves the new release with those
//! from before. The time and the counts come from outside.
//!
//! Must not know: where handshakes are counted, who learns of its judgement.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::fleet::record::{Record, Root};

mod compare;

pub use compare::Handshakes;

/// The handshakes that have ended since the start of the process, by listener. They are few enough to be read each second.
pub type Counted = HashMap<String, Handshakes>;

/// Reads them.
pub type Counting = Arc<dyn Fn() -> Counted + Send + Sync>;

/// What a node knows of its handshakes.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// As they were at the last look.
    counted: Counted,
    looked: Option<Instant>,
    /// The handshakes of the last [`SPANS`] spans in which the node was no canary. While it is one, they stay.
    past: VecDeque<Handshakes>,
    /// While the node is a canary.
    trial: Option<Trial>,
}

/// What is known of the release that a canary serves.
#[derive(Debug)]
struct Trial {
    root: Root,
    /// Of the first release with these files that it has served.
    number: u64,
    /// The handshakes since then.
    since: Handshakes,
    /// Why it is not good. It stays: what was seen once is not undone by clients that give up.
    verdict: Option<String>,
}

impl Watch {
    /// Called often, with what this node serves. The counts are read only where it is time for that. Returns why the release
    /// that it serves as a canary is not good.
    pub(super) fn look(
        &mut self,
        (serving, node): (&Record, &str),
        now: Instant,
        counted: impl FnOnce() -> Counted,
    ) -> Option<&str> {
        let trial = trial(serving, node);
        if self.looked.is_none() {
            // Whatever has been counted until now belongs to what the process was started with.
            self.trial = trial.clone().map(|(root, number)| Trial::new(root, number));
        }
        let is_same = self.trial.as_ref().map(|trial| &trial.root) == trial.as_ref().map(|(root, _)| root);
        let pause = if self.trial.is_some() { LOOK } else { SPAN };
        if !is_same || self.looked.is_none_or(|last| now.saturating_duration_since(last) >= pause) {
            self.count(counted(), now);
            if !is_same {
                self.turn(serving.root_for(node), trial);
            }
        }
        self.trial.as_ref()?.verdict.as_deref()
    }

    /// What has ended since the last look belongs to what was served until now.
    fn count(&mut self, counted: Counted, now: Instant) {
        let of = |(listener, count): (&String, &Handshakes)| {
            count.since(self.counted.get(listener).copied().unwrap_or_default())
        };
        let ended = counted.iter().map(of).fold(Handshakes::default(), Handshakes::plus);
        (self.counted, self.looked) = (counted, Some(now));
        match &mut self.trial {
            Some(trial) => trial.goes_on(&self.past, ended),
            None => self.passed(ended),
        }
    }

    fn passed(&mut self, span: Handshakes) {
        if self.past.len() == SPANS {
            self.past.pop_front();
        }
        self.past.push_back(span);
    }

    /// Another release is served, or the same one no longer as a canary.
    fn turn(&mut self, root: &Root, trial: Option<(Root, u64)>) {
        // A canary that all have followed is what the next one is compared with; one that went back is not.
        if let Some(followed) = self.trial.take().filter(|trial| trial.root == *root) {
            self.passed(followed.since);
        }
        self.trial = trial.map(|(root, number)| Trial::new(root, number));
    }
}

impl Trial {
    fn new(root: Root, number: u64) -> Self {
        Self { root, number, since: Handshakes::default(), verdict: None }
    }

    fn goes_on(&mut self, past: &VecDeque<Handshakes>, ended: Handshakes) {
        self.since = self.since.plus(ended);
        let before = past.iter().copied().fold(Handshakes::default(), Handshakes::plus);
        if self.verdict.is_none() && compare::is_worse(before, self.since) {
            self.verdict = Some(format!(
                "{} of {} handshakes have failed since it serves release {}, {} of {} before",
                self.since.failed,
                self.since.all(),
                self.number,
                before.failed,
                before.all()
            ));
        }
    }
}

/// What the node serves as a canary, and since which release.
fn trial(serving: &Record, node: &str) -> Option<(Root, u64)> {
    let canary = serving.canary.as_ref().filter(|canary| canary.nodes.iter().any(|name| name == node))?;
    Some((canary.root.clone(), serving.number))
}

/// Between two looks of a canary: whoever publishes looks as often.
const LOOK: Duration = Duration::from_secs(1);

/// Between two looks of a node that is none.
const SPAN: Duration = Duration::from_secs(10);

/// The past that is compared with: ten minutes, since what clients do changes over the day.
const SPANS: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::record::Canary;

    /// A node `a` with its counters.
    struct Scene {
        watch: Watch,
        now: Instant,
        counted: Counted,
        read: u32,
    }

    impl Scene {
        fn new() -> Self {
            Self { watch: Watch::default(), now: Instant::now(), counted: Counted::new(), read: 0 }
        }

        fn ends(&mut self, listener: &str, done: u64, failed: u64) {
            let count = self.counted.entry(listener.to_owned()).or_default();
            *count = count.plus(Handshakes { done, failed });
        }

        fn look(&mut self, serving: &Record) -> Option<String> {
            let Self { watch, now, counted, read } = self;
            let count = || {
                *read += 1;
                counted.clone()
            };
            watch.look((serving, "a"), *now, count).map(str::to_owned)
        }

        fn after(&mut self, seconds: u64, serving: &Record) -> Option<String> {
            self.now += Duration::from_secs(seconds);
            self.look(serving)
        }
    }

    fn release(number: u64, root: &str) -> Record {
        Record {
            number,
            stamp: number,
            attempt: number.to_string(),
            root: Root(root.into()),
            canary: None,
            by: String::new(),
            note: String::new(),
        }
    }

    fn canary(number: u64, root: &str, canary: &str, node: &str) -> Record {
        let canary = Canary { root: Root(canary.into()), nodes: vec![node.into()], until: None };
        Record { canary: Some(canary), ..release(number, root) }
    }

    #[test]
    fn a_canary_on_which_more_fail_says_so_until_it_serves_something_else() {
        let mut scene = Scene::new();
        assert_eq!(scene.look(&release(6, "old")), None);
        scene.ends("x", 600, 2);
        scene.ends("y", 297, 1);
        let tried = canary(7, "old", "new", "a");
        assert_eq!(scene.after(3, &tried), None, "what has ended until now belongs to what was served before");
        scene.ends("x", 79, 41);
        assert_eq!(scene.look(&tried), None, "it is not time yet");
        let expected = "41 of 120 handshakes have failed since it serves release 7, 3 of 900 before";
        assert_eq!(scene.after(1, &tried).as_deref(), Some(expected));
        scene.ends("x", 10_000, 0);
        assert_eq!(scene.after(1, &tried).as_deref(), Some(expected), "it stays");
        let again = canary(8, "old", "new", "a");
        assert_eq!(scene.after(1, &again).as_deref(), Some(expected), "the same files");
        assert_eq!(scene.after(1, &release(9, "old")), None);
        // What the canary did is not the past of the next one.
        scene.ends("x", 0, 5);
        assert_eq!(scene.after(1, &canary(10, "old", "newer", "a")), None);
        scene.ends("x", 50, 10);
        let expected = "10 of 60 handshakes have failed since it serves release 10, 8 of 905 before";
        assert_eq!(scene.after(1, &canary(10, "old", "newer", "a")).as_deref(), Some(expected));
    }

    #[test]
    fn a_canary_on_which_as_many_fail_as_before_is_good_and_becomes_the_past() {
        let mut scene = Scene::new();
        scene.look(&release(1, "old"));
        scene.ends("x", 95, 5);
        let tried = canary(2, "old", "new", "a");
        scene.look(&tried);
        scene.ends("x", 95, 5);
        assert_eq!(scene.after(1, &tried), None);
        assert_eq!(scene.look(&release(3, "new")), None);
        assert_eq!(scene.look(&canary(4, "new", "newer", "a")), None);
        scene.ends("x", 10, 10);
        let expected = "10 of 20 handshakes have failed since it serves release 4, 10 of 200 before";
        assert_eq!(scene.after(1, &canary(4, "new", "newer", "a")).as_deref(), Some(expected));
    }

    #[test]
    fn only_canaries_are_judged() {
        let mut scene = Scene::new();
        scene.ends("x", 900, 0);
        scene.look(&release(1, "old"));
        for record in [release(2, "new"), canary(3, "new", "newer", "b")] {
            scene.ends("x", 0, 500);
            assert_eq!(scene.after(60, &record), None);
        }
    }

    #[test]
    fn a_process_that_starts_as_a_canary_has_no_past() {
        let mut scene = Scene::new();
        let tried = canary(7, "old", "new", "a");
        // Before the first look.
        scene.ends("x", 4, 16);
        let expected = "16 of 20 handshakes have failed since it serves release 7, 0 of 0 before";
        assert_eq!(scene.look(&tried).as_deref(), Some(expected));
    }

    #[test]
    fn a_listener_that_has_gone_takes_nothing_with_it() {
        let mut scene = Scene::new();
        scene.ends("x", 500, 0);
        scene.look(&release(6, "old"));
        scene.counted.clear();
        scene.ends("y", 3, 2);
        let tried = canary(7, "old", "new", "a");
        scene.look(&tried);
        scene.ends("y", 0, 5);
        let expected = "5 of 5 handshakes have failed since it serves release 7, 2 of 505 before";
        assert_eq!(scene.after(1, &tried).as_deref(), Some(expected));
    }

    #[test]
    fn the_past_is_bounded_and_counts_are_read_no_more_often_than_needed() {
        let mut scene = Scene::new();
        let old = release(1, "old");
        for _ in 0..10 * SPANS {
            scene.ends("x", 1, 0);
            (0..10).for_each(|_| drop(scene.after(1, &old)));
        }
        assert_eq!((scene.watch.past.len(), scene.read), (SPANS, 10 * SPANS as u32));
    }
}
