//! Where a private key is: in a file, or in a token. Must not know: what is in the file, how tokens are reached.

use std::path::{Path, PathBuf};

use crate::files;
use crate::tls::token::uri::{self, Uri};

/// Where a private key is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum KeyPlace {
    File(PathBuf),
    Token(Box<InToken>),
}

/// A private key in a token.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct InToken {
    pub uri: Uri,
    /// The URI without its query, in the place of a path.
    shown: PathBuf,
}

impl KeyPlace {
    /// The place that a text names: a `pkcs11:` URI, or the path of a file. The error says what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        if !uri::is_uri(text) {
            return Ok(Self::File(text.into()));
        }
        let uri = Uri::parse(text).map_err(|why| format!("the pkcs11 URI: {why}"))?;
        Ok(Self::Token(Box::new(InToken { shown: uri.to_string().into(), uri })))
    }

    /// The path of the file, or token and key.
    pub fn shown(&self) -> &Path {
        match self {
            Self::File(path) => path,
            Self::Token(key) => &key.shown,
        }
    }

    /// The same as it is written in a configuration.
    pub fn written(&self) -> String {
        match self {
            Self::File(path) => files::shown(path),
            Self::Token(key) => key.uri.written(),
        }
    }

    /// The file; `None` for a token.
    pub fn file(&self) -> Option<&PathBuf> {
        match self {
            Self::File(path) => Some(path),
            Self::Token(_) => None,
        }
    }

    /// The token; `None` for a file.
    pub fn token(&self) -> Option<&InToken> {
        match self {
            Self::File(_) => None,
            Self::Token(key) => Some(key),
        }
    }

    /// The same with relative paths below `folder`.
    #[must_use]
    pub fn below(self, folder: &Path) -> Self {
        match self {
            Self::File(path) => Self::File(folder.join(path)),
            Self::Token(key) => Self::Token(Box::new(InToken { uri: key.uri.below(folder), ..*key })),
        }
    }
}
