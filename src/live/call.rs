//! How a connection is asked to end by whoever does not serve it. Must not know: what a connection is, how it ends.

use std::future::poll_fn;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use crate::tls::trust::clients::again::Distrust;
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

/// What one connection is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    To(Mode),
    /// Immediately, with the alert that is in there: its client would not be accepted any more.
    Distrusted(Arc<Distrust>),
}

/// Where one connection is asked to end.
#[derive(Debug, Default)]
pub struct Call {
    /// 0 until it is asked; then one of the numbers below.
    asked: AtomicU8,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// The task that serves the connection, while it waits.
    waker: Option<Waker>,
    /// Set before the connection is asked with [`DISTRUSTED`].
    distrust: Option<Arc<Distrust>>,
}

// A request with a larger number replaces others.
const POLITE: u8 = 1;
const DISTRUSTED: u8 = 2;
const NOW: u8 = 3;

impl Call {
    /// Asks the connection to end. A polite request does not replace one to end now.
    pub fn ask(&self, mode: Mode) {
        let number = match mode {
            Mode::Polite => POLITE,
            Mode::Now => NOW,
        };
        self.request(number, self.inner());
    }

    /// Asks the connection to end, since its client would not be accepted any more.
    pub fn distrust(&self, why: Arc<Distrust>) {
        let mut inner = self.inner();
        inner.distrust = Some(why);
        self.request(DISTRUSTED, inner);
    }

    fn request(&self, number: u8, mut inner: MutexGuard<'_, Inner>) {
        self.asked.fetch_max(number, Ordering::AcqRel);
        let waker = inner.waker.take();
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// How the connection is asked to end, if it is.
    pub fn asked(&self) -> Option<Mode> {
        match self.asked.load(Ordering::Acquire) {
            0 => None,
            POLITE => Some(Mode::Polite),
            _ => Some(Mode::Now),
        }
    }

    /// Whether nobody has asked it to end because of its client.
    pub fn is_trusted(&self) -> bool {
        self.inner().distrust.is_none()
    }

    /// What the connection is asked. The next request wakes this task.
    pub fn listen(&self, waker: &Waker) -> Option<Asked> {
        let mut inner = self.inner();
        if !inner.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            inner.waker = Some(waker.clone());
        }
        // Read after the waker is stored: a request between both would wake nobody.
        match (self.asked.load(Ordering::Acquire), &inner.distrust) {
            (0, _) => None,
            (DISTRUSTED, Some(why)) => Some(Asked::Distrusted(Arc::clone(why))),
            (POLITE, _) => Some(Asked::To(Mode::Polite)),
            _ => Some(Asked::To(Mode::Now)),
        }
    }

    /// Waits until somebody asks the connection to end, whoever its client is.
    pub async fn wait(&self) -> Mode {
        poll_fn(|cx| match self.listen(cx.waker()) {
            Some(Asked::To(mode)) => Poll::Ready(mode),
            Some(Asked::Distrusted(_)) | None => Poll::Pending,
        })
        .await
    }

    /// Waits until its client would not be accepted any more.
    pub async fn distrusted(&self) -> Arc<Distrust> {
        poll_fn(|cx| match self.listen(cx.waker()) {
            Some(Asked::Distrusted(why)) => Poll::Ready(why),
            Some(Asked::To(_)) | None => Poll::Pending,
        })
        .await
    }

    /// Waits until the connection is asked to end immediately.
    pub async fn wait_for_now(&self) {
        poll_fn(|cx| match self.listen(cx.waker()) {
            Some(Asked::To(Mode::Now)) => Poll::Ready(()),
            _ => Poll::Pending,
        })
        .await;
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::atomic::AtomicUsize;
    use std::task::{Context, Wake};

    use rustls::AlertDescription;

    use super::*;
    use crate::tls::trust::clients::rejection::Rejection;

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
        assert_eq!(call.listen(&waker), Some(Asked::To(Mode::Polite)), "it is asked once and for all");
    }

    #[test]
    fn a_client_that_is_distrusted_leaves_with_its_alert_unless_it_has_to_leave_now() {
        let (call, woken) = (Call::default(), Arc::new(Woken::default()));
        let waker = Waker::from(Arc::clone(&woken));
        let why = Arc::new(Distrust {
            fault: Rejection::Revoked,
            alert: AlertDescription::CertificateRevoked,
            reason: "revoked".into(),
        });
        call.ask(Mode::Polite);
        assert_eq!(call.listen(&waker), Some(Asked::To(Mode::Polite)));
        call.distrust(Arc::clone(&why));
        assert_eq!(woken.0.load(Ordering::SeqCst), 1);
        assert_eq!(call.asked(), Some(Mode::Now));
        let mut cx = Context::from_waker(&waker);
        assert_eq!(pin!(call.wait()).poll(&mut cx), Poll::Pending, "that is not for whoever asks all");
        assert_eq!(pin!(call.distrusted()).poll(&mut cx), Poll::Ready(Arc::clone(&why)));
        call.ask(Mode::Polite);
        assert_eq!(call.listen(&waker), Some(Asked::Distrusted(why)));
        call.ask(Mode::Now);
        assert_eq!(call.listen(&waker), Some(Asked::To(Mode::Now)));
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
