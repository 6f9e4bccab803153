//! rustls's errors → for each the reason in plain words, and the alert for the peer (RFC 8446 section 6.2).
//! Must not know: who the peer is, who reads the reason, whether rustls has sent the alert already.
//!
//! rustls's own texts are the names of its types. Each release may add variants: until they are listed here, the reason is
//! the variant's name in words, and the alert is the one of its enum.

use rustls::{AlertDescription, EncryptedClientHelloError, Error, InconsistentKeys, InvalidMessage, PeerIncompatible};

use crate::tls::wire::alert;

pub mod certificate;
mod misbehaved;
mod words;

use words::{plain, spelled};

/// The reason in plain words: lower case, no full stop, without the names of rustls's types.
pub fn reason(error: &Error) -> String {
    match error {
        Error::InappropriateMessage { expect_types, got_type } => {
            let name = |kind: &rustls::ContentType| {
                kind.as_str().map_or_else(|| format!("unknown_{}", u8::from(*kind)), alert::snake)
            };
            unexpected("record", &name(got_type), &expect_types.iter().map(name).collect::<Vec<_>>())
        }
        Error::InappropriateHandshakeMessage { expect_types, got_type } => {
            let name = |kind: &rustls::HandshakeType| {
                kind.as_str().map_or_else(|| format!("unknown_{}", u8::from(*kind)), alert::snake)
            };
            unexpected("handshake message", &name(got_type), &expect_types.iter().map(name).collect::<Vec<_>>())
        }
        Error::InvalidEncryptedClientHello(error) => encrypted_hello(error),
        Error::InvalidMessage(error) => invalid(error),
        Error::NoCertificatesPresented => "the peer sent no certificate".into(),
        Error::UnsupportedNameType => "the verifier does not know this type of server name".into(),
        Error::DecryptError => "a message of the peer cannot be decrypted or verified".into(),
        Error::EncryptError => "a message cannot be encrypted".into(),
        Error::PeerIncompatible(error) => incompatible(error),
        Error::PeerMisbehaved(error) => misbehaved::reason(error),
        Error::AlertReceived(received) => format!("the peer sent the alert {}", alert::name(*received)),
        Error::InvalidCertificate(error) => {
            format!("the peer's certificate is refused: {}", certificate::reason(error))
        }
        Error::InvalidCertRevocationList(error) => {
            format!("a list of revoked certificates is refused: {}", certificate::list_reason(error))
        }
        Error::General(text) => plain(text),
        Error::FailedToGetCurrentTime => "the system clock cannot be read".into(),
        Error::FailedToGetRandomBytes => "the system has no random bytes".into(),
        Error::HandshakeNotComplete => "the handshake is not complete".into(),
        Error::PeerSentOversizedRecord => "the peer sent a record that is longer than TLS allows".into(),
        Error::NoApplicationProtocol => "no application protocol in common".into(),
        Error::BadMaxFragmentSize => "the configured longest record is too small or too large".into(),
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            "the private key does not belong to the certificate".into()
        }
        Error::InconsistentKeys(_) => "it is unknown whether the private key belongs to the certificate".into(),
        Error::Other(error) => plain(&error.to_string()),
        other => spelled(&format!("{other:?}")),
    }
}

/// The alert for the peer. `None` if the peer has sent a fatal alert itself: it gets none (RFC 8446 section 6.2).
pub fn alert(error: &Error) -> Option<AlertDescription> {
    use AlertDescription as Alert;
    Some(match error {
        Error::AlertReceived(_) => return None,
        Error::InappropriateMessage { .. } | Error::InappropriateHandshakeMessage { .. } => Alert::UnexpectedMessage,
        Error::InvalidEncryptedClientHello(_) => Alert::IllegalParameter,
        Error::PeerMisbehaved(error) => misbehaved::alert(error),
        Error::InvalidMessage(error) => match error {
            InvalidMessage::UnexpectedMessage(_)
            | InvalidMessage::InvalidContentType
            | InvalidMessage::InvalidEmptyPayload
            | InvalidMessage::InvalidCcs => Alert::UnexpectedMessage,
            InvalidMessage::MessageTooLarge => Alert::RecordOverflow,
            InvalidMessage::UnsupportedCompression
            | InvalidMessage::UnsupportedCurveType
            | InvalidMessage::InvalidServerName
            | InvalidMessage::InvalidCertificateStatusType => Alert::IllegalParameter,
            // For the others, rustls's choice agrees with the RFC.
            other => Alert::from(*other),
        },
        Error::NoCertificatesPresented => Alert::CertificateRequired,
        Error::InvalidCertificate(error) => error.clone().into(),
        Error::DecryptError => Alert::DecryptError,
        Error::PeerSentOversizedRecord => Alert::RecordOverflow,
        Error::PeerIncompatible(error) => match error {
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::SupportedVersionsExtensionRequired
            | PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::Tls13RequiredForQuic => Alert::ProtocolVersion,
            PeerIncompatible::NullCompressionRequired | PeerIncompatible::UncompressedEcPointsRequired => {
                Alert::IllegalParameter
            }
            PeerIncompatible::IncorrectCertificateTypeExtension => Alert::UnsupportedCertificate,
            PeerIncompatible::ServerSentHelloRetryRequestWithUnknownExtension
            | PeerIncompatible::UnsolicitedCertificateTypeExtension => Alert::UnsupportedExtension,
            PeerIncompatible::ServerRejectedEncryptedClientHello(_) => Alert::EncryptedClientHelloRequired,
            _ => Alert::HandshakeFailure,
        },
        Error::NoApplicationProtocol => Alert::NoApplicationProtocol,
        // All other errors are tlsgate's fault, not the peer's.
        _ => Alert::InternalError,
    })
}

fn unexpected(what: &str, found: &str, expected: &[String]) -> String {
    match expected {
        [] => format!("unexpected {what} of type {found}"),
        _ => format!("unexpected {what} of type {found}, expected {}", expected.join(" or ")),
    }
}

fn invalid(error: &InvalidMessage) -> String {
    let words = match error {
        InvalidMessage::CertificatePayloadTooLarge => "a message with certificates is longer than 64 KiB",
        InvalidMessage::HandshakePayloadTooLarge => "a handshake message is longer than 64 KiB",
        InvalidMessage::InvalidCcs => "a malformed change_cipher_spec",
        InvalidMessage::InvalidContentType => "a record of a type that TLS does not have",
        InvalidMessage::InvalidCertificateStatusType => "a certificate status of a type that TLS does not have",
        InvalidMessage::InvalidCertRequest => "a malformed CertificateRequest",
        InvalidMessage::InvalidDhParams => "malformed Diffie-Hellman parameters",
        InvalidMessage::InvalidEmptyPayload => "an empty record of a type that must not be empty",
        InvalidMessage::InvalidKeyUpdate => "a malformed KeyUpdate",
        InvalidMessage::InvalidServerName => "a malformed server name",
        InvalidMessage::MessageTooLarge => "a record that is longer than TLS allows",
        InvalidMessage::MessageTooShort => "a message that is shorter than it must be",
        InvalidMessage::MissingData(part) => return format!("a message ends within {}", part_name(part)),
        InvalidMessage::MissingKeyExchange => "a message without a key exchange",
        InvalidMessage::NoSignatureSchemes => "an empty list of signature schemes",
        InvalidMessage::TrailingData(part) => return format!("bytes are left over after {}", part_name(part)),
        InvalidMessage::UnexpectedMessage(part) => return format!("an unexpected message: {}", part_name(part)),
        InvalidMessage::UnknownProtocolVersion => "a record of a version that TLS does not have",
        InvalidMessage::UnsupportedCompression => "a compression method other than null",
        InvalidMessage::UnsupportedCurveType => "a curve that is not a named curve",
        InvalidMessage::UnsupportedKeyExchangeAlgorithm(_) => "an unknown kind of key exchange",
        InvalidMessage::EmptyTicketValue => "an empty session ticket",
        InvalidMessage::IllegalEmptyList(part) => return format!("the list {} is empty", part_name(part)),
        InvalidMessage::IllegalEmptyValue => "a required value is empty",
        InvalidMessage::DuplicateExtension(number) => return format!("extension {number} occurs twice"),
        InvalidMessage::PreSharedKeyIsNotFinalExtension => "the extension pre_shared_key is not the last one",
        InvalidMessage::UnknownHelloRetryRequestExtension => "a HelloRetryRequest with an unknown extension",
        InvalidMessage::UnknownCertificateExtension => "a certificate with an unknown extension of TLS",
        other => return format!("a malformed message: {}", spelled(&format!("{other:?}"))),
    };
    words.to_owned()
}

/// rustls's name for a part of a message, in words.
fn part_name(name: &str) -> String {
    spelled(name)
}

fn incompatible(error: &PeerIncompatible) -> String {
    let words = match error {
        PeerIncompatible::EcPointsExtensionRequired => "the peer does not send ec_point_formats",
        PeerIncompatible::ExtendedMasterSecretExtensionRequired => "the peer does not offer extended_master_secret",
        PeerIncompatible::IncorrectCertificateTypeExtension => "the peer requires another type of certificate",
        PeerIncompatible::KeyShareExtensionRequired => "the peer does not send key_share",
        PeerIncompatible::NamedGroupsExtensionRequired => "the peer does not send supported_groups",
        PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon
        | PeerIncompatible::NoSignatureSchemesInCommon => "no signature scheme in common",
        PeerIncompatible::NoCipherSuitesInCommon => "no cipher suite in common",
        PeerIncompatible::NoEcPointFormatsInCommon => "no point format in common",
        PeerIncompatible::NoKxGroupsInCommon => "no key exchange group in common",
        PeerIncompatible::NullCompressionRequired => "the peer does not offer null compression",
        PeerIncompatible::ServerDoesNotSupportTls12Or13 => "the server supports neither TLS 1.2 nor TLS 1.3",
        PeerIncompatible::ServerSentHelloRetryRequestWithUnknownExtension => {
            "the server sent a HelloRetryRequest with an unknown extension"
        }
        PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig => "the server chose a TLS version that is not enabled",
        PeerIncompatible::SignatureAlgorithmsExtensionRequired => "the peer does not send signature_algorithms",
        PeerIncompatible::SupportedVersionsExtensionRequired => "the peer does not send supported_versions",
        PeerIncompatible::Tls12NotOffered => "the peer does not offer TLS 1.2",
        PeerIncompatible::Tls12NotOfferedOrEnabled => "TLS 1.2 is not offered or not enabled",
        PeerIncompatible::Tls13RequiredForQuic => "QUIC needs TLS 1.3",
        PeerIncompatible::UncompressedEcPointsRequired => "the peer does not accept uncompressed points",
        PeerIncompatible::UnsolicitedCertificateTypeExtension => {
            "the server chose a certificate type that was not offered"
        }
        PeerIncompatible::ServerRejectedEncryptedClientHello(_) => "the server refused the encrypted ClientHello",
        other => return format!("the peer is not compatible: {}", spelled(&format!("{other:?}"))),
    };
    words.to_owned()
}

fn encrypted_hello(error: &EncryptedClientHelloError) -> String {
    let words = match error {
        EncryptedClientHelloError::InvalidConfigList => "the configuration for encrypted ClientHello is malformed",
        EncryptedClientHelloError::NoCompatibleConfig => "no configuration for encrypted ClientHello can be used",
        EncryptedClientHelloError::SniRequired => "encrypted ClientHello needs a server name",
        other => return format!("encrypted ClientHello: {}", spelled(&format!("{other:?}"))),
    };
    words.to_owned()
}

#[cfg(test)]
mod tests;
