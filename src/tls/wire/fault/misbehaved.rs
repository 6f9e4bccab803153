//! What a peer did against the protocol: in words, and as an alert. Must not know: the other errors.

use rustls::{AlertDescription, PeerMisbehaved};

use crate::tls::wire::fault::spelled;

/// The cause in words.
pub(super) fn reason(error: &PeerMisbehaved) -> String {
    match row(error) {
        Some((_, words)) => words.to_owned(),
        None => format!("the peer broke the protocol: {}", spelled(&format!("{error:?}"))),
    }
}

/// The alert that names it.
pub(super) fn alert(error: &PeerMisbehaved) -> AlertDescription {
    row(error).map_or(AlertDescription::IllegalParameter, |(alert, _)| alert)
}

/// The alerts are those of RFC 8446 section 6.2.
#[rustfmt::skip]
fn row(error: &PeerMisbehaved) -> Option<(AlertDescription, &'static str)> {
    use AlertDescription::*;
    use PeerMisbehaved as Peer;
    Some(match error {
        Peer::AttemptedDowngradeToTls12WhenTls13IsSupported => (IllegalParameter, "the server supports TLS 1.3, and TLS 1.2 was chosen: a downgrade"),
        Peer::BadCertChainExtensions => (UnsupportedExtension, "a certificate in the chain has an extension of TLS that it must not have"),
        Peer::CipherSuiteDifferedOnRetry => (IllegalParameter, "the second ClientHello leads to another cipher suite than the first"),
        Peer::DisallowedEncryptedExtension => (UnsupportedExtension, "EncryptedExtensions has an extension that it must not have"),
        Peer::DuplicateClientHelloExtensions => (IllegalParameter, "an extension comes twice in the ClientHello"),
        Peer::DuplicateEncryptedExtensions => (IllegalParameter, "an extension comes twice in EncryptedExtensions"),
        Peer::DuplicateHelloRetryRequestExtensions => (IllegalParameter, "an extension comes twice in the HelloRetryRequest"),
        Peer::DuplicateNewSessionTicketExtensions => (IllegalParameter, "an extension comes twice in the NewSessionTicket"),
        Peer::DuplicateServerHelloExtensions => (IllegalParameter, "an extension comes twice in the ServerHello"),
        Peer::DuplicateServerNameTypes => (IllegalParameter, "the ClientHello has several server names of one type"),
        Peer::EarlyDataAttemptedInSecondClientHello => (IllegalParameter, "the second ClientHello offers early data"),
        Peer::EarlyDataExtensionWithoutResumption => (UnsupportedExtension, "the server accepts early data without a resumed session"),
        Peer::EarlyDataOfferedWithVariedCipherSuite => (IllegalParameter, "early data is offered with another cipher suite than the session's"),
        Peer::EchAcceptanceVariedAfterRetry => (IllegalParameter, "the server changed its mind about the encrypted ClientHello after a retry"),
        Peer::HandshakeHashVariedAfterRetry => (IllegalParameter, "the hash of the handshake changed after a retry"),
        Peer::IllegalHelloRetryRequestWithEmptyCookie => (IllegalParameter, "a HelloRetryRequest with an empty cookie"),
        Peer::IllegalHelloRetryRequestWithNoChanges => (IllegalParameter, "a HelloRetryRequest that asks for no change"),
        Peer::IllegalHelloRetryRequestWithOfferedGroup => (IllegalParameter, "a HelloRetryRequest for a group whose key share was sent"),
        Peer::IllegalHelloRetryRequestWithUnofferedCipherSuite => (IllegalParameter, "a HelloRetryRequest with a cipher suite that was not offered"),
        Peer::IllegalHelloRetryRequestWithUnofferedNamedGroup => (IllegalParameter, "a HelloRetryRequest for a group that was not offered"),
        Peer::IllegalHelloRetryRequestWithUnsupportedVersion => (IllegalParameter, "a HelloRetryRequest with a version that was not offered"),
        Peer::IllegalHelloRetryRequestWithWrongSessionId => (IllegalParameter, "a HelloRetryRequest with another session id"),
        Peer::IllegalHelloRetryRequestWithInvalidEch => (IllegalParameter, "a HelloRetryRequest with a malformed answer to the encrypted ClientHello"),
        Peer::IllegalMiddleboxChangeCipherSpec => (UnexpectedMessage, "a change_cipher_spec that is malformed, or comes where none is due"),
        Peer::IllegalTlsInnerPlaintext => (UnexpectedMessage, "an encrypted record without a content type"),
        Peer::IncorrectBinder => (DecryptError, "the binder of a pre-shared key is wrong"),
        Peer::InvalidCertCompression => (BadCertificate, "a compressed certificate cannot be decompressed"),
        Peer::InvalidMaxEarlyDataSize => (IllegalParameter, "a session ticket with an impossible limit for early data"),
        Peer::InvalidKeyShare => (IllegalParameter, "a key share is no valid public key"),
        Peer::KeyEpochWithPendingFragment => (UnexpectedMessage, "a message is split by a change of keys"),
        Peer::KeyUpdateReceivedInQuicConnection => (UnexpectedMessage, "a KeyUpdate in QUIC"),
        Peer::MessageInterleavedWithHandshakeMessage => (UnexpectedMessage, "another record comes between the parts of a handshake message"),
        Peer::MissingBinderInPskExtension => (DecodeError, "a pre-shared key without a binder"),
        Peer::MissingKeyShare => (MissingExtension, "a key_share is missing"),
        Peer::MissingPskExtensionInSecondClientHello => (MissingExtension, "the second ClientHello lacks the pre_shared_key of the first"),
        Peer::MissingPskModesExtension => (MissingExtension, "a pre_shared_key comes without psk_key_exchange_modes"),
        Peer::MissingQuicTransportParameters => (MissingExtension, "QUIC's transport parameters are missing"),
        Peer::OfferedDuplicateCertificateCompressions => (IllegalParameter, "a certificate compression is offered twice"),
        Peer::OfferedDuplicateKeyShares => (IllegalParameter, "two key shares for one group"),
        Peer::OfferedEarlyDataWithOldProtocolVersion => (IllegalParameter, "early data is accepted with a version before TLS 1.3"),
        Peer::OfferedEmptyApplicationProtocol => (IllegalParameter, "an application protocol with an empty name"),
        Peer::OfferedIncorrectCompressions => (IllegalParameter, "TLS 1.3 is offered together with compression"),
        Peer::PskExtensionMustBeLast => (IllegalParameter, "the extension pre_shared_key is not the last one"),
        Peer::PskExtensionWithMismatchedIdsAndBinders => (IllegalParameter, "the pre-shared keys and their binders differ in number"),
        Peer::RefusedToFollowHelloRetryRequest => (IllegalParameter, "the second ClientHello lacks the key share that the HelloRetryRequest asked for"),
        Peer::RejectedEarlyDataInterleavedWithHandshakeMessage => (UnexpectedMessage, "early data comes between the parts of a handshake message"),
        Peer::ResumptionAttemptedWithVariedEms => (IllegalParameter, "a session is resumed without its extended_master_secret"),
        Peer::ResumptionOfferedWithVariedCipherSuite => (IllegalParameter, "a session is resumed with another cipher suite"),
        Peer::ResumptionOfferedWithVariedEms => (IllegalParameter, "a session is resumed with another extended_master_secret"),
        Peer::ResumptionOfferedWithIncompatibleCipherSuite => (IllegalParameter, "a session is resumed with a cipher suite that does not fit it"),
        Peer::SelectedDifferentCipherSuiteAfterRetry => (IllegalParameter, "the server chose another cipher suite after its HelloRetryRequest"),
        Peer::SelectedInvalidPsk => (IllegalParameter, "the server chose a pre-shared key that was not offered"),
        Peer::SelectedTls12UsingTls13VersionExtension => (IllegalParameter, "the server chose TLS 1.2 by supported_versions"),
        Peer::SelectedUnofferedApplicationProtocol => (IllegalParameter, "the server chose an application protocol that was not offered"),
        Peer::SelectedUnofferedCertCompression => (BadCertificate, "the peer chose a certificate compression that was not offered"),
        Peer::SelectedUnofferedCipherSuite => (IllegalParameter, "the server chose a cipher suite that was not offered"),
        Peer::SelectedUnofferedCompression => (IllegalParameter, "the server chose a compression that was not offered"),
        Peer::SelectedUnofferedKxGroup => (IllegalParameter, "the peer chose a key exchange group that was not offered"),
        Peer::SelectedUnofferedPsk => (IllegalParameter, "the server chose a pre-shared key that was not offered"),
        Peer::SelectedUnusableCipherSuiteForVersion => (IllegalParameter, "the server chose a cipher suite that its version does not have"),
        Peer::ServerEchoedCompatibilitySessionId => (IllegalParameter, "the server resumed a session that does not exist"),
        Peer::ServerHelloMustOfferUncompressedEcPoints => (IllegalParameter, "the server does not take uncompressed points"),
        Peer::ServerNameDifferedOnRetry => (IllegalParameter, "the second ClientHello has another server name than the first"),
        Peer::ServerNameMustContainOneHostName => (IllegalParameter, "the server name is not a host name"),
        Peer::SignedKxWithWrongAlgorithm => (IllegalParameter, "the key exchange is signed with an algorithm that does not fit the cipher suite"),
        Peer::SignedHandshakeWithUnadvertisedSigScheme => (IllegalParameter, "the handshake is signed with a scheme that was not offered"),
        Peer::TooManyEmptyFragments => (UnexpectedMessage, "too many empty records"),
        Peer::TooManyKeyUpdateRequests => (UnexpectedMessage, "too many KeyUpdate messages"),
        Peer::TooManyRenegotiationRequests => (UnexpectedMessage, "too many requests to renegotiate"),
        Peer::TooManyWarningAlertsReceived => (UnexpectedMessage, "too many warnings"),
        Peer::TooMuchEarlyDataReceived => (UnexpectedMessage, "more early data than is allowed"),
        Peer::UnexpectedCleartextExtension => (UnsupportedExtension, "an extension that must be encrypted comes in the clear"),
        Peer::UnsolicitedCertExtension => (UnsupportedExtension, "a certificate comes with an extension of TLS that was not asked for"),
        Peer::UnsolicitedEncryptedExtension => (UnsupportedExtension, "EncryptedExtensions has an extension that was not asked for"),
        Peer::UnsolicitedSctList => (UnsupportedExtension, "a list of SCTs that was not asked for"),
        Peer::UnsolicitedServerHelloExtension => (UnsupportedExtension, "the ServerHello has an extension that was not asked for"),
        Peer::WrongGroupForKeyShare => (IllegalParameter, "a key share of another group than was asked for"),
        Peer::UnsolicitedEchExtension => (UnsupportedExtension, "an answer to an encrypted ClientHello that was not sent"),
        _ => return None,
    })
}
