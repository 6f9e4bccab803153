//! Renders a view once for all requests at the same time, on another thread, and within a bound of memory. Must not know:
//! what a view shows.
//!
//! A request gets a rendering that begins after it, so that no client sees an older state than one that it already knows.
//! While a view is rendered, all new requests wait together for the next rendering: a thousand requests at the same time
//! need two renderings. So at most one rendering of each view waits, however many clients ask and go away again.
//!
//! What is made for one client alone cannot be shared. It has a queue and a turn of its own, so that no view waits behind
//! it: few may wait, others are refused at once, and a client that goes away before its turn gives up its place.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::StatusCode;
use tokio::sync::{Semaphore, watch};
use tokio::time::sleep;

use crate::admin::connection::permits::Permits;
use crate::admin::request::answer::Answer;
use crate::admin::request::paths::View;

type Next = watch::Receiver<Option<Answer>>;

/// The renderings that are about to begin, and the bytes of all that are still held.
#[derive(Debug)]
pub(in crate::admin) struct Renderings {
    next: Mutex<HashMap<View, Next>>,
    turn: tokio::sync::Mutex<()>,
    /// The turn of what is rendered for one client alone.
    turn_alone: Arc<tokio::sync::Mutex<()>>,
    /// A permit for each client that has this turn or waits for it.
    places: Arc<Semaphore>,
    held: Arc<AtomicUsize>,
}

impl Default for Renderings {
    fn default() -> Self {
        Self {
            next: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            turn_alone: Arc::default(),
            places: Arc::new(Semaphore::new(PLACES)),
            held: Arc::default(),
        }
    }
}

impl Renderings {
    /// The view as it is now. Where slow connections hold too much memory, some are closed first.
    pub(in crate::admin) async fn share(
        self: &Arc<Self>,
        view: View,
        permits: &Arc<Permits>,
        render: impl FnOnce() -> Answer + Send + 'static,
    ) -> Answer {
        let (sender, mut next) = {
            let mut waiting = self.next();
            match waiting.get(&view) {
                Some(next) => (None, next.clone()),
                None => {
                    let (sender, next) = watch::channel(None);
                    waiting.insert(view, next.clone());
                    (Some(sender), next)
                }
            }
        };
        if let Some(sender) = sender {
            let (this, permits) = (Arc::clone(self), Arc::clone(permits));
            // On a task of its own: the first client may go away, and others wait for the result too.
            tokio::spawn(async move {
                let _turn = this.turn.lock().await;
                this.room(&permits).await;
                // A later request may know a newer state than this rendering will show.
                this.next().remove(&view);
                let answer = match tokio::task::spawn_blocking(render).await {
                    Ok(answer) => answer.counted(&this.held),
                    Err(_) => broken(),
                };
                // An error only means that no client waits any more.
                let _ = sender.send(Some(answer));
            });
        }
        match next.wait_for(Option::is_some).await {
            Ok(answer) => answer.clone().unwrap_or_else(broken),
            Err(_) => broken(),
        }
    }

    /// What only one client has asked for, in its turn: the bound of memory is the same. `None` where too many wait already.
    /// Dropping the future before its turn gives up the place.
    pub(in crate::admin) async fn alone(
        &self,
        permits: &Permits,
        render: impl FnOnce() -> Answer + Send + 'static,
    ) -> Option<Answer> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let turn = Arc::clone(&self.turn_alone).lock_owned().await;
        self.room(permits).await;
        let held = Arc::clone(&self.held);
        // The thread holds both: if the client goes away now, the turn still lasts as long as the thread is busy.
        let rendered = tokio::task::spawn_blocking(move || {
            let _held = (place, turn);
            render().counted(&held)
        });
        Some(rendered.await.unwrap_or_else(|_| broken()))
    }

    /// Bytes of what was rendered and is not sent yet.
    pub(in crate::admin) fn held(&self) -> usize {
        self.held.load(Ordering::Acquire)
    }

    /// Waits until there is room for another rendering.
    async fn room(&self, permits: &Permits) {
        while self.held.load(Ordering::Acquire) > MOST_HELD {
            permits.evict_senders();
            sleep(PAUSE).await;
        }
    }

    fn next(&self) -> MutexGuard<'_, HashMap<View, Next>> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn broken() -> Answer {
    Answer::error(StatusCode::INTERNAL_SERVER_ERROR, "the view could not be rendered")
}

/// Bytes: a rendering begins only while connections hold less. So there may be one rendering more for each of the two turns,
/// of any size.
const MOST_HELD: usize = 16 << 20;
/// Clients that have the turn of what is rendered for one client alone, or wait for it.
const PLACES: usize = 8;
/// How often the held bytes are checked.
const PAUSE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;
    use crate::admin::connection::caller::Peer;

    #[tokio::test]
    async fn simultaneous_requests_share_a_rendering_that_begins_after_them() {
        let (renderings, permits) = (Arc::new(Renderings::default()), Arc::new(Permits::new(9)));
        let rendered = Arc::new(AtomicU64::new(0));
        let ask = || {
            let rendered = Arc::clone(&rendered);
            let count = move || Answer::text("text/plain", rendered.fetch_add(1, Ordering::SeqCst).to_string());
            let (renderings, permits) = (Arc::clone(&renderings), Arc::clone(&permits));
            tokio::spawn(async move { renderings.share(View::Status, &permits, count).await })
        };
        let asked: Vec<_> = (0..1000).map(|_| ask()).collect();
        for asked in asked {
            assert_eq!(asked.await.unwrap().status, StatusCode::OK);
        }
        let so_far = rendered.load(Ordering::SeqCst);
        assert!(so_far <= 2, "{so_far} renderings");
        let body = ask().await.unwrap().body;
        assert_eq!(body, so_far.to_string().as_bytes(), "who comes later gets a new one");
        drop(body);
        assert_eq!(renderings.held.load(Ordering::SeqCst), 0, "what nobody holds is not counted");
    }

    #[tokio::test]
    async fn a_rendering_that_panics_is_an_answer_and_the_next_one_works() {
        let (renderings, permits) = (Arc::new(Renderings::default()), Arc::new(Permits::new(9)));
        let answer = renderings.share(View::Status, &permits, || panic!("on purpose")).await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
        let answer = renderings.share(View::Status, &permits, || Answer::text("text/plain", "x")).await;
        assert_eq!(answer.status, StatusCode::OK);
    }

    #[tokio::test]
    async fn few_wait_for_what_they_get_alone_and_no_view_waits_behind_them() {
        let (renderings, permits) = (Arc::new(Renderings::default()), Arc::new(Permits::new(9)));
        let (go, until) = std::sync::mpsc::channel::<()>();
        let ask = |render: Box<dyn FnOnce() -> Answer + Send>| {
            let (renderings, permits) = (Arc::clone(&renderings), Arc::clone(&permits));
            tokio::spawn(async move { renderings.alone(&permits, render).await })
        };
        let text = || -> Box<dyn FnOnce() -> Answer + Send> { Box::new(|| Answer::text("text/plain", "x")) };
        let free = async |count: usize| {
            while renderings.places.available_permits() != count {
                tokio::task::yield_now().await;
            }
        };
        let slow = ask(Box::new(move || {
            let _ = until.recv();
            Answer::text("text/plain", "slow")
        }));
        let mut waiting: Vec<_> = (1..PLACES).map(|_| ask(text())).collect();
        free(0).await;
        assert!(renderings.alone(&permits, text()).await.is_none(), "one too many");
        let view = renderings.share(View::Metrics, &permits, || Answer::text("text/plain", "x")).await;
        assert_eq!(view.status, StatusCode::OK, "while the turn of the others is taken");
        let gone = waiting.pop().unwrap();
        gone.abort();
        free(1).await;
        let later = ask(text());
        free(0).await;
        slow.abort();
        go.send(()).unwrap();
        for answer in waiting.into_iter().chain([later]) {
            assert_eq!(answer.await.unwrap().unwrap().status, StatusCode::OK);
        }
        free(PLACES).await;
    }

    #[tokio::test]
    async fn where_too_much_is_held_connections_that_do_not_read_are_closed() {
        let (renderings, permits) = (Arc::new(Renderings::default()), Arc::new(Permits::new(9)));
        let permit = Arc::new(permits.enter(Peer::User(1)).await.unwrap());
        let large = || Answer::text("text/plain", vec![b'x'; MOST_HELD + 1]);
        let response = renderings.share(View::Status, &permits, large).await.into_response(Arc::clone(&permit));
        assert_eq!(renderings.held.load(Ordering::SeqCst), MOST_HELD + 1);
        let connection = tokio::spawn(async move {
            permit.evicted().await;
            drop((response, permit));
        });
        let answer = renderings.share(View::Metrics, &permits, || Answer::text("text/plain", "x")).await;
        assert_eq!((answer.status, renderings.held.load(Ordering::SeqCst)), (StatusCode::OK, 1));
        connection.await.unwrap();
        assert_eq!((permits.count(), permits.evicted()), (0, 1));
    }
}
