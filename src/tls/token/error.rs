//! Why a key in a token cannot be used. The texts follow the URI of the key. Must not know: how tokens are reached.

use std::path::PathBuf;
use std::time::Duration;

use rustls::{OtherError, SignatureScheme};
use thiserror::Error;

/// Why a key in a token cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TokenError {
    #[error(
        "this tlsgate was built without PKCS#11 (expected one that was built with the feature \"pkcs11\", which is a default)"
    )]
    NotBuilt,
    #[error("the module {path} cannot be loaded: {1}", path = .0.display())]
    Module(PathBuf, String),
    /// Its labels, and the module.
    #[error("there is no such token; the module {path} has {found}", path = .1.display(), found = listed(.0))]
    NoToken(Vec<String>, PathBuf),
    #[error("{0} tokens fit (expected one: its serial=…, say)")]
    SeveralTokens(usize),
    #[error(
        "the token wants a PIN, and none is given for it (expected pin-source=file:/PATH behind the module-path, or the key passphrase = \"file:PATH\" beside the URI)"
    )]
    NoPin,
    /// The text begins with the source.
    #[error("the PIN cannot be read: {0}")]
    PinUnread(String),
    /// The source, and what the token answered.
    #[error(
        "the token refuses the PIN of {0} ({1}); since a token locks itself after some wrong ones, this one is not tried again"
    )]
    PinRefused(String, String),
    /// The source.
    #[error(
        "the token has refused the PIN of {0} before, and since a token locks itself after some wrong ones, it is not tried again until it is another one"
    )]
    PinKnownWrong(String),
    #[error("the token has no such private key{0}")]
    NoKey(&'static str),
    #[error("{0} private keys fit (expected one: both object=… and id=… may be given)")]
    SeveralKeys(usize),
    #[error("its private key is of another kind than the certificate's")]
    AnotherKind,
    #[error("its private key is not the one of the certificate any longer")]
    AnotherKey,
    #[error("it cannot sign with {scheme}: {1}", scheme = .0.as_str().unwrap_or("this scheme"))]
    CannotSign(SignatureScheme, String),
    /// What the token answered.
    #[error("the token cannot be reached: {0}")]
    Away(String),
    #[error("the token has failed: {0}")]
    Failed(String),
    #[error("the token did not sign within {limit}", limit = humantime::format_duration(rounded(*.0)))]
    Slow(Duration),
    #[error("too many signatures wait for the token already")]
    Busy,
    /// It would hold up the thread and all connections on it.
    #[error("asked to sign on a thread that must not wait")]
    Elsewhere,
}

impl TokenError {
    /// Whether a new session may help: the token was away, or has forgotten what it knew.
    pub(super) fn is_away(&self) -> bool {
        matches!(self, Self::Away(_) | Self::NoToken(..))
    }

    /// The one that rustls's error holds, if it does.
    pub fn within(error: &rustls::Error) -> Option<&Self> {
        match error {
            rustls::Error::Other(OtherError(inner)) => inner.downcast_ref(),
            _ => None,
        }
    }
}

/// To milliseconds.
fn rounded(time: Duration) -> Duration {
    Duration::from_millis(time.as_millis().try_into().unwrap_or(u64::MAX))
}

fn listed(labels: &[String]) -> String {
    match labels {
        [] => "none that this process can see (does sandbox_paths have what the module uses?)".into(),
        labels => labels.iter().map(|label| format!("{label:?}")).collect::<Vec<_>>().join(", "),
    }
}
