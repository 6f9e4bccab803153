//! Work that must not hold up those who serve: a thread steps back behind theirs, and what takes long to drop is dropped on
//! a thread that serves nobody. Must not know: what the work is.

use std::ops::Deref;
use std::sync::LazyLock;
use std::sync::mpsc::{self, Sender};
use std::{io, mem, thread};

use rustix::process::{getpriority_process, setpriority_process};

/// A value that takes long to drop, such as an index of 10,000 certificates. Whoever drops it only hands it on: a
/// connection may be its last owner, and then all others of its worker would wait.
#[derive(Debug, Default)]
pub struct Heavy<T: Default + Send + 'static>(T);

impl<T: Default + Send> Heavy<T> {
    /// Takes care of `value` when it is dropped.
    pub fn new(value: T) -> Self {
        // Started by a thread that has stepped back itself, it would step back twice.
        LazyLock::force(&DROPPING);
        Self(value)
    }
}

impl<T: Default + Send> Deref for Heavy<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Default + Send> Drop for Heavy<T> {
    fn drop(&mut self) {
        let value = mem::take(&mut self.0);
        if let Some(thread) = &*DROPPING {
            // It fails only where the thread has panicked, and returns the value, which is dropped here then.
            let _ = thread.send(Box::new(value));
        }
    }
}

/// The way to the thread on which heavy values are dropped, one after the other. It starts with the first of them, and sleeps
/// while there is none to drop. `None` where it could not start: then each is dropped where it is.
static DROPPING: LazyLock<Option<Sender<Box<dyn Send>>>> = LazyLock::new(|| {
    let (sender, values) = mpsc::channel();
    let run = move || {
        step_back();
        values.into_iter().for_each(drop);
    };
    thread::Builder::new().name("drop".into()).spawn(run).ok().map(|_| sender)
});

/// Lets the other threads of the machine run before the calling one, as nice(1) does. Only for a thread that was made for
/// such work: the way back takes rights that the process may not have. Threads that it starts inherit it.
pub fn step_back() {
    // Refused in a sandbox, say: the work is then done all the same, at the usual priority.
    let _ = lowered();
}

fn lowered() -> io::Result<()> {
    // On Linux, the priority is that of the thread (setpriority(2), "C library/kernel differences").
    let own = getpriority_process(None)?;
    Ok(setpriority_process(None, (own + NICE).min(LOWEST))?)
}

/// Each step of niceness is a tenth of the processor's time (sched(7)): beside a worker that never pauses, such a thread has
/// a tenth. So a reload of half a second takes five, and does not starve.
const NICE: i32 = 10;

/// The least priority that there is.
const LOWEST: i32 = 19;

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends the name of the thread that drops it.
    #[derive(Default)]
    struct Probe(Option<Sender<Option<String>>>);

    impl Drop for Probe {
        fn drop(&mut self) {
            if let Some(sender) = self.0.take() {
                sender.send(thread::current().name().map(str::to_owned)).unwrap();
            }
        }
    }

    #[test]
    fn what_is_heavy_is_dropped_on_the_thread_for_it_by_whichever_owner_is_the_last() {
        let (sender, names) = mpsc::channel();
        drop(Heavy::new(Probe(Some(sender.clone()))));
        let own = Heavy::new(Probe(Some(sender)));
        thread::Builder::new().name("worker".into()).spawn(move || drop(own)).unwrap().join().unwrap();
        assert_eq!(names.iter().collect::<Vec<_>>(), [Some("drop".to_owned()), Some("drop".to_owned())]);
    }

    #[test]
    fn only_the_thread_that_steps_back_has_a_lower_priority() {
        let before = getpriority_process(None).unwrap();
        let lowered = || {
            step_back();
            getpriority_process(None).unwrap()
        };
        assert_eq!(thread::spawn(lowered).join().unwrap(), (before + NICE).min(LOWEST));
        assert_eq!(getpriority_process(None).unwrap(), before);
    }
}
