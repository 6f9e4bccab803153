//! All of rustls's errors that can be created: none shows the name of a type, and each has the alert of RFC 8446.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{ServerName, UnixTime};
use rustls::server::Acceptor;
use rustls::{
    CertRevocationListError, CertificateError, ContentType, ExtendedKeyPurpose, HandshakeType, OtherError,
    PeerMisbehaved,
};

use super::*;

/// Messages whose names RFC 8446 writes in this form.
const MESSAGES: [&str; 8] = [
    "ClientHello",
    "ServerHello",
    "HelloRetryRequest",
    "EncryptedExtensions",
    "CertificateRequest",
    "NewSessionTicket",
    "KeyUpdate",
    "ChangeCipherSpec",
];

/// Whether a reader would take it for a sentence.
fn is_plain(text: &str) -> bool {
    let is_word = |word: &str| {
        let word = word.strip_suffix("'s").unwrap_or(word);
        let inner = word.chars().skip(1).any(|letter| letter.is_ascii_uppercase());
        let lower = word.chars().any(|letter| letter.is_ascii_lowercase());
        // TLS, QUIC, KiB and SCTs are written so.
        !(inner && lower) || MESSAGES.contains(&word) || ["KiB", "SCTs"].contains(&word)
    };
    let words =
        text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '\'').filter(|word| !word.is_empty());
    !text.is_empty() && !text.contains(['(', ')', '{', '}', '"']) && words.into_iter().all(is_word)
}

#[test]
fn debug_texts_are_recognised() {
    for text in ["PeerMisbehaved", "peer misbehaved: TooManyEmptyFragments", "Other(OtherError(CaUsedAsEndEntity))", ""]
    {
        assert!(!is_plain(text), "{text}");
    }
    assert!(is_plain("a HelloRetryRequest with an empty cookie, at most 64 KiB"));
    assert_eq!(spelled("SomethingNew(Context { of: 1 })"), "something new");
    assert_eq!(plain("CaUsedAsEndEntity"), "ca used as end entity");
    assert_eq!(plain("MaximumSignatureChecksExceeded: x"), "maximum signature checks exceeded");
    assert_eq!(plain("TLS 1.2 has no key updates"), "TLS 1.2 has no key updates");
    assert_eq!(plain("Secret extraction is disabled"), "Secret extraction is disabled");
}

#[test]
fn no_error_shows_the_name_of_a_type() {
    let all = all();
    assert!(all.len() > 150, "{}", all.len());
    for error in all {
        let reason = reason(&error);
        assert!(is_plain(&reason), "{error:?}: {reason}");
        assert!(!reason.ends_with('.') && !reason.contains("  "), "{reason}");
    }
}

#[test]
fn each_error_has_the_alert_of_the_rfc() {
    use AlertDescription as Alert;
    let alerts: Vec<(Error, Option<Alert>)> = all().into_iter().map(|error| (error.clone(), alert(&error))).collect();
    for (error, alert) in &alerts {
        match error {
            // A peer that sent a fatal alert gets none.
            Error::AlertReceived(_) => assert_eq!(*alert, None),
            Error::PeerMisbehaved(_) | Error::InvalidMessage(_) | Error::PeerIncompatible(_) => {
                // A fault of the peer is never reported as an internal error.
                assert!(!matches!(alert, None | Some(Alert::InternalError | Alert::CloseNotify)), "{error:?}");
            }
            _ => assert!(alert.is_some(), "{error:?}"),
        }
    }
    for (error, expected) in [
        (Error::InappropriateMessage { expect_types: vec![], got_type: ContentType::Alert }, Alert::UnexpectedMessage),
        (PeerMisbehaved::ServerNameDifferedOnRetry.into(), Alert::IllegalParameter),
        (PeerMisbehaved::MessageInterleavedWithHandshakeMessage.into(), Alert::UnexpectedMessage),
        (PeerMisbehaved::TooManyEmptyFragments.into(), Alert::UnexpectedMessage),
        (PeerMisbehaved::IncorrectBinder.into(), Alert::DecryptError),
        (PeerMisbehaved::MissingPskModesExtension.into(), Alert::MissingExtension),
        (InvalidMessage::HandshakePayloadTooLarge.into(), Alert::DecodeError),
        (InvalidMessage::MessageTooLarge.into(), Alert::RecordOverflow),
        (InvalidMessage::DuplicateExtension(0).into(), Alert::IllegalParameter),
        (PeerIncompatible::NoCipherSuitesInCommon.into(), Alert::HandshakeFailure),
        (PeerIncompatible::Tls12NotOfferedOrEnabled.into(), Alert::ProtocolVersion),
        (CertificateError::UnknownIssuer.into(), Alert::UnknownCA),
        (Error::NoCertificatesPresented, Alert::CertificateRequired),
        (Error::PeerSentOversizedRecord, Alert::RecordOverflow),
        (Error::NoApplicationProtocol, Alert::NoApplicationProtocol),
        (Error::FailedToGetRandomBytes, Alert::InternalError),
    ] {
        assert_eq!(alert(&error), Some(expected), "{error:?}");
    }
}

#[test]
fn the_alerts_that_rustls_sends_are_those_of_the_table() {
    // A hello without null compression, one with an invalid server name, and one that is cut short.
    let with = |compression: &[u8], extensions: &[u8]| {
        let body = [
            &[3, 3][..],
            &[7; 32],
            &[0, 0, 2, 0x13, 1],
            &[compression.len() as u8],
            compression,
            &(extensions.len() as u16).to_be_bytes(),
            extensions,
        ]
        .concat();
        let message = [&[1, 0, 0, body.len() as u8][..], &body].concat();
        [&[22, 3, 1, 0, message.len() as u8][..], &message].concat()
    };
    let port = b"\0\0\0\x0f\0\x0d\0\0\x0aa.test:636";
    for hello in [with(&[1], &[]), with(&[0], port), with(&[0], &[0, 13, 0]), with(&[0], &[])] {
        let mut acceptor = Acceptor::default();
        acceptor.read_tls(&mut hello.as_slice()).unwrap();
        let Err((error, mut written)) = acceptor.accept() else { panic!("{hello:?} is accepted") };
        let mut wire = Vec::new();
        written.write_all(&mut wire).unwrap();
        assert_eq!(wire.last().copied(), alert(&error).map(u8::from), "{error:?}");
    }
}

#[test]
fn types_of_messages_have_their_names() {
    let error = Error::InappropriateHandshakeMessage {
        expect_types: vec![HandshakeType::ClientHello],
        got_type: HandshakeType::from(0x11),
    };
    assert_eq!(reason(&error), "unexpected handshake message of type unknown_17, expected client_hello");
    let error = Error::InappropriateMessage {
        expect_types: vec![ContentType::Handshake, ContentType::ChangeCipherSpec],
        got_type: ContentType::ApplicationData,
    };
    assert_eq!(reason(&error), "unexpected record of type application_data, expected handshake or change_cipher_spec");
}

/// Every error that can be created. rustls's enums cannot be iterated; a variant that is missing here has the default.
fn all() -> Vec<Error> {
    let mut all = vec![
        Error::InappropriateMessage {
            expect_types: vec![ContentType::Alert, ContentType::from(77)],
            got_type: ContentType::Handshake,
        },
        Error::InappropriateHandshakeMessage {
            expect_types: vec![HandshakeType::ClientHello, HandshakeType::from(99)],
            got_type: HandshakeType::CertificateURL,
        },
        Error::NoCertificatesPresented,
        Error::UnsupportedNameType,
        Error::DecryptError,
        Error::EncryptError,
        Error::AlertReceived(AlertDescription::BadCertificateHashValue),
        Error::AlertReceived(AlertDescription::from(222)),
        Error::General("Received exotic".to_owned()),
        Error::FailedToGetCurrentTime,
        Error::FailedToGetRandomBytes,
        Error::HandshakeNotComplete,
        Error::PeerSentOversizedRecord,
        Error::NoApplicationProtocol,
        Error::BadMaxFragmentSize,
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch),
        Error::InconsistentKeys(InconsistentKeys::Unknown),
        Error::Other(other()),
    ];
    all.extend(misbehaviours().into_iter().map(Error::from));
    all.extend(invalid_messages().into_iter().map(Error::from));
    all.extend(incompatibilities().into_iter().map(Error::from));
    all.extend(certificates().into_iter().map(Error::from));
    all.extend(revocation_lists().into_iter().map(Error::from));
    use EncryptedClientHelloError as Ech;
    all.extend([Ech::InvalidConfigList, Ech::NoCompatibleConfig, Ech::SniRequired].map(Error::from));
    all
}

fn other() -> OtherError {
    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Named(&'static str);
    OtherError(Arc::new(Named("UnsupportedSignatureAlgorithmForPublicKeyContext(Context { id: [1] })")))
}

#[rustfmt::skip]
fn misbehaviours() -> Vec<PeerMisbehaved> {
    use PeerMisbehaved::*;
    vec![
        AttemptedDowngradeToTls12WhenTls13IsSupported, BadCertChainExtensions, CipherSuiteDifferedOnRetry,
        DisallowedEncryptedExtension, DuplicateClientHelloExtensions, DuplicateEncryptedExtensions,
        DuplicateHelloRetryRequestExtensions, DuplicateNewSessionTicketExtensions, DuplicateServerHelloExtensions,
        DuplicateServerNameTypes, EarlyDataAttemptedInSecondClientHello, EarlyDataExtensionWithoutResumption,
        EarlyDataOfferedWithVariedCipherSuite, EchAcceptanceVariedAfterRetry, HandshakeHashVariedAfterRetry,
        IllegalHelloRetryRequestWithEmptyCookie, IllegalHelloRetryRequestWithNoChanges,
        IllegalHelloRetryRequestWithOfferedGroup, IllegalHelloRetryRequestWithUnofferedCipherSuite,
        IllegalHelloRetryRequestWithUnofferedNamedGroup, IllegalHelloRetryRequestWithUnsupportedVersion,
        IllegalHelloRetryRequestWithWrongSessionId, IllegalHelloRetryRequestWithInvalidEch,
        IllegalMiddleboxChangeCipherSpec, IllegalTlsInnerPlaintext, IncorrectBinder, InvalidCertCompression,
        InvalidMaxEarlyDataSize, InvalidKeyShare, KeyEpochWithPendingFragment, KeyUpdateReceivedInQuicConnection,
        MessageInterleavedWithHandshakeMessage, MissingBinderInPskExtension, MissingKeyShare,
        MissingPskExtensionInSecondClientHello, MissingPskModesExtension, MissingQuicTransportParameters,
        OfferedDuplicateCertificateCompressions, OfferedDuplicateKeyShares, OfferedEarlyDataWithOldProtocolVersion,
        OfferedEmptyApplicationProtocol, OfferedIncorrectCompressions, PskExtensionMustBeLast,
        PskExtensionWithMismatchedIdsAndBinders, RefusedToFollowHelloRetryRequest,
        RejectedEarlyDataInterleavedWithHandshakeMessage, ResumptionAttemptedWithVariedEms,
        ResumptionOfferedWithVariedCipherSuite, ResumptionOfferedWithVariedEms,
        ResumptionOfferedWithIncompatibleCipherSuite, SelectedDifferentCipherSuiteAfterRetry, SelectedInvalidPsk,
        SelectedTls12UsingTls13VersionExtension, SelectedUnofferedApplicationProtocol,
        SelectedUnofferedCertCompression, SelectedUnofferedCipherSuite, SelectedUnofferedCompression,
        SelectedUnofferedKxGroup, SelectedUnofferedPsk, SelectedUnusableCipherSuiteForVersion,
        ServerEchoedCompatibilitySessionId, ServerHelloMustOfferUncompressedEcPoints, ServerNameDifferedOnRetry,
        ServerNameMustContainOneHostName, SignedKxWithWrongAlgorithm, SignedHandshakeWithUnadvertisedSigScheme,
        TooManyEmptyFragments, TooManyKeyUpdateRequests, TooManyRenegotiationRequests, TooManyWarningAlertsReceived,
        TooMuchEarlyDataReceived, UnexpectedCleartextExtension, UnsolicitedCertExtension,
        UnsolicitedEncryptedExtension, UnsolicitedSctList, UnsolicitedServerHelloExtension, WrongGroupForKeyShare,
        UnsolicitedEchExtension,
    ]
}

fn invalid_messages() -> Vec<InvalidMessage> {
    use InvalidMessage::*;
    let mut all = vec![
        CertificatePayloadTooLarge,
        HandshakePayloadTooLarge,
        InvalidCcs,
        InvalidContentType,
        InvalidCertificateStatusType,
        InvalidCertRequest,
        InvalidDhParams,
        InvalidEmptyPayload,
        InvalidKeyUpdate,
        InvalidServerName,
        MessageTooLarge,
        MessageTooShort,
        MissingKeyExchange,
        NoSignatureSchemes,
        UnexpectedMessage("MessageHash"),
        UnknownProtocolVersion,
        UnsupportedCompression,
        UnsupportedCurveType,
        EmptyTicketValue,
        IllegalEmptyValue,
        DuplicateExtension(51),
        PreSharedKeyIsNotFinalExtension,
        UnknownHelloRetryRequestExtension,
        UnknownCertificateExtension,
    ];
    for part in ["SessionID", "ECPointFormats", "u8", "PskIdentities", "ServerNamePayload", "HandshakeMessagePayload"] {
        all.extend([MissingData(part), TrailingData(part), IllegalEmptyList(part)]);
    }
    all
}

fn incompatibilities() -> Vec<PeerIncompatible> {
    use PeerIncompatible::*;
    vec![
        EcPointsExtensionRequired,
        ExtendedMasterSecretExtensionRequired,
        IncorrectCertificateTypeExtension,
        KeyShareExtensionRequired,
        NamedGroupsExtensionRequired,
        NoCertificateRequestSignatureSchemesInCommon,
        NoCipherSuitesInCommon,
        NoEcPointFormatsInCommon,
        NoKxGroupsInCommon,
        NoSignatureSchemesInCommon,
        NullCompressionRequired,
        ServerDoesNotSupportTls12Or13,
        ServerSentHelloRetryRequestWithUnknownExtension,
        ServerTlsVersionIsDisabledByOurConfig,
        SignatureAlgorithmsExtensionRequired,
        SupportedVersionsExtensionRequired,
        Tls12NotOffered,
        Tls12NotOfferedOrEnabled,
        Tls13RequiredForQuic,
        UncompressedEcPointsRequired,
        UnsolicitedCertificateTypeExtension,
        ServerRejectedEncryptedClientHello(None),
    ]
}

fn certificates() -> Vec<CertificateError> {
    use CertificateError::*;
    let time = UnixTime::since_unix_epoch(Duration::from_secs(1_000_000));
    let name = ServerName::try_from("a.test").unwrap().to_owned();
    vec![
        BadEncoding,
        Expired,
        ExpiredContext { time, not_after: time },
        NotValidYet,
        NotValidYetContext { time, not_before: time },
        Revoked,
        UnhandledCriticalExtension,
        UnknownIssuer,
        UnknownRevocationStatus,
        ExpiredRevocationList,
        ExpiredRevocationListContext { time, next_update: time },
        BadSignature,
        UnsupportedSignatureAlgorithmContext { signature_algorithm_id: vec![1], supported_algorithms: vec![] },
        UnsupportedSignatureAlgorithmForPublicKeyContext {
            signature_algorithm_id: vec![1],
            public_key_algorithm_id: vec![2],
        },
        NotValidForName,
        NotValidForNameContext { expected: name, presented: vec!["DnsName(\"b.test\")".to_owned()] },
        InvalidPurpose,
        InvalidPurposeContext {
            required: ExtendedKeyPurpose::ClientAuth,
            presented: vec![ExtendedKeyPurpose::Other(vec![1, 3, 6])],
        },
        InvalidOcspResponse,
        ApplicationVerificationFailure,
        Other(other()),
    ]
}

fn revocation_lists() -> Vec<CertRevocationListError> {
    use CertRevocationListError::*;
    vec![
        BadSignature,
        UnsupportedSignatureAlgorithmContext { signature_algorithm_id: vec![1], supported_algorithms: vec![] },
        UnsupportedSignatureAlgorithmForPublicKeyContext {
            signature_algorithm_id: vec![1],
            public_key_algorithm_id: vec![2],
        },
        InvalidCrlNumber,
        InvalidRevokedCertSerialNumber,
        IssuerInvalidForCrl,
        Other(other()),
        ParseError,
        UnsupportedCrlVersion,
        UnsupportedCriticalExtension,
        UnsupportedDeltaCrl,
        UnsupportedIndirectCrl,
        UnsupportedRevocationReason,
    ]
}
