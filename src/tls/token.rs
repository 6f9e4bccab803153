//! Private keys in PKCS#11 tokens: found by their URIs, proved, and used to sign on threads that nobody else needs.
//! Must not know: certificates, handshakes, configuration.
//!
//! rustls wants a signature at once. On a worker's thread that would hold up all of its connections, so the step of a
//! handshake that signs is run at the token's desk as a whole ([`TokenKey::aside`]). The alternative, a thread of the desk
//! that a blocked worker waits for, gains nothing; and rustls offers no way to continue a step later.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::sign::{Signer, SigningKey};
use rustls::{OtherError, SignatureAlgorithm, SignatureScheme};

use crate::files::progress;
use crate::passphrase::Source;
use crate::tls::crypto::{self, Verified};
use desk::Desk;
use driver::Module;
use error::TokenError;
use scheme::Method;
use sessions::{Loaded, Sessions, locked};
use uri::Uri;

#[cfg(not(feature = "pkcs11"))]
mod absent;
mod desk;
#[cfg(feature = "pkcs11")]
mod driver;
pub mod error;
mod scheme;
mod sessions;
pub mod uri;

#[cfg(not(feature = "pkcs11"))]
use absent as driver;

/// A private key in a token of which nothing is known yet but its place.
#[derive(Clone)]
pub struct Place {
    desk: Arc<Desk<Sessions>>,
    uri: Arc<Uri>,
    pin: Option<Source>,
}

/// A private key in a token, of which it was proved that it belongs to a public one.
#[derive(Clone)]
pub struct TokenKey {
    place: Place,
    /// Best first; at least one.
    schemes: &'static [SignatureScheme],
    public: Arc<Public>,
}

/// A public key, and the contents of its AlgorithmIdentifier in DER.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Public {
    pub key: Vec<u8>,
    pub algorithm: Vec<u8>,
}

/// Loads the module, unless it was loaded before. To be called before a process gives up its rights, since it can load
/// none later.
pub fn load(module: &Path) -> Result<(), TokenError> {
    loaded(module).map(drop)
}

/// How many handshakes wait for the token for which most do. 0 while a module is being loaded, which may wait for a device.
pub fn waiting() -> usize {
    let Ok(modules) = MODULES.try_lock() else { return 0 };
    let entries = modules.iter().flat_map(HashMap::values);
    entries.flat_map(|entry| locked(&entry.desks).values().map(|desk| desk.waiting()).max()).max().unwrap_or(0)
}

impl Place {
    /// The place that the URI names. `pin` is where its PIN comes from. Loads the module, unless it was loaded before, and
    /// does not ask the token for anything.
    pub fn of(uri: &Uri, pin: Option<Source>) -> Result<Self, TokenError> {
        let Entry { loaded, desks } = loaded(&uri.module)?;
        let mut desks = locked(&desks);
        let desk = desks.entry(uri.token()).or_insert_with(|| Desk::new(Sessions::new(loaded, uri.clone())));
        Ok(Self { desk: Arc::clone(desk), uri: Arc::new(uri.clone()), pin })
    }

    /// Proves, with a signature, that the key belongs to `public`. `false` where it belongs to another one.
    pub fn belongs_to(&self, scheme: SignatureScheme, public: &Public) -> Result<bool, TokenError> {
        // For who waits for this thread.
        progress::begin(&self.uri.module).map_err(|error| TokenError::Failed(error.to_string()))?;
        let (place, owned) = (self.clone(), public.clone());
        self.desk.wait(PATIENCE, move || {
            let signature = place.sign(scheme, PROOF)?.0;
            Ok(owned.verifies(scheme, &signature, PROOF))
        })?
    }

    /// The key, after a proof in each of the schemes in which it will sign; of these there must be at least one.
    pub fn prove(self, schemes: &'static [SignatureScheme], public: Public) -> Result<TokenKey, TokenError> {
        for scheme in schemes {
            match self.belongs_to(*scheme, &public) {
                Ok(true) => {}
                Ok(false) | Err(TokenError::AnotherKind) => {
                    return Err(TokenError::CannotSign(*scheme, "its signature is wrong".into()));
                }
                Err(TokenError::Failed(reason)) => return Err(TokenError::CannotSign(*scheme, reason)),
                Err(error) => return Err(error),
            }
        }
        Ok(TokenKey { place: self, schemes, public: Arc::new(public) })
    }

    /// Signs, and returns whether the key was looked for again.
    fn sign(&self, scheme: SignatureScheme, message: &[u8]) -> Result<(Vec<u8>, bool), TokenError> {
        let unknown = || TokenError::CannotSign(scheme, "tokens do not sign so here".into());
        let method = Method::of(scheme).ok_or_else(unknown)?;
        let of_key = (&*self.uri, self.pin.as_ref());
        let (signature, is_new) = self.desk.kept.sign(of_key, method, &method.input(message))?;
        let signature = method.output(signature).ok_or(TokenError::Failed("it returned no signature".into()))?;
        Ok((signature, is_new))
    }
}

impl Public {
    fn verifies(&self, scheme: SignatureScheme, signature: &[u8], message: &[u8]) -> bool {
        crypto::verify_in_scheme(scheme, (&self.key, &self.algorithm), signature, message) == Verified::Yes
    }
}

impl TokenKey {
    /// Runs a step that may sign with this key where it may wait for the token, and returns its result. At the limit it is
    /// given up, with all that it holds.
    pub async fn aside<T: Send + 'static>(
        &self,
        limit: Duration,
        step: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, TokenError> {
        self.place.desk.run(limit, step).await
    }

    /// The signature. A key that was looked for again may be another one: then it is verified.
    fn signed(&self, scheme: SignatureScheme, message: &[u8]) -> Result<Vec<u8>, TokenError> {
        if !desk::is_here() {
            return Err(TokenError::Elsewhere);
        }
        let (signature, is_new) = self.place.sign(scheme, message)?;
        match is_new && !self.public.verifies(scheme, &signature, message) {
            true => Err(TokenError::AnotherKey),
            false => Ok(signature),
        }
    }
}

impl SigningKey for TokenKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let scheme = self.schemes.iter().copied().find(|scheme| offered.contains(scheme))?;
        Some(Box::new(InScheme { key: self.clone(), scheme }))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        let first = self.schemes.first().copied().and_then(Method::of);
        first.map_or(SignatureAlgorithm::Unknown(0), Method::algorithm)
    }
}

/// A key that signs in one scheme.
#[derive(Debug)]
struct InScheme {
    key: TokenKey,
    scheme: SignatureScheme,
}

impl Signer for InScheme {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        self.key.signed(self.scheme, message).map_err(|error| rustls::Error::Other(OtherError(Arc::new(error))))
    }

    fn scheme(&self) -> SignatureScheme {
        self.scheme
    }
}

/// Token and key, without where the PIN comes from.
impl fmt::Display for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.place.uri)
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenKey({})", self.place.uri)
    }
}

/// A module, and the desks of its tokens.
#[derive(Clone)]
struct Entry {
    loaded: Arc<Loaded>,
    desks: Arc<Mutex<HashMap<String, Arc<Desk<Sessions>>>>>,
}

fn loaded(path: &Path) -> Result<Entry, TokenError> {
    // What is loaded may wait for a device.
    progress::begin(path).map_err(|error| TokenError::Module(path.to_owned(), error.to_string()))?;
    let mut modules = locked(&MODULES);
    let modules = modules.get_or_insert_default();
    if let Some(entry) = modules.get(path) {
        return Ok(entry.clone());
    }
    let entry = Entry { loaded: Arc::new(Loaded::new(Module::load(path)?)?), desks: Arc::default() };
    modules.insert(path.to_owned(), entry.clone());
    Ok(entry)
}

/// For the whole process, as a module has it: it is initialized once, and its logins count for all sessions. So it is kept
/// over reloads, and is never unloaded.
static MODULES: Mutex<Option<HashMap<PathBuf, Entry>>> = Mutex::new(None);

/// What is signed for a proof. In no protocol is it the beginning of anything.
const PROOF: &[u8] = b"tlsgate proves that this private key belongs to its certificate";

/// How long a token may take for a signature that proves a key.
const PATIENCE: Duration = Duration::from_secs(10);
