//! Sessions of TLS 1.2 by their ids (RFC 5246 section 7.4.1.2), for clients that know no tickets. Must not know: how
//! sessions are sealed, what is in them, which listener they are of.
//!
//! What is kept of a session is a ticket that never leaves: it is sealed with the keys of its scope. So whatever holds for
//! tickets holds for sessions by id: they open in no other scope, and no longer than tickets do. And the memory that they
//! take has no secrets in the clear, so nothing has to be wiped when they go.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::server::{ProducesTickets, StoresServerSessions};

/// A session's id. rustls makes them of 32 random bytes, so nobody can foresee or choose one.
type Id = [u8; 32];

/// The sessions of one listener, bounded in number and in bytes. Where there is no room, the oldest one goes.
pub struct Sessions {
    kept: Mutex<Kept>,
    most: usize,
    most_bytes: usize,
}

#[derive(Default)]
struct Kept {
    /// The oldest first.
    line: VecDeque<Session>,
    /// How many have left the line: the number of the first one in it.
    gone: u64,
    /// Each session's number, by its id.
    numbers: HashMap<Id, u64>,
    /// The lengths of all that are in the line.
    bytes: usize,
}

/// A session that is kept.
#[derive(Clone)]
pub(super) struct Session {
    id: Id,
    /// When it began, in seconds since 1970.
    pub(super) made: i64,
    pub(super) sealed: Arc<[u8]>,
}

impl Default for Sessions {
    fn default() -> Self {
        Self::bounded(MOST, MOST_BYTES)
    }
}

impl Sessions {
    fn bounded(most: usize, most_bytes: usize) -> Self {
        Self { kept: Mutex::default(), most, most_bytes }
    }

    /// How many are kept, expired ones too.
    pub fn count(&self) -> usize {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).line.len()
    }

    /// The session with this id, whether it still opens or not.
    pub(super) fn find(&self, id: &[u8]) -> Option<Session> {
        // The lock is held for two look-ups. What it protects is valid even if a thread panicked while it held it.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).find(id).cloned()
    }

    /// Keeps a session of this moment. `false` if it is too long, or its id is taken.
    fn keep(&self, session: Session, lifetime: i64) -> bool {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let now = session.made;
        // Not all that have expired at once: there may be thousands, and others wait for the lock. With two for each that
        // comes, they still get fewer.
        for _ in 0..2 {
            if kept.line.front().is_some_and(|oldest| now.saturating_sub(oldest.made) > lifetime) {
                kept.drop_oldest();
            }
        }
        let good = session.sealed.len() <= LONGEST && kept.add(session);
        while kept.line.len() > self.most || kept.bytes > self.most_bytes {
            kept.drop_oldest();
        }
        good
    }
}

impl Kept {
    fn find(&self, id: &[u8]) -> Option<&Session> {
        let number = self.numbers.get(id)?;
        self.line.get(usize::try_from(number.checked_sub(self.gone)?).ok()?)
    }

    fn add(&mut self, session: Session) -> bool {
        // A session is never replaced by another one.
        if self.numbers.contains_key(&session.id) {
            return false;
        }
        self.numbers.insert(session.id, self.gone + self.line.len() as u64);
        self.bytes += session.sealed.len();
        self.line.push_back(session);
        true
    }

    fn drop_oldest(&mut self) {
        let Some(oldest) = self.line.pop_front() else { return };
        self.gone += 1;
        self.numbers.remove(&oldest.id);
        self.bytes -= oldest.sealed.len();
    }
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // With an id and a recorded connection, an attacker would know which sessions to look for.
        f.write_str("Sessions(…)")
    }
}

/// The sessions of one scope, as rustls keeps and finds them.
#[derive(Debug)]
pub(super) struct Storage {
    pub(super) sessions: Arc<Sessions>,
    /// The tickets of the scope, for one connection.
    pub(super) tickets: Arc<dyn ProducesTickets>,
    /// Seconds since 1970.
    pub(super) clock: fn() -> i64,
}

impl StoresServerSessions for Storage {
    fn put(&self, id: Vec<u8>, session: Vec<u8>) -> bool {
        // Sealed and encoded ones differ by less than a hundred bytes.
        let Some(id) = Id::try_from(id).ok().filter(|_| session.len() <= LONGEST) else { return false };
        let Some(sealed) = self.tickets.encrypt(&session) else { return false };
        let session = Session { id, made: (self.clock)(), sealed: sealed.into() };
        self.sessions.keep(session, self.tickets.lifetime().into())
    }

    fn get(&self, id: &[u8]) -> Option<Vec<u8>> {
        self.tickets.decrypt(&self.sessions.find(id)?.sealed)
    }

    /// Only TLS 1.3 takes sessions, and only where there are no tickets: here its sessions are nowhere but in tickets.
    fn take(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn can_cache(&self) -> bool {
        true
    }
}

/// The most sessions of a listener, as many as OpenSSL keeps (`SSL_SESSION_CACHE_MAX_SIZE_DEFAULT`). One takes 300 to 400
/// bytes in all, where clients have no certificates.
const MOST: usize = 20_480;

/// The most bytes of all sealed sessions: they contain the clients' certificates. The rest of the store adds at most half
/// as much.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// The longest session that is kept, so that clients with long chains do not drive out hundreds of others.
const LONGEST: usize = 16 * 1024;

#[cfg(test)]
mod tests;
