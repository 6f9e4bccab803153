//! Why a client is refused before a certificate is sent, and the alert for it. Must not know: how it is decided.

use rustls::AlertDescription;
use thiserror::Error;

/// Why a client is refused before a certificate is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refusal {
    #[error("no TLS version in common")]
    NoCommonVersion,
    #[error("the client sent TLS_FALLBACK_SCSV, but a newer TLS version is possible")]
    InappropriateFallback,
    #[error("no cipher suite in common")]
    NoCommonSuite,
    #[error("no key exchange group in common")]
    NoCommonGroup,
    #[error("no application protocol in common")]
    NoCommonProtocol,
    #[error("no server name given")]
    NoServerName { tls13: bool },
    #[error("no certificate for that server name")]
    UnknownName,
    #[error("the certificate is ordered and not there yet")]
    Pending,
    #[error("no signature scheme in common")]
    NoCommonScheme,
}

impl Refusal {
    /// The alert for the client (RFC 8446 section 6.2, RFC 7507 section 3).
    pub fn alert(self) -> AlertDescription {
        match self {
            Self::NoCommonVersion => AlertDescription::ProtocolVersion,
            Self::InappropriateFallback => AlertDescription::InappropriateFallback,
            Self::NoCommonSuite | Self::NoCommonGroup | Self::NoCommonScheme => AlertDescription::HandshakeFailure,
            Self::NoCommonProtocol => AlertDescription::NoApplicationProtocol,
            // RFC 8446 section 9.2. The alert missing_extension does not exist before TLS 1.3.
            Self::NoServerName { tls13: true } => AlertDescription::MissingExtension,
            Self::NoServerName { tls13: false } => AlertDescription::HandshakeFailure,
            Self::UnknownName | Self::Pending => AlertDescription::UnrecognisedName,
        }
    }
}
