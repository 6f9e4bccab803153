//! How a peer broke the protocol: the reason in words, and the alert. Must not know: the other errors.

use rustls::AlertDescription as Alert;
use rustls::PeerMisbehaved as Peer;

use super::words::spelled;

/// The reason in words.
pub(super) fn reason(error: &Peer) -> String {
    match row(error) {
        Some((_, words)) => words.to_owned(),
        None => format!("the peer broke the protocol: {}", spelled(&format!("{error:?}"))),
    }
}

/// The alert for it.
pub(super) fn alert(error: &Peer) -> Alert {
    row(error).map_or(Alert::IllegalParameter, |(alert, _)| alert)
}

fn row(error: &Peer) -> Option<(Alert, &'static str)> {
    ROWS.iter().find(|(known, ..)| known == error).map(|(_, alert, words)| (*alert, *words))
}

/// The alerts are those of RFC 8446 section 6.2. They are listed because rustls sends none for some of these errors.
#[rustfmt::skip]
const ROWS: &[(Peer, Alert, &str)] = &[
    (Peer::AttemptedDowngradeToTls12WhenTls13IsSupported, Alert::IllegalParameter, "the server supports TLS 1.3, and TLS 1.2 was chosen: a downgrade"),
    (Peer::BadCertChainExtensions, Alert::UnsupportedExtension, "a certificate in the chain has an extension of TLS that it must not have"),
    (Peer::CipherSuiteDifferedOnRetry, Alert::IllegalParameter, "the second ClientHello leads to another cipher suite than the first"),
    (Peer::DisallowedEncryptedExtension, Alert::UnsupportedExtension, "EncryptedExtensions has an extension that it must not have"),
    (Peer::DuplicateClientHelloExtensions, Alert::IllegalParameter, "the ClientHello contains an extension twice"),
    (Peer::DuplicateEncryptedExtensions, Alert::IllegalParameter, "EncryptedExtensions contains an extension twice"),
    (Peer::DuplicateHelloRetryRequestExtensions, Alert::IllegalParameter, "the HelloRetryRequest contains an extension twice"),
    (Peer::DuplicateNewSessionTicketExtensions, Alert::IllegalParameter, "the NewSessionTicket contains an extension twice"),
    (Peer::DuplicateServerHelloExtensions, Alert::IllegalParameter, "the ServerHello contains an extension twice"),
    (Peer::DuplicateServerNameTypes, Alert::IllegalParameter, "the ClientHello has several server names of one type"),
    (Peer::EarlyDataAttemptedInSecondClientHello, Alert::IllegalParameter, "the second ClientHello offers early data"),
    (Peer::EarlyDataExtensionWithoutResumption, Alert::UnsupportedExtension, "the server accepts early data without a resumed session"),
    (Peer::EarlyDataOfferedWithVariedCipherSuite, Alert::IllegalParameter, "early data is offered with another cipher suite than the session's"),
    (Peer::EchAcceptanceVariedAfterRetry, Alert::IllegalParameter, "the server's answer to the encrypted ClientHello changed after a retry"),
    (Peer::HandshakeHashVariedAfterRetry, Alert::IllegalParameter, "the hash of the handshake changed after a retry"),
    (Peer::IllegalHelloRetryRequestWithEmptyCookie, Alert::IllegalParameter, "a HelloRetryRequest with an empty cookie"),
    (Peer::IllegalHelloRetryRequestWithNoChanges, Alert::IllegalParameter, "a HelloRetryRequest that asks for no change"),
    (Peer::IllegalHelloRetryRequestWithOfferedGroup, Alert::IllegalParameter, "a HelloRetryRequest for a group whose key share was sent"),
    (Peer::IllegalHelloRetryRequestWithUnofferedCipherSuite, Alert::IllegalParameter, "a HelloRetryRequest with a cipher suite that was not offered"),
    (Peer::IllegalHelloRetryRequestWithUnofferedNamedGroup, Alert::IllegalParameter, "a HelloRetryRequest for a group that was not offered"),
    (Peer::IllegalHelloRetryRequestWithUnsupportedVersion, Alert::IllegalParameter, "a HelloRetryRequest with a version that was not offered"),
    (Peer::IllegalHelloRetryRequestWithWrongSessionId, Alert::IllegalParameter, "a HelloRetryRequest with another session id"),
    (Peer::IllegalHelloRetryRequestWithInvalidEch, Alert::IllegalParameter, "a HelloRetryRequest with a malformed answer to the encrypted ClientHello"),
    (Peer::IllegalMiddleboxChangeCipherSpec, Alert::UnexpectedMessage, "a malformed or unexpected change_cipher_spec"),
    (Peer::IllegalTlsInnerPlaintext, Alert::UnexpectedMessage, "an encrypted record without a content type"),
    (Peer::IncorrectBinder, Alert::DecryptError, "the binder of a pre-shared key is wrong"),
    (Peer::InvalidCertCompression, Alert::BadCertificate, "a compressed certificate cannot be decompressed"),
    (Peer::InvalidMaxEarlyDataSize, Alert::IllegalParameter, "a session ticket with an impossible limit for early data"),
    (Peer::InvalidKeyShare, Alert::IllegalParameter, "a key share is not a valid public key"),
    (Peer::KeyEpochWithPendingFragment, Alert::UnexpectedMessage, "a message is split by a change of keys"),
    (Peer::KeyUpdateReceivedInQuicConnection, Alert::UnexpectedMessage, "a KeyUpdate in QUIC"),
    (Peer::MessageInterleavedWithHandshakeMessage, Alert::UnexpectedMessage, "another record comes between the parts of a handshake message"),
    (Peer::MissingBinderInPskExtension, Alert::DecodeError, "a pre-shared key without a binder"),
    (Peer::MissingKeyShare, Alert::MissingExtension, "a key_share is missing"),
    (Peer::MissingPskExtensionInSecondClientHello, Alert::MissingExtension, "the second ClientHello lacks the pre_shared_key of the first"),
    (Peer::MissingPskModesExtension, Alert::MissingExtension, "a pre_shared_key comes without psk_key_exchange_modes"),
    (Peer::MissingQuicTransportParameters, Alert::MissingExtension, "QUIC's transport parameters are missing"),
    (Peer::OfferedDuplicateCertificateCompressions, Alert::IllegalParameter, "a certificate compression is offered twice"),
    (Peer::OfferedDuplicateKeyShares, Alert::IllegalParameter, "two key shares for one group"),
    (Peer::OfferedEarlyDataWithOldProtocolVersion, Alert::IllegalParameter, "early data is accepted with a version before TLS 1.3"),
    (Peer::OfferedEmptyApplicationProtocol, Alert::IllegalParameter, "an application protocol with an empty name"),
    (Peer::OfferedIncorrectCompressions, Alert::IllegalParameter, "TLS 1.3 is offered together with compression"),
    (Peer::PskExtensionMustBeLast, Alert::IllegalParameter, "the extension pre_shared_key is not the last one"),
    (Peer::PskExtensionWithMismatchedIdsAndBinders, Alert::IllegalParameter, "the pre-shared keys and their binders differ in number"),
    (Peer::RefusedToFollowHelloRetryRequest, Alert::IllegalParameter, "the second ClientHello lacks the key share that the HelloRetryRequest asked for"),
    (Peer::RejectedEarlyDataInterleavedWithHandshakeMessage, Alert::UnexpectedMessage, "early data comes between the parts of a handshake message"),
    (Peer::ResumptionAttemptedWithVariedEms, Alert::IllegalParameter, "a session is resumed without its extended_master_secret"),
    (Peer::ResumptionOfferedWithVariedCipherSuite, Alert::IllegalParameter, "a session is resumed with another cipher suite"),
    (Peer::ResumptionOfferedWithVariedEms, Alert::IllegalParameter, "a session is resumed with another extended_master_secret"),
    (Peer::ResumptionOfferedWithIncompatibleCipherSuite, Alert::IllegalParameter, "a session is resumed with a cipher suite that does not fit it"),
    (Peer::SelectedDifferentCipherSuiteAfterRetry, Alert::IllegalParameter, "the server chose another cipher suite after its HelloRetryRequest"),
    (Peer::SelectedInvalidPsk, Alert::IllegalParameter, "the server chose a pre-shared key that was not offered"),
    (Peer::SelectedTls12UsingTls13VersionExtension, Alert::IllegalParameter, "the server chose TLS 1.2 by supported_versions"),
    (Peer::SelectedUnofferedApplicationProtocol, Alert::IllegalParameter, "the server chose an application protocol that was not offered"),
    (Peer::SelectedUnofferedCertCompression, Alert::BadCertificate, "the peer chose a certificate compression that was not offered"),
    (Peer::SelectedUnofferedCipherSuite, Alert::IllegalParameter, "the server chose a cipher suite that was not offered"),
    (Peer::SelectedUnofferedCompression, Alert::IllegalParameter, "the server chose a compression that was not offered"),
    (Peer::SelectedUnofferedKxGroup, Alert::IllegalParameter, "the peer chose a key exchange group that was not offered"),
    (Peer::SelectedUnofferedPsk, Alert::IllegalParameter, "the server chose a pre-shared key that was not offered"),
    (Peer::SelectedUnusableCipherSuiteForVersion, Alert::IllegalParameter, "the server chose a cipher suite that its version does not have"),
    (Peer::ServerEchoedCompatibilitySessionId, Alert::IllegalParameter, "the server resumed a session that does not exist"),
    (Peer::ServerHelloMustOfferUncompressedEcPoints, Alert::IllegalParameter, "the server does not accept uncompressed points"),
    (Peer::ServerNameDifferedOnRetry, Alert::IllegalParameter, "the second ClientHello has another server name than the first"),
    (Peer::ServerNameMustContainOneHostName, Alert::IllegalParameter, "the server name is not a host name"),
    (Peer::SignedKxWithWrongAlgorithm, Alert::IllegalParameter, "the key exchange is signed with an algorithm that does not fit the cipher suite"),
    (Peer::SignedHandshakeWithUnadvertisedSigScheme, Alert::IllegalParameter, "the handshake is signed with a scheme that was not offered"),
    (Peer::TooManyEmptyFragments, Alert::UnexpectedMessage, "too many empty records"),
    (Peer::TooManyKeyUpdateRequests, Alert::UnexpectedMessage, "too many KeyUpdate messages"),
    (Peer::TooManyRenegotiationRequests, Alert::UnexpectedMessage, "too many requests to renegotiate"),
    (Peer::TooManyWarningAlertsReceived, Alert::UnexpectedMessage, "too many warnings"),
    (Peer::TooMuchEarlyDataReceived, Alert::UnexpectedMessage, "more early data than is allowed"),
    (Peer::UnexpectedCleartextExtension, Alert::UnsupportedExtension, "an extension that must be encrypted is sent in the clear"),
    (Peer::UnsolicitedCertExtension, Alert::UnsupportedExtension, "a certificate comes with an extension of TLS that was not asked for"),
    (Peer::UnsolicitedEncryptedExtension, Alert::UnsupportedExtension, "EncryptedExtensions has an extension that was not asked for"),
    (Peer::UnsolicitedSctList, Alert::UnsupportedExtension, "a list of SCTs that was not asked for"),
    (Peer::UnsolicitedServerHelloExtension, Alert::UnsupportedExtension, "the ServerHello has an extension that was not asked for"),
    (Peer::WrongGroupForKeyShare, Alert::IllegalParameter, "a key share of another group than was asked for"),
    (Peer::UnsolicitedEchExtension, Alert::UnsupportedExtension, "an answer to an encrypted ClientHello that was not sent"),
];
