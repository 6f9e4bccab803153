//! A way to etcd on which an answer or a request is held back: what a publisher does meanwhile can be looked at.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::support::procfs::eventually;

/// It ends with the process.
pub(super) struct Held {
    pub(super) url: String,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    /// Requests are held back, and not what is answered.
    holds_requests: bool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// What is waited for was sent.
    is_held: bool,
    /// Nothing comes back any more.
    is_silent: bool,
    /// The lease was given up since.
    is_revoked: bool,
    is_over: bool,
}

impl Held {
    /// Leads to the member at that URL. As soon as that key is put, nothing comes back any more.
    pub(super) fn before(url: &str, key: &str) -> Self {
        Self::new(url, &format!("\"request_put\":{{\"key\":\"{}\"", BASE64_STANDARD.encode(key)), false)
    }

    /// Leads to the member at that URL. A request that puts or reads that key does not arrive, nor does one that gives a lease
    /// up after that; all others do.
    pub(super) fn at(url: &str, request: &str, key: &str) -> Self {
        Self::new(url, &format!("{request}\"key\":\"{}\"", BASE64_STANDARD.encode(key)), true)
    }

    fn new(url: &str, text: &str, holds_requests: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = format!("http://{}", listener.local_addr().unwrap());
        let member = url.strip_prefix("http://").unwrap().to_owned();
        let seen = Arc::new(Seen { holds_requests, ..Seen::default() });
        let text = text.as_bytes().to_owned();
        let shared = Arc::clone(&seen);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(etcd) = TcpStream::connect(&member) else { continue };
                let [there, back] = [&client, &etcd].map(|stream| stream.try_clone().unwrap());
                let (seen, text) = (Arc::clone(&shared), text.clone());
                thread::spawn(move || seen.forth(there, etcd, &text));
                let seen = Arc::clone(&shared);
                thread::spawn(move || seen.back(back, client));
            }
        });
        Self { url: own, seen }
    }

    /// Waits until whoever has committed has given its lease up, without an answer to the commit.
    pub(super) fn is_given_up(&self) {
        eventually("the lease is given up", || self.seen.state.lock().unwrap().is_revoked.then_some(()));
    }

    /// From now on nothing comes back.
    pub(super) fn falls_silent(&self) {
        self.seen.state.lock().unwrap().is_silent = true;
    }

    /// Waits until what is held back was sent.
    pub(super) fn is_held(&self) {
        eventually("it is sent", || self.seen.state.lock().unwrap().is_held.then_some(()));
    }

    /// Lets everything through from now on.
    pub(super) fn lets_go(&self) {
        self.seen.state.lock().unwrap().is_over = true;
        self.seen.changed.notify_all();
    }
}

impl Seen {
    fn forth(&self, mut client: TcpStream, mut etcd: TcpStream, awaited: &[u8]) {
        let (mut buffer, mut all) = ([0; 16 * 1024], Vec::new());
        while let Ok(count @ 1..) = client.read(&mut buffer) {
            all.extend_from_slice(&buffer[..count]);
            let has = |text: &[u8]| all.windows(text.len()).any(|part| part == text);
            let mut state = self.state.lock().unwrap();
            // Before it is sent, so that no answer can be quicker.
            state.is_held |= has(awaited);
            state.is_silent |= state.is_held && !self.holds_requests;
            let is_revoking = state.is_held && has(b"/lease/revoke");
            state.is_revoked |= is_revoking;
            if self.holds_requests && (has(awaited) || is_revoking) {
                state = self.changed.wait_while(state, |state| !state.is_over).unwrap();
            }
            drop(state);
            if etcd.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        let _ = etcd.shutdown(Shutdown::Write);
    }

    fn back(&self, mut etcd: TcpStream, mut client: TcpStream) {
        let mut buffer = [0; 16 * 1024];
        while let Ok(count @ 1..) = etcd.read(&mut buffer) {
            let state = self.state.lock().unwrap();
            drop(self.changed.wait_while(state, |state| state.is_silent && !state.is_over).unwrap());
            if client.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        let _ = client.shutdown(Shutdown::Write);
    }
}
