//! The sessions with one token: opened, logged in and kept; and opened again after the token was away. Must not know:
//! threads, handshakes, certificates.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use crate::passphrase::Source;
use crate::tls::crypto;
use crate::tls::token::driver::{Key, Login, Module, Session};
use crate::tls::token::error::TokenError;
use crate::tls::token::scheme::Method;
use crate::tls::token::uri::Uri;

/// A module that was loaded, and the PINs that its tokens have refused.
pub(super) struct Loaded {
    module: Module,
    logins: Mutex<Logins>,
    /// Held for reading while calls are made, and for writing while the module is initialized anew: when that was last.
    calls: RwLock<Option<Instant>>,
    /// The tokens that have answered last.
    there: Mutex<HashSet<String>>,
}

/// Locked during a login: threads that try the same wrong PIN at one time would lock the token.
struct Logins {
    /// What is kept must not show a PIN to anyone who does not know this secret.
    secret: Zeroizing<[u8; 32]>,
    refused: HashSet<[u8; 32]>,
}

/// The sessions with one token.
pub(super) struct Sessions {
    loaded: Arc<Loaded>,
    /// A URI of the token, and the name of the token in the log.
    uri: Uri,
    name: String,
    idle: Mutex<Vec<Seat>>,
    away: Mutex<Option<Away>>,
    /// Whether it has ever answered.
    was_there: AtomicBool,
}

/// A session that nobody uses at this moment, and the keys that were found in it.
struct Seat {
    session: Session,
    keys: HashMap<Uri, Key>,
}

/// Since when the token cannot be reached.
struct Away {
    reason: TokenError,
    since: Instant,
    pause: Duration,
    next: Instant,
}

impl Loaded {
    pub(super) fn new(module: Module) -> Result<Self, TokenError> {
        let mut secret = Zeroizing::new([0; 32]);
        match crypto::random(&mut secret[..]) {
            true => {
                let logins = Mutex::new(Logins { secret, refused: HashSet::new() });
                Ok(Self { module, logins, calls: RwLock::default(), there: Mutex::default() })
            }
            false => Err(TokenError::Failed("the system has no random bytes".into())),
        }
    }

    /// Initializes the module anew, unless it is in use, or has tokens that answer. All of its sessions were dropped then.
    fn restart(&self) -> bool {
        let Ok(mut last) = self.calls.try_write() else { return false };
        if !locked(&self.there).is_empty() || last.is_some_and(|last| last.elapsed() < BETWEEN_RESTARTS) {
            return false;
        }
        *last = Some(Instant::now());
        self.module.restart().is_ok()
    }

    fn log_in(&self, session: &Session, uri: &Uri, pin: Option<&Source>) -> Result<(), TokenError> {
        if !session.wants_login {
            return Ok(());
        }
        let mut logins = locked(&self.logins);
        if session.is_logged_in()? {
            return Ok(());
        }
        let Some(source) = pin else {
            return match session.asks_itself {
                true => session.login(None).map_err(|login| match login {
                    Login::Refused(answer) => TokenError::Failed(format!("no login: {answer}")),
                    Login::Other(error) => error,
                }),
                false => Err(TokenError::NoPin),
            };
        };
        // Read again for each login, and not kept.
        let pin = source.read(OsStr::new(&uri.to_string())).map_err(TokenError::PinUnread)?;
        let message = Zeroizing::new([session.token.as_bytes(), b"\n", pin.as_bytes()].concat());
        let known = crypto::hmac_sha256(&logins.secret[..], &message);
        if logins.refused.contains(&known) {
            return Err(TokenError::PinKnownWrong(source.to_string()));
        }
        match session.login(Some(&pin)) {
            Ok(()) => Ok(()),
            Err(Login::Refused(answer)) => {
                logins.refused.insert(known);
                Err(TokenError::PinRefused(source.to_string(), answer))
            }
            Err(Login::Other(error)) => Err(error),
        }
    }
}

impl Sessions {
    /// The sessions with the token that the URI names, which may be that of any of its keys.
    pub(super) fn new(loaded: Arc<Loaded>, uri: Uri) -> Self {
        let name = uri.token();
        let (idle, away, was_there) = (Mutex::default(), Mutex::default(), AtomicBool::new(false));
        Self { loaded, uri, name, idle, away, was_there }
    }

    /// Signs what [`Method::input`] has made, and returns whether the key was looked for again: then it may be another one.
    /// Where the token was away, it is tried once more with a new session; where it stays away, with a module that was
    /// initialized anew.
    pub(super) fn sign(
        &self,
        of_key: (&Uri, Option<&Source>),
        method: Method,
        input: &[u8],
    ) -> Result<(Vec<u8>, bool), TokenError> {
        let stays_away = locked(&self.away).as_ref().is_some_and(|away| Instant::now() >= away.next);
        let signed = self.sign_once(of_key, method, input);
        // A token that has never answered is a mistake in the configuration, which must not disturb others.
        let helps = stays_away && self.was_there.load(Ordering::Relaxed);
        match signed {
            Err(error) if error.is_away() && helps && self.loaded.restart() => {
                if let Some(away) = locked(&self.away).as_mut() {
                    away.next = Instant::now();
                }
                self.sign_once(of_key, method, input)
            }
            signed => signed,
        }
    }

    fn sign_once(
        &self,
        (uri, pin): (&Uri, Option<&Source>),
        method: Method,
        input: &[u8],
    ) -> Result<(Vec<u8>, bool), TokenError> {
        let _calling = self.loaded.calls.read().unwrap_or_else(PoisonError::into_inner);
        let kept = locked(&self.idle).pop();
        if let Some(mut seat) = kept {
            match seat.sign(uri, method, input) {
                Err(error) if error.is_away() => {
                    // The others are of the same time.
                    let old = std::mem::take(&mut *locked(&self.idle));
                    drop((seat, old));
                }
                signed => {
                    if locked(&self.away).is_some() {
                        self.is_back();
                    }
                    locked(&self.idle).push(seat);
                    return signed;
                }
            }
        }
        let mut seat = self.reach(uri, pin)?;
        let signed = seat.sign(uri, method, input);
        match &signed {
            // The token is there, but does nothing: no pause, since another key of it may work.
            Err(error) if error.is_away() => self.is_away(error.clone(), Duration::ZERO),
            _ => {
                self.is_back();
                locked(&self.idle).push(seat);
            }
        }
        signed
    }

    /// Opens a session, and logs in. While a token is away, it is not asked at each signature.
    fn reach(&self, uri: &Uri, pin: Option<&Source>) -> Result<Seat, TokenError> {
        if let Some(away) = locked(&self.away).as_ref().filter(|away| Instant::now() < away.next) {
            return Err(away.reason.clone());
        }
        let opened = self.loaded.module.open(&self.uri).and_then(|session| {
            self.loaded.log_in(&session, uri, pin)?;
            Ok(Seat { session, keys: HashMap::new() })
        });
        opened.inspect_err(|error| {
            if error.is_away() {
                self.is_away(error.clone(), FIRST_PAUSE);
            }
        })
    }

    fn is_away(&self, reason: TokenError, first: Duration) {
        locked(&self.loaded.there).remove(&self.name);
        let (mut away, now) = (locked(&self.away), Instant::now());
        let pause = away.as_ref().map_or(first, |away| (away.pause * 2).clamp(first, LONGEST_PAUSE.max(first)));
        let since = match &*away {
            Some(away) => away.since,
            None => {
                tracing::warn!(token = %self.name, %reason, "a token cannot be reached: handshakes that need it fail, it is tried again for each, after a pause");
                now
            }
        };
        *away = Some(Away { reason, since, pause, next: now + pause });
    }

    fn is_back(&self) {
        self.was_there.store(true, Ordering::Relaxed);
        locked(&self.loaded.there).insert(self.name.clone());
        if let Some(away) = locked(&self.away).take() {
            let seconds = away.since.elapsed().as_secs();
            tracing::info!(token = %self.name, seconds, "the token can be reached again");
        }
    }
}

impl Seat {
    fn sign(&mut self, uri: &Uri, method: Method, input: &[u8]) -> Result<(Vec<u8>, bool), TokenError> {
        let (key, is_new) = match self.keys.get(uri) {
            Some(key) => (*key, false),
            None => (self.session.find(uri)?, true),
        };
        let signed = self.session.sign(key, method, input)?;
        self.keys.insert(uri.clone(), key);
        Ok((signed, is_new))
    }
}

/// What is behind these locks is valid even if a thread panicked while it held one.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long a token that is away is left alone; twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

const BETWEEN_RESTARTS: Duration = Duration::from_secs(1);
