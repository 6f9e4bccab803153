//! A way to etcd on which the answer to a commit is held back: what a publisher does between the two can be looked at.

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
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The commit was sent: nothing comes back any more.
    is_held: bool,
    /// The lease was given up since.
    is_revoked: bool,
    is_over: bool,
}

impl Held {
    /// Leads to the member at that URL. `key` is what a commit puts.
    pub(super) fn before(url: &str, key: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = format!("http://{}", listener.local_addr().unwrap());
        let (member, seen) = (url.strip_prefix("http://").unwrap().to_owned(), Arc::<Seen>::default());
        let put = format!("\"request_put\":{{\"key\":\"{}\"", BASE64_STANDARD.encode(key)).into_bytes();
        let shared = Arc::clone(&seen);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(etcd) = TcpStream::connect(&member) else { continue };
                let [there, back] = [&client, &etcd].map(|stream| stream.try_clone().unwrap());
                let (seen, put) = (Arc::clone(&shared), put.clone());
                thread::spawn(move || seen.forth(there, etcd, &put));
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

    /// Waits until the commit was sent.
    pub(super) fn is_held(&self) {
        eventually("it is committed", || self.seen.state.lock().unwrap().is_held.then_some(()));
    }

    /// Lets everything through from now on.
    pub(super) fn lets_go(&self) {
        self.seen.state.lock().unwrap().is_over = true;
        self.seen.changed.notify_all();
    }
}

impl Seen {
    fn forth(&self, mut client: TcpStream, mut etcd: TcpStream, put: &[u8]) {
        let (mut buffer, mut all) = ([0; 16 * 1024], Vec::new());
        while let Ok(count @ 1..) = client.read(&mut buffer) {
            all.extend_from_slice(&buffer[..count]);
            let has = |text: &[u8]| all.windows(text.len()).any(|part| part == text);
            let mut state = self.state.lock().unwrap();
            // Before it is sent, so that no answer can be quicker.
            state.is_held |= has(put);
            state.is_revoked |= state.is_held && has(b"/lease/revoke");
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
            drop(self.changed.wait_while(state, |state| state.is_held && !state.is_over).unwrap());
            if client.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        let _ = client.shutdown(Shutdown::Write);
    }
}
