//! What stands for modules where tlsgate is built without the feature `pkcs11`: there are none. Must not know: anything.

#![expect(
    dead_code,
    reason = "no module can be loaded, so most of it is never made, but those who use modules name it"
)]

use std::path::Path;

use crate::passphrase::Passphrase;
use crate::tls::token::error::TokenError;
use crate::tls::token::scheme::Method;
use crate::tls::token::uri::Uri;

/// There is none, as of the two below: so nothing is ever called.
pub(super) enum Module {}

pub(super) enum Never {}

/// A session with a token.
pub(super) struct Session {
    never: Never,
    pub(super) token: String,
    pub(super) wants_login: bool,
    pub(super) asks_itself: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Key {}

pub(super) enum Login {
    Refused(String),
    Other(TokenError),
}

impl Module {
    pub(super) fn load(_: &Path) -> Result<Self, TokenError> {
        Err(TokenError::NotBuilt)
    }

    pub(super) fn restart(&self) -> Result<(), TokenError> {
        match *self {}
    }

    pub(super) fn open(&self, _: &Uri) -> Result<Session, TokenError> {
        match *self {}
    }
}

impl Session {
    pub(super) fn is_logged_in(&self) -> Result<bool, TokenError> {
        match self.never {}
    }

    pub(super) fn login(&self, _: Option<&Passphrase>) -> Result<(), Login> {
        match self.never {}
    }

    pub(super) fn find(&self, _: &Uri) -> Result<Key, TokenError> {
        match self.never {}
    }

    pub(super) fn sign(&self, key: Key, _: Method, _: &[u8]) -> Result<Vec<u8>, TokenError> {
        match key {}
    }
}
