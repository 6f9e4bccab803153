//! PKCS#11 modules, by the crate cryptoki: loads one, opens sessions, logs in, finds a key, signs. Must not know: threads,
//! when it is tried again, where PINs come from.

use std::path::Path;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute as Template, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{SessionState, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::RawAuthPin;

use crate::passphrase::Passphrase;
use crate::tls::crypto::Sha2;
use crate::tls::token::error::TokenError;
use crate::tls::token::scheme::{Form, Method};
use crate::tls::token::uri::{Attribute, Uri};

/// A module that was loaded. It is never unloaded: other threads may be in it.
pub(super) struct Module(Pkcs11);

/// A session with a token.
pub(super) struct Session {
    inner: cryptoki::session::Session,
    /// What tells this token from all others, to remember its refused PINs by.
    pub(super) token: String,
    /// Whether keys are seen only after a login.
    pub(super) wants_login: bool,
    /// Whether the token asks for its PIN by itself, at a reader with keys.
    pub(super) asks_itself: bool,
}

/// A private key that was found in a session.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    handle: ObjectHandle,
    /// `None` where the token does not say it.
    kind: Option<KeyType>,
}

/// How a login went wrong.
pub(super) enum Login {
    /// The token has looked at the PIN, and it is not the right one, or cannot be used any longer.
    Refused(String),
    Other(TokenError),
}

impl Module {
    /// Loads the module, and initializes it once for the process.
    pub(super) fn load(path: &Path) -> Result<Self, TokenError> {
        let wrong = |reason: String| TokenError::Module(path.to_owned(), reason);
        let module = Pkcs11::new(path).map_err(|error| wrong(loading(&error)))?;
        match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            // Two paths can lead to one library.
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(Self(module)),
            Err(error) => Err(wrong(shown(&error))),
        }
    }

    /// Initializes it anew: some modules look for tokens only then. No call may be in it, and all sessions end.
    pub(super) fn restart(&self) -> Result<(), TokenError> {
        // Where that fails, it was not initialized.
        let _ = self.0.clone().finalize();
        match self.0.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(()),
            Err(error) => Err(TokenError::Away(shown(&error))),
        }
    }

    /// Opens a session with the only token that the URI fits.
    pub(super) fn open(&self, uri: &Uri) -> Result<Session, TokenError> {
        self.expect_library(uri)?;
        let mut found: Vec<(Slot, TokenInfo)> = Vec::new();
        let mut labels = Vec::new();
        for slot in self.0.get_slots_with_token().map_err(|error| failed(&error))? {
            // One that is not ready must not keep others from being used.
            let Ok(token) = self.0.get_token_info(slot) else { continue };
            match fits(uri, &token) && self.fits_slot(uri, slot) {
                true => found.push((slot, token)),
                false if token.token_initialized() => labels.push(token.label().trim_end().to_owned()),
                false => {}
            }
        }
        match (found.pop(), found.len()) {
            (None, _) => Err(TokenError::NoToken(labels, uri.module.clone())),
            (Some((slot, token)), 0) => {
                let inner = self.0.open_ro_session(slot).map_err(|error| failed(&error))?;
                Ok(Session {
                    inner,
                    token: [token.manufacturer_id(), token.model(), token.serial_number()].join("\n"),
                    wants_login: token.login_required(),
                    asks_itself: token.protected_authentication_path(),
                })
            }
            (Some(_), others) => Err(TokenError::SeveralTokens(others + 1)),
        }
    }

    fn expect_library(&self, uri: &Uri) -> Result<(), TokenError> {
        let asked = [Attribute::LibraryDescription, Attribute::LibraryManufacturer, Attribute::LibraryVersion];
        if asked.iter().all(|attribute| uri.given(*attribute).is_none()) {
            return Ok(());
        }
        let own = self.0.get_library_info().map_err(|error| failed(&error))?;
        let version = own.library_version();
        let version = format!("{}.{}", version.major(), version.minor());
        let texts = [own.library_description(), own.manufacturer_id(), &version];
        match asked.iter().zip(texts).all(|(attribute, text)| uri.fits(*attribute, text)) {
            true => Ok(()),
            false => Err(TokenError::Module(
                uri.module.clone(),
                format!("it is {}, of {}, version {version}", texts[0], texts[1]),
            )),
        }
    }

    fn fits_slot(&self, uri: &Uri, slot: Slot) -> bool {
        let asked = [Attribute::SlotDescription, Attribute::SlotManufacturer];
        uri.fits(Attribute::SlotId, &slot.id().to_string())
            && (asked.iter().all(|attribute| uri.given(*attribute).is_none())
                || self.0.get_slot_info(slot).is_ok_and(|info| {
                    uri.fits(asked[0], info.slot_description()) && uri.fits(asked[1], info.manufacturer_id())
                }))
    }
}

fn fits(uri: &Uri, token: &TokenInfo) -> bool {
    token.token_initialized()
        && uri.fits(Attribute::Token, token.label())
        && uri.fits(Attribute::Manufacturer, token.manufacturer_id())
        && uri.fits(Attribute::Model, token.model())
        && uri.fits(Attribute::Serial, token.serial_number())
}

impl Session {
    /// Whether a login is done: one counts for all sessions of a process with a token.
    pub(super) fn is_logged_in(&self) -> Result<bool, TokenError> {
        let state = self.inner.get_session_info().map_err(|error| failed(&error))?.session_state();
        Ok(matches!(state, SessionState::RoUser | SessionState::RwUser))
    }

    /// Logs in. Without a PIN, the token asks for it by itself.
    pub(super) fn login(&self, pin: Option<&Passphrase>) -> Result<(), Login> {
        let done = match pin {
            // Wiped when it is dropped.
            Some(pin) => self.inner.login_with_raw(UserType::User, &RawAuthPin::new(Box::new(pin.as_bytes().to_vec()))),
            None => self.inner.login(UserType::User, None),
        };
        match done {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
            Err(Error::Pkcs11(
                code @ (RvError::PinIncorrect
                | RvError::PinInvalid
                | RvError::PinLenRange
                | RvError::PinExpired
                | RvError::PinLocked),
                _,
            )) => Err(Login::Refused(name(&code))),
            Err(error) => Err(Login::Other(failed(&error))),
        }
    }

    /// Finds the only private key that the URI fits.
    pub(super) fn find(&self, uri: &Uri) -> Result<Key, TokenError> {
        let mut template = vec![Template::Class(ObjectClass::PRIVATE_KEY)];
        template.extend(uri.given(Attribute::Object).map(|label| Template::Label(label.to_vec())));
        template.extend(uri.given(Attribute::Id).map(|id| Template::Id(id.to_vec())));
        let found = self.inner.find_objects(&template).map_err(|error| failed(&error))?;
        match &found[..] {
            [] => Err(TokenError::NoKey("")),
            [handle] => Ok(Key { handle: *handle, kind: self.kind(*handle) }),
            several => Err(TokenError::SeveralKeys(several.len())),
        }
    }

    fn kind(&self, key: ObjectHandle) -> Option<KeyType> {
        let known = self.inner.get_attributes(key, &[AttributeType::KeyType]).ok()?;
        known.into_iter().find_map(|one| if let Template::KeyType(kind) = one { Some(kind) } else { None })
    }

    /// Signs what [`Method::input`] has made.
    pub(super) fn sign(&self, key: Key, method: Method, input: &[u8]) -> Result<Vec<u8>, TokenError> {
        let (mechanism, kind) = match method.form {
            Form::Ecdsa => (Mechanism::Ecdsa, KeyType::EC),
            Form::Pkcs1 => (Mechanism::RsaPkcs, KeyType::RSA),
            Form::Pss => (Mechanism::RsaPkcsPss(pss(method.hash, input.len())), KeyType::RSA),
        };
        // Not every module finds this out by itself.
        if key.kind.is_some_and(|own| own != kind) {
            return Err(TokenError::AnotherKind);
        }
        self.inner.sign(&mechanism, key.handle, input).map_err(|error| failed(&error))
    }
}

/// RFC 8446 section 4.2.3: the salt is as long as the hash.
fn pss(hash: Sha2, length: usize) -> PkcsPssParams {
    let (hash_alg, mgf) = match hash {
        Sha2::Sha256 => (MechanismType::SHA256, PkcsMgfType::MGF1_SHA256),
        Sha2::Sha384 => (MechanismType::SHA384, PkcsMgfType::MGF1_SHA384),
        Sha2::Sha512 => (MechanismType::SHA512, PkcsMgfType::MGF1_SHA512),
    };
    // A length of 64 bytes fits everywhere.
    PkcsPssParams { hash_alg, mgf, s_len: u64::try_from(length).unwrap_or_default().into() }
}

fn failed(error: &Error) -> TokenError {
    match error {
        Error::Pkcs11(
            RvError::DeviceError
            | RvError::DeviceMemory
            | RvError::DeviceRemoved
            | RvError::TokenNotPresent
            | RvError::TokenNotRecognized
            | RvError::SlotIdInvalid
            | RvError::SessionClosed
            | RvError::SessionHandleInvalid
            | RvError::ObjectHandleInvalid
            | RvError::KeyHandleInvalid
            | RvError::KeyChanged
            | RvError::OperationActive
            | RvError::OperationNotInitialized
            | RvError::UserNotLoggedIn
            | RvError::FunctionFailed
            | RvError::FunctionCanceled
            | RvError::GeneralError
            | RvError::CryptokiNotInitialized,
            _,
        ) => TokenError::Away(shown(error)),
        Error::Pkcs11(RvError::KeyTypeInconsistent | RvError::KeySizeRange, _) => TokenError::AnotherKind,
        error => TokenError::Failed(shown(error)),
    }
}

/// What the module answered, by the name that PKCS#11 gives it.
fn shown(error: &Error) -> String {
    match error {
        Error::Pkcs11(code, function) => format!("C_{function:?} returned {}", name(code)),
        other => other.to_string(),
    }
}

/// `PinIncorrect` → `CKR_PIN_INCORRECT`.
fn name(code: &RvError) -> String {
    let mut name = String::from("CKR");
    for letter in format!("{code:?}").chars() {
        if letter.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

/// The loader's own words: they name the file, and what it lacks.
fn loading(error: &Error) -> String {
    match error {
        Error::LibraryLoading(error) => {
            let source = std::error::Error::source(error).map(ToString::to_string);
            let reason = source.unwrap_or_else(|| error.to_string());
            format!(
                "{reason} (expected a PKCS#11 module; one that was not named at the start of a process that has given up its rights takes an upgrade in place or a restart)"
            )
        }
        Error::MissingSymbol(symbol) => format!("it has no {symbol} (expected a PKCS#11 module)"),
        other => shown(other),
    }
}
