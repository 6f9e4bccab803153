//! How a connection is asked to end by whoever does not serve it. Must not know: what a connection is, how it ends.

use std::future::poll_fn;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Poll, Waker};

use crate::words::words;

/// How a connection is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// In an orderly way, after what is in flight has been delivered.
    Polite,
    /// Immediately, with a reset.
    Now,
}

words! { Mode { Polite => "polite", Now => "now" } }

/// Where one connection is asked to end.
#[derive(Debug, Default)]
pub struct Call {
    /// 0 until it is asked; then 1 for [`Mode::Polite`], and 2 for [`Mode::Now`].
    asked: AtomicU8,
    /// The task that serves the connection, while it waits.
    waker: Mutex<Option<Waker>>,
}

impl Call {
    /// Asks the connection to end. A polite request does not replace one to end now.
    pub fn ask(&self, mode: Mode) {
        let asked = match mode {
            Mode::Polite => 1,
            Mode::Now => 2,
        };
        self.asked.fetch_max(asked, Ordering::AcqRel);
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// How the connection is asked to end, if it is.
    pub fn asked(&self) -> Option<Mode> {
        match self.asked.load(Ordering::Acquire) {
            0 => None,
            1 => Some(Mode::Polite),
            _ => Some(Mode::Now),
        }
    }

    /// The same. The next request wakes this task.
    pub fn listen(&self, waker: &Waker) -> Option<Mode> {
        {
            let mut known = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
            if !known.as_ref().is_some_and(|known| known.will_wake(waker)) {
                *known = Some(waker.clone());
            }
        }
        // Read after the waker is stored: a request between both would wake nobody.
        self.asked()
    }

    /// Waits until the connection is asked to end.
    pub async fn wait(&self) -> Mode {
        poll_fn(|cx| self.listen(cx.waker()).map_or(Poll::Pending, Poll::Ready)).await
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::task::{Context, Wake};

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_request_wakes_the_task_and_stays() {
        let (call, woken) = (Call::default(), Arc::new(Woken::default()));
        let waker = Waker::from(Arc::clone(&woken));
        {
            let mut waiting = pin!(call.wait());
            assert_eq!(waiting.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Pending);
            call.ask(Mode::Polite);
            assert_eq!(woken.0.load(Ordering::SeqCst), 1);
            assert_eq!(waiting.poll(&mut Context::from_waker(&waker)), Poll::Ready(Mode::Polite));
        }
        assert_eq!(call.listen(&waker), Some(Mode::Polite), "it is asked once and for all");
    }

    #[test]
    fn now_replaces_politely_and_not_the_other_way_round() {
        let call = Call::default();
        assert_eq!(call.asked(), None);
        for (mode, asked) in [(Mode::Polite, Mode::Polite), (Mode::Now, Mode::Now), (Mode::Polite, Mode::Now)] {
            call.ask(mode);
            assert_eq!(call.asked(), Some(asked));
        }
    }
}
