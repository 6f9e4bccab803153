//! Who has signed in at the page: bounded in number and in time, in memory only. Must not know: HTTP beyond one cookie, who
//! may sign in.
//!
//! A browser keeps a random value in a cookie; here is only its hash. The token is never kept: a change proves again that
//! the one that was given is still the right one.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::tls::crypto;

/// All sessions.
#[derive(Default)]
pub(in crate::admin) struct Sessions(Mutex<Vec<Session>>);

/// What permits a session's changes. It is looked at again for each of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::admin) enum Proof {
    /// The permissions of a Unix socket.
    Socket,
    /// A client certificate with this serial number and subject, judged by these requirements.
    Certificate { serial: String, subject: String, judged_by: [u8; 32] },
    /// The token: its HMAC under a key that only this session has.
    Token { key: [u8; 32], tag: [u8; 32] },
}

/// What came of a session's last change, to be shown once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::admin) struct Note {
    pub(in crate::admin) text: String,
    pub(in crate::admin) details: Vec<String>,
}

/// A session as a request sees it.
#[derive(Clone)]
pub(in crate::admin) struct Signed {
    /// A form that changes something has to send it back: another page cannot know it.
    pub(in crate::admin) secret: Zeroizing<String>,
    pub(in crate::admin) proof: Proof,
}

struct Session {
    /// The hash of the cookie's value.
    id: [u8; 32],
    signed: Signed,
    begun: Instant,
    note: Option<Note>,
}

impl Sessions {
    /// Begins a session, and returns the value of its cookie. The oldest one ends where there are too many. `None` if the
    /// system has no random bytes.
    pub(in crate::admin) fn begin(&self, proof: Proof) -> Option<Zeroizing<String>> {
        let (value, secret) = (random()?, random()?);
        let begun = Instant::now();
        let mut sessions = self.alive(begun);
        if sessions.len() >= MOST {
            sessions.remove(0);
        }
        let id = crypto::sha256(value.as_bytes());
        sessions.push(Session { id, signed: Signed { secret, proof }, begun, note: None });
        Some(value)
    }

    /// How many there are.
    pub(in crate::admin) fn count(&self) -> usize {
        self.alive(Instant::now()).len()
    }

    /// The session of a cookie's value.
    pub(in crate::admin) fn find(&self, value: &str) -> Option<Signed> {
        self.with(value, |session| session.signed.clone())
    }

    /// Keeps a note until it is taken.
    pub(in crate::admin) fn leave(&self, value: &str, note: Note) {
        // A session that has ended meanwhile shows nothing any more.
        let _ = self.with(value, |session| session.note = Some(note));
    }

    /// The note that was left.
    pub(in crate::admin) fn take(&self, value: &str) -> Option<Note> {
        self.with(value, |session| session.note.take()).flatten()
    }

    /// Ends a session.
    pub(in crate::admin) fn end(&self, value: &str) {
        let id = crypto::sha256(value.as_bytes());
        self.alive(Instant::now()).retain(|session| session.id != id);
    }

    fn with<T>(&self, value: &str, act: impl FnOnce(&mut Session) -> T) -> Option<T> {
        let id = crypto::sha256(value.as_bytes());
        // How long it takes to compare hashes reveals nothing of the values.
        self.alive(Instant::now()).iter_mut().find(|session| session.id == id).map(act)
    }

    /// The sessions whose time is not up.
    fn alive(&self, now: Instant) -> MutexGuard<'_, Vec<Session>> {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|session| now.saturating_duration_since(session.begun) < LIFE);
        sessions
    }
}

impl Proof {
    /// Of the right token.
    pub(in crate::admin) fn of_token(token: &str) -> Option<Self> {
        let mut key = [0; 32];
        crypto::random(&mut key).then(|| Self::Token { key, tag: crypto::hmac_sha256(&key, token.as_bytes()) })
    }

    /// Whether it was made of this token.
    pub(in crate::admin) fn is_of_token(&self, token: &str) -> bool {
        match self {
            Self::Token { key, tag } => crypto::same_secret(tag, &crypto::hmac_sha256(key, token.as_bytes())),
            Self::Socket | Self::Certificate { .. } => false,
        }
    }
}

impl Signed {
    /// Whether a form has sent the secret back.
    pub(in crate::admin) fn is_of_form(&self, sent: &str) -> bool {
        crypto::same_secret(self.secret.as_bytes(), sent.as_bytes())
    }
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Sessions").finish_non_exhaustive()
    }
}

/// 32 random bytes as a text that fits into a cookie and a form.
fn random() -> Option<Zeroizing<String>> {
    let mut bytes = Zeroizing::new([0; 32]);
    crypto::random(&mut *bytes).then(|| Zeroizing::new(URL_SAFE_NO_PAD.encode(*bytes)))
}

/// Sessions at one time.
const MOST: usize = 32;
/// How long a session lasts, whatever is done with it: a page that refreshes itself would never be idle.
pub(in crate::admin) const LIFE: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_found_by_its_value_until_it_ends() {
        let sessions = Sessions::default();
        let value = sessions.begin(Proof::Socket).unwrap();
        let signed = sessions.find(&value).unwrap();
        assert!(signed.is_of_form(&signed.secret) && !signed.is_of_form("") && *signed.secret != *value);
        assert!(sessions.find("").is_none() && sessions.find(&signed.secret).is_none());
        let note = Note { text: "a".into(), details: Vec::new() };
        sessions.leave(&value, note.clone());
        assert_eq!((sessions.take(&value), sessions.take(&value)), (Some(note), None));
        sessions.end(&value);
        assert!(sessions.find(&value).is_none());
    }

    #[test]
    fn there_are_at_most_so_many_and_the_oldest_ends_first() {
        let sessions = Sessions::default();
        let values: Vec<_> = (0..=MOST).map(|_| sessions.begin(Proof::Socket).unwrap()).collect();
        assert!(sessions.find(&values[0]).is_none());
        assert!(values[1..].iter().all(|value| sessions.find(value).is_some()));
    }

    #[test]
    fn a_session_ends_when_its_time_is_up() {
        let sessions = Sessions::default();
        let value = sessions.begin(Proof::Socket).unwrap();
        let begun = sessions.0.lock().unwrap()[0].begun;
        assert_eq!(sessions.alive(begun + LIFE - Duration::from_secs(1)).len(), 1);
        assert_eq!(sessions.alive(begun + LIFE).len(), 0);
        assert!(sessions.find(&value).is_none());
    }

    #[test]
    fn a_proof_is_of_one_token() {
        let proof = Proof::of_token("correct-horse-battery").unwrap();
        assert!(proof.is_of_token("correct-horse-battery") && !proof.is_of_token("correct-horse-batter"));
        assert!(!Proof::Socket.is_of_token(""));
        assert_ne!(proof, Proof::of_token("correct-horse-battery").unwrap());
    }
}
