//! Session ticket keys of one listener: rotation, separation, sharing; and its sessions by id.
//!
//! A ticket is a session, sealed with a key that is derived from a secret *and* from the scope: the listener's name and how
//! it verifies clients. So a ticket from one scope does not open in another, even if several listeners or machines share
//! one file of secrets. Must not know: handshakes, files, which listener it serves.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use rustls::server::{ProducesTickets, StoresServerSessions};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::tls::crypto::{self, Cipher};

pub mod sessions;

use sessions::{Sessions, Storage};

/// A clock: seconds since 1970.
pub type Clock = fn() -> i64;

/// The times of tickets and keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How long a ticket is valid; at most seven days (RFC 8446 section 4.6.1).
    pub lifetime: Duration,
    /// How often a new key is made; not used with shared secrets.
    pub rotation: Duration,
}

/// The ticket keys of one scope.
#[derive(Debug)]
pub struct Tickets {
    settings: Settings,
    clock: Clock,
    keys: Keys,
    sessions: Arc<Sessions>,
}

#[derive(Debug)]
enum Keys {
    /// Random keys, made here and taken over from one snapshot to the next.
    Own(Arc<Mutex<Ring>>),
    /// From a file. The last but one seals, so that the newest can reach every machine before any machine uses it.
    Shared { sealing: usize, keys: Vec<TicketKey> },
}

/// Keys with the times when they were made, the newest first.
#[derive(Debug, Default)]
struct Ring(Vec<(i64, Arc<TicketKey>)>);

/// A secret in the format of HAProxy's `tls-ticket-keys`: 48 or 80 bytes. Both lengths are used in the same way here.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

/// Why a text is not a list of secrets.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SecretError {
    #[error("contains no key (expected one in base64 on each line, of 48 or 80 bytes)")]
    Empty,
    #[error("line {0}: is not base64")]
    NotBase64(usize),
    #[error("line {line}: found {found} bytes, expected 48 or 80")]
    Length { line: usize, found: usize },
    #[error("line {0}: the same key is listed twice")]
    Twice(usize),
}

impl Tickets {
    /// Random keys. Those of `before` are taken over, so that earlier tickets still open. `sessions` are the listener's.
    pub fn own(settings: Settings, clock: Clock, sessions: Arc<Sessions>, before: Option<&Self>) -> Self {
        let keys = match before.map(|before| &before.keys) {
            Some(Keys::Own(ring)) => Keys::Own(Arc::clone(ring)),
            _ => Keys::Own(Arc::default()),
        };
        Self { settings, clock, keys, sessions }
    }

    /// Keys from secrets that other machines have too, the oldest first. `None` if there are none. `sessions` are the
    /// listener's, and those of this machine alone.
    pub fn shared(
        settings: Settings,
        clock: Clock,
        sessions: Arc<Sessions>,
        secrets: &[Secret],
        scope: &[u8],
    ) -> Option<Self> {
        let keys = secrets.iter().map(|secret| TicketKey::derived(secret, scope)).collect::<Option<Vec<_>>>()?;
        let sealing = keys.len().saturating_sub(2);
        (!keys.is_empty()).then_some(Self { settings, clock, keys: Keys::Shared { sealing, keys }, sessions })
    }
}

impl Tickets {
    /// The clock that these tickets use.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// The sessions by id of all scopes of the listener, to be taken over.
    pub fn sessions(&self) -> &Arc<Sessions> {
        &self.sessions
    }

    /// Keeps sessions by id, for a connection of a client that knows no tickets. `sealing` are these tickets, or what
    /// contains them: sessions are sealed and opened by it.
    pub fn storage(&self, sealing: Arc<dyn ProducesTickets>) -> Arc<dyn StoresServerSessions> {
        Arc::new(Storage { sessions: Arc::clone(&self.sessions), tickets: sealing, clock: self.clock })
    }

    /// Whether this scope has a session with this id that has not expired. Decrypts nothing and changes nothing. Whether
    /// the session is resumed is decided later: other offers or another server name in the hello prevent it, too.
    pub fn knows(&self, id: &[u8]) -> bool {
        let found = self.sessions.find(id).filter(|session| self.is_good(session.made, (self.clock)()));
        found.is_some_and(|session| self.keys.has_sealed(&session.sealed))
    }

    /// Whether a session that was sealed at that time may be resumed now.
    fn is_good(&self, made: i64, now: i64) -> bool {
        // The clock of a machine that shares the secrets may be ahead.
        let age = now.checked_sub(made).filter(|age| *age >= -SKEW);
        age.is_some_and(|age| age <= i64::try_from(self.settings.lifetime.as_secs()).unwrap_or(i64::MAX))
    }
}

impl Keys {
    /// Whether one of these keys has the name with which the ticket begins.
    fn has_sealed(&self, ticket: &[u8]) -> bool {
        match self {
            Self::Own(ring) => ring.lock().unwrap_or_else(PoisonError::into_inner).named(ticket).is_some(),
            Self::Shared { keys, .. } => keys.iter().any(|key| ticket.starts_with(&key.name)),
        }
    }
}

impl ProducesTickets for Tickets {
    // Without a ticketer there is no resumption, so one that exists is in use.
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        u32::try_from(self.settings.lifetime.as_secs()).unwrap_or(u32::MAX)
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let now = (self.clock)();
        // The time is sealed inside the ticket: shared keys have no age, so the key cannot show the ticket's.
        let stamped = [&now.to_be_bytes()[..], plain].concat();
        match &self.keys {
            Keys::Shared { sealing, keys } => keys.get(*sealing)?.seal(&stamped),
            // The ring is valid even if a thread panicked while it held the lock.
            Keys::Own(ring) => {
                ring.lock().unwrap_or_else(PoisonError::into_inner).sealing(now, &self.settings)?.seal(&stamped)
            }
        }
    }

    fn decrypt(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let now = (self.clock)();
        let stamped = match &self.keys {
            Keys::Shared { keys, .. } => keys.iter().find_map(|key| key.open(sealed))?,
            Keys::Own(ring) => {
                let key = ring.lock().unwrap_or_else(PoisonError::into_inner).named(sealed)?;
                key.open(sealed)?
            }
        };
        let (made, plain) = stamped.split_first_chunk::<8>()?;
        self.is_good(i64::from_be_bytes(*made), now).then(|| plain.to_vec())
    }
}

impl Ring {
    fn sealing(&mut self, now: i64, settings: &Settings) -> Option<Arc<TicketKey>> {
        let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        // A key from the future means that the clock was set back: it would be used for too long.
        let due = |made: i64| now.saturating_sub(made) >= seconds(settings.rotation) || made > now.saturating_add(SKEW);
        if self.0.first().is_none_or(|(made, _)| due(*made)) {
            // Keys are made when they are needed: no timer, and an idle listener makes none.
            self.0.insert(0, (now, Arc::new(TicketKey::random()?)));
            // A key is needed until the last ticket that it may have sealed has expired.
            let useful = seconds(settings.rotation).saturating_add(seconds(settings.lifetime));
            self.0.retain(|(made, _)| now.saturating_sub(*made) <= useful);
            self.0.truncate(MOST_KEYS);
        }
        self.0.first().map(|(_, key)| Arc::clone(key))
    }

    fn named(&self, sealed: &[u8]) -> Option<Arc<TicketKey>> {
        self.0.iter().map(|(_, key)| key).find(|key| sealed.starts_with(&key.name)).map(Arc::clone)
    }
}

/// One key. Each ticket begins with its key's name, so that the key is found without trying all (RFC 5077 section 4).
#[derive(Debug)]
struct TicketKey {
    name: [u8; 16],
    cipher: Cipher,
}

impl TicketKey {
    fn random() -> Option<Self> {
        let (mut name, mut key) = ([0; 16], Zeroizing::new([0; 32]));
        (crypto::random(&mut name) && crypto::random(&mut *key)).then_some(())?;
        Some(Self { name, cipher: Cipher::new(&key)? })
    }

    fn derived(secret: &Secret, scope: &[u8]) -> Option<Self> {
        // The name depends on the scope too: all machines derive the same name, and a ticket of another scope has another.
        let name = *crypto::derive(&secret.0, SALT, &[b"name ", scope].concat())?;
        let key = crypto::derive(&secret.0, SALT, &[b"key ", scope].concat())?;
        Some(Self { name, cipher: Cipher::new(&key)? })
    }

    fn seal(&self, plain: &[u8]) -> Option<Vec<u8>> {
        Some([&self.name[..], &self.cipher.seal(plain, &self.name)?].concat())
    }

    fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        // rustls takes it as it is.
        self.cipher.open(sealed.strip_prefix(&self.name)?, &self.name).map(|mut plain| std::mem::take(&mut *plain))
    }
}

impl Secret {
    /// A new random secret of 80 bytes. `None` if the system has no random bytes.
    pub fn new() -> Option<Self> {
        let mut bytes = Zeroizing::new(vec![0; 80]);
        crypto::random(&mut bytes).then_some(Self(bytes))
    }

    /// The secret as a line of a file.
    pub fn to_base64(&self) -> String {
        BASE64.encode(&self.0)
    }

    /// Parses a file's text: one secret on each line, the oldest first. Empty lines and comments (`#`) are skipped.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, SecretError> {
        let mut secrets: Vec<Self> = Vec::new();
        for (index, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line.trim())) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let bytes = Zeroizing::new(BASE64.decode(line).map_err(|_| SecretError::NotBase64(index))?);
            if ![48, 80].contains(&bytes.len()) {
                return Err(SecretError::Length { line: index, found: bytes.len() });
            }
            let secret = Self(bytes);
            if secrets.contains(&secret) {
                return Err(SecretError::Twice(index));
            }
            secrets.push(secret);
        }
        if secrets.is_empty() { Err(SecretError::Empty) } else { Ok(secrets) }
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Secrets must not reach a log.
        f.write_str("Secret(…)")
    }
}

/// Separates these keys from any others that are derived from the same secret. A change makes all tickets invalid.
const SALT: &[u8] = b"tlsgate session tickets 1";

/// How much the clocks of machines that share secrets may differ, in seconds.
const SKEW: i64 = 60;

/// The most keys, in case settings rotate every second and keep tickets for a week.
const MOST_KEYS: usize = 32;

#[cfg(test)]
mod tests;
