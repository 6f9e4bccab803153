//! Every error of every stage: what it is called, and how both sides are closed.

use std::collections::BTreeSet;
use std::io;

use rustls::pki_types::CertificateDer;
use rustls::{AlertDescription as Alert, CertificateError, Error as TlsError, PeerMisbehaved};

use super::beginning::Late;
use super::{Closing, Ending, Farewell};
use crate::backend::connect::Failure;
use crate::backend::failure::FailureKind;
use crate::backend::pool::NoServer;
use crate::labels::Labels;
use crate::limit::counts::Refused;
use crate::limit::portion::KeptOut;
use crate::limit::waiting::Asked;
use crate::live::call::Mode;
use crate::net::address::Address;
use crate::net::proxy_protocol::header::HeaderError;
use crate::observe::outcome::Outcome;
use crate::proxy::hello::NoHello;
use crate::proxy::proxied::NoHeader;
use crate::relay::{By, End, Left};
use crate::route::ways::{Route, Way, Ways};
use crate::starttls::step;
use crate::tls::handshake::failure::HandshakeError;
use crate::tls::handshake::refusal::Refusal;
use crate::tls::record::interface::RecordError;
use crate::tls::token::error::TokenError;
use crate::tls::trust::clients::again::Distrust;
use crate::tls::trust::clients::identity::Identity;
use crate::tls::trust::clients::rejection::Rejection;
use crate::tls::wire::hello::HelloError;

/// An ending, its outcome, its reason (empty for none), and what the client sees.
type Row = (Ending, Outcome, &'static str, Farewell);

fn broken() -> io::Error {
    io::Error::other("broken")
}

fn words() -> Vec<u8> {
    b"words".to_vec()
}

fn distrust(fault: Rejection) -> Distrust {
    Distrust { fault, alert: Alert::CertificateRevoked, reason: "i".into() }
}

fn before_a_hello() -> Vec<Row> {
    use Farewell::{Close, Words};
    let starttls = |why, say: &[u8]| Ending::from(step::End { say: say.to_vec(), why });
    vec![
        (Refused::Denied.into(), Outcome::ClientDenied, "", Close),
        (Refused::Blocked.into(), Outcome::ClientBlocked, "", Close),
        (Refused::TooManyOfClient.into(), Outcome::ClientConnectionLimit, "", Close),
        (Refused::TooOftenByClient.into(), Outcome::ClientConnectionRate, "", Close),
        (Refused::TooMany.into(), Outcome::ConnectionLimit, "", Close),
        (Refused::TooOften.into(), Outcome::ConnectionRate, "", Close),
        (Refused::NoRoom.into(), Outcome::DescriptorLimit, "", Close),
        (Ending::no_memory(), Outcome::MemoryLimit, "", Close),
        (Ending::untrusted_proxy(), Outcome::ProxyUntrusted, "", Close),
        (NoHeader::Closed.into(), Outcome::ProxyHeaderClosed, "", Close),
        (NoHeader::Io(broken()).into(), Outcome::ProxyHeaderClosed, "broken", Close),
        (
            NoHeader::Bad(HeaderError::TooLarge(7)).into(),
            Outcome::ProxyHeaderInvalid,
            "a PROXY header larger than 7 bytes",
            Close,
        ),
        (
            starttls(step::Refusal::Closed, b""),
            Outcome::StarttlsClosed,
            "the client closed without asking for TLS",
            Close,
        ),
        (starttls(step::Refusal::Io(broken()), b""), Outcome::StarttlsClosed, "broken", Close),
        (starttls(step::Refusal::InTheClear("a".into()), b""), Outcome::StarttlsRefused, "a", Close),
        (
            starttls(step::Refusal::Pipelined, b"words"),
            Outcome::StarttlsPipelined,
            "bytes followed the request for TLS before it was answered",
            Words(words()),
        ),
        (starttls(step::Refusal::Invalid("b".into()), b"words"), Outcome::StarttlsInvalid, "b", Words(words())),
        (Late::ProxyHeader.into(), Outcome::ProxyHeaderTimeout, "", Close),
        (Late::Starttls.into(), Outcome::StarttlsTimeout, "", Close),
        (Late::Hello.into(), Outcome::HelloTimeout, "", Close),
        (Late::Handshake.into(), Outcome::HandshakeTimeout, "", Close),
        (Asked::ForAnother.into(), Outcome::HelloPreempted, "", Close),
        (Mode::Polite.into(), Outcome::ClosedByOperator, "", Farewell::Shut),
        (Mode::Now.into(), Outcome::ClosedByOperator, "", Farewell::Reset),
        (Asked::ForMemory.into(), Outcome::MemoryStalled, "", Close),
    ]
}

fn before_a_handshake() -> Vec<Row> {
    use Farewell::{Close, Shut};
    let route = |name: &str| Route::new(name.into(), Way::Reject, &Labels::default());
    let ways = Ways::new(&[], vec![route("a")], Way::Reject, None, &Labels::default());
    let [by_route, by_default] = [ways.all().next().unwrap(), ways.default()];
    let invalid = HelloError::Invalid { reason: "c".into(), alert: Alert::DecodeError };
    let (alert, notice) = (Farewell::Alert, Farewell::Notice);
    let limit = |refused| Ending::from(KeptOut::Limit(refused));
    vec![
        (KeptOut::Fingerprint.into(), Outcome::RouteJa4Denied, "", alert(Alert::AccessDenied)),
        (limit(Refused::Denied), Outcome::RouteClientDenied, "", notice(Alert::AccessDenied)),
        (limit(Refused::Blocked), Outcome::RouteClientBlocked, "", notice(Alert::AccessDenied)),
        (limit(Refused::TooManyOfClient), Outcome::RouteClientConnectionLimit, "", notice(Alert::InternalError)),
        (limit(Refused::TooOftenByClient), Outcome::RouteClientConnectionRate, "", notice(Alert::InternalError)),
        (limit(Refused::TooMany), Outcome::RouteConnectionLimit, "", notice(Alert::InternalError)),
        (limit(Refused::TooOften), Outcome::RouteConnectionRate, "", notice(Alert::InternalError)),
        (NoHello::Closed.into(), Outcome::HelloClosed, "", Close),
        (NoHello::Io(broken()).into(), Outcome::HelloClosed, "broken", Close),
        (
            NoHello::Bad(HelloError::NotTls).into(),
            Outcome::NotTls,
            "not TLS: the first bytes are not a handshake record",
            alert(Alert::UnexpectedMessage),
        ),
        (
            HelloError::TooLarge.into(),
            Outcome::HelloInvalid,
            "the ClientHello is larger than 65536 bytes",
            alert(Alert::DecodeError),
        ),
        (
            HelloError::TooOld.into(),
            Outcome::NoCommonVersion,
            "the client offers no TLS version newer than 1.1",
            alert(Alert::ProtocolVersion),
        ),
        (
            HelloError::Alert(Alert::UnknownCA).into(),
            Outcome::HelloInvalid,
            "the client sent the alert unknown_ca instead of a ClientHello",
            Shut,
        ),
        (invalid.into(), Outcome::HelloInvalid, "c", alert(Alert::DecodeError)),
        (Ending::overloaded(), Outcome::Overloaded, "", Farewell::Notice(Alert::InternalError)),
        (
            Ending::challenge(),
            Outcome::NoCommonProtocol,
            "a challenge of a certificate authority (acme-tls/1)",
            alert(Alert::NoApplicationProtocol),
        ),
        (Ending::ja4_denied(), Outcome::Ja4Denied, "", alert(Alert::AccessDenied)),
        (Ending::challenge_answered(words()), Outcome::AcmeChallenge, "", Farewell::Words(words())),
        (Ending::rejected(by_default, &ways), Outcome::NoRoute, "", alert(Alert::UnrecognisedName)),
        (Ending::rejected(by_route, &ways), Outcome::RouteRejected, "", alert(Alert::UnrecognisedName)),
        (Refusal::NoCommonVersion.into(), Outcome::NoCommonVersion, "", alert(Alert::ProtocolVersion)),
        (
            Refusal::InappropriateFallback.into(),
            Outcome::InappropriateFallback,
            "",
            alert(Alert::InappropriateFallback),
        ),
        (Refusal::NoCommonSuite.into(), Outcome::NoCommonSuite, "", alert(Alert::HandshakeFailure)),
        (Refusal::NoCommonGroup.into(), Outcome::NoCommonGroup, "", alert(Alert::HandshakeFailure)),
        (Refusal::NoCommonProtocol.into(), Outcome::NoCommonProtocol, "", alert(Alert::NoApplicationProtocol)),
        (Refusal::NoServerName { tls13: true }.into(), Outcome::NoServerName, "", alert(Alert::MissingExtension)),
        (Refusal::NoServerName { tls13: false }.into(), Outcome::NoServerName, "", alert(Alert::HandshakeFailure)),
        (Refusal::UnknownName.into(), Outcome::UnknownName, "", alert(Alert::UnrecognisedName)),
        (Refusal::Pending.into(), Outcome::CertificatePending, "", alert(Alert::UnrecognisedName)),
        (Refusal::NoCommonScheme.into(), Outcome::NoCommonScheme, "", alert(Alert::HandshakeFailure)),
    ]
}

fn at_the_handshake() -> Vec<Row> {
    use Farewell::{Close, Shut};
    let protocol = |error: TlsError| Ending::from(HandshakeError::Protocol(error.into()));
    let client = |fault| {
        let error = RecordError::from(TlsError::InvalidCertificate(CertificateError::BadEncoding));
        Ending::from(HandshakeError::Client { fault, error, shown: None, reason: "d".into() })
    };
    let received =
        RecordError { error: TlsError::AlertReceived(Alert::UnknownCA), received_alert: Some(Alert::UnknownCA) };
    vec![
        (
            HandshakeError::Closed.into(),
            Outcome::HandshakeClosed,
            "the client closed the connection during the handshake",
            Close,
        ),
        (HandshakeError::Io(broken()).into(), Outcome::HandshakeClosed, "broken", Close),
        (
            HandshakeError::Token(TokenError::Busy).into(),
            Outcome::KeyUnavailable,
            "too many signatures wait for the token already",
            Shut,
        ),
        (HandshakeError::Protocol(received).into(), Outcome::HandshakeAlert, "", Close),
        (
            protocol(TlsError::DecryptError),
            Outcome::HandshakeFailed,
            "a message of the peer cannot be decrypted or verified",
            Shut,
        ),
        (client(Rejection::Missing), Outcome::ClientCertificateMissing, "d", Shut),
        (client(Rejection::Expired), Outcome::ClientCertificateExpired, "d", Shut),
        (client(Rejection::Revoked), Outcome::ClientCertificateRevoked, "d", Shut),
        (client(Rejection::UnknownCa), Outcome::ClientCertificateUnknownCa, "d", Shut),
        (client(Rejection::RevocationUnknown), Outcome::ClientCertificateRevocationUnknown, "d", Shut),
        (client(Rejection::Denied), Outcome::ClientCertificateDenied, "d", Shut),
        (client(Rejection::Invalid), Outcome::ClientCertificateInvalid, "d", Shut),
        (
            Ending::distrusted(&distrust(Rejection::Denied), words()),
            Outcome::ClientCertificateDenied,
            "i",
            Farewell::Words(words()),
        ),
    ]
}

fn without_a_server() -> Vec<Row> {
    use Farewell::Shut;
    let failure = |port| Failure {
        address: Address::Tcp(([10, 0, 0, 1], port).into()),
        kind: FailureKind::Refused,
        reason: "connection refused".into(),
    };
    let no_server = |none| Ending::no_server(none, &[]);
    vec![
        (no_server(NoServer::Unknown), Outcome::BackendUnreachable, "no server is known", Shut),
        (no_server(NoServer::Down), Outcome::BackendUnreachable, "every server is down or taken out of service", Shut),
        (no_server(NoServer::Full), Outcome::BackendFull, "every server has max_connections", Shut),
        (
            Ending::no_server(NoServer::Refused, &[failure(1)]),
            Outcome::BackendUnreachable,
            "10.0.0.1:1: connection refused",
            Shut,
        ),
        (
            Ending::no_server(NoServer::Tried, &[failure(1), failure(2)]),
            Outcome::BackendUnreachable,
            "10.0.0.1:1: connection refused; 10.0.0.1:2: connection refused",
            Shut,
        ),
    ]
}

/// An end of a relay, its outcome, its reason, and what client and backend see: where TLS was terminated, and where
/// not.
type Relayed = (End, Outcome, &'static str, [Farewell; 2], [Farewell; 2]);

fn after_a_relay() -> Vec<Relayed> {
    use Farewell::{Close, Deliver, Finish, Reset, Shut, Words};
    let nothing = || Deliver(Vec::new());
    let cut = || [Reset, nothing()];
    let of_client = End::ClientBadRecord { reason: "e".into(), last_words: words() };
    let of_backend = End::BackendBadRecord { reason: "f".into(), last_words: words() };
    let half_closed = End::Distrusted { distrust: distrust(Rejection::Expired).into(), last_words: Vec::new() };
    let trusted_no_more = End::Distrusted { distrust: distrust(Rejection::Revoked).into(), last_words: words() };
    let reset = |ended| End::ClientReset { ended };
    let asked = |by, left| End::Asked { by, left };
    vec![
        (End::Completed, Outcome::Completed, "", [Close, Close], [Close, Close]),
        (End::BackendClosedEarly, Outcome::BackendClosedEarly, "", [Shut, Close], [Shut, Close]),
        (End::ClientTruncated, Outcome::ClientTruncated, "", [Close, nothing()], cut()),
        (reset(true), Outcome::ClientReset, "", [Close, Close], cut()),
        (reset(false), Outcome::ClientReset, "", [Close, nothing()], cut()),
        (End::ClientAlert(Alert::UserCanceled), Outcome::ClientAlert, "", [Close, nothing()], cut()),
        (of_client, Outcome::ClientBadRecord, "e", [Words(words()), nothing()], cut()),
        (half_closed, Outcome::ClientCertificateExpired, "i", [nothing(), nothing()], cut()),
        (trusted_no_more, Outcome::ClientCertificateRevoked, "i", [Words(words()), nothing()], cut()),
        (End::BackendReset, Outcome::BackendReset, "", [Shut, Reset], [nothing(), Reset]),
        (End::BackendTruncated, Outcome::BackendTruncated, "", [Shut, Reset], cut()),
        (
            End::BackendAlert(Alert::CertificateRequired),
            Outcome::BackendAlert,
            "the backend sent certificate_required",
            [Shut, Reset],
            cut(),
        ),
        (of_backend, Outcome::BackendBadRecord, "f", [Shut, Deliver(words())], cut()),
        (End::KeysExhausted("g".into()), Outcome::KeysExhausted, "g", [Shut, Reset], cut()),
        (End::IdleTimeout, Outcome::IdleTimeout, "", [Finish, nothing()], cut()),
        (End::HalfClosedTimeout, Outcome::HalfClosedTimeout, "", [Finish, nothing()], cut()),
        (End::BackendDown, Outcome::BackendDown, "", [Close, Reset], [Reset, Reset]),
        (
            asked(By::Operator, Left::Politely),
            Outcome::ClosedByOperator,
            "",
            [Finish, nothing()],
            [nothing(), nothing()],
        ),
        (asked(By::Operator, Left::AtOnce), Outcome::ClosedByOperator, "", [Reset, Reset], [Reset, Reset]),
        (asked(By::Age, Left::Politely), Outcome::MaxAge, "", [Finish, nothing()], [nothing(), nothing()]),
        (End::MemoryStalled, Outcome::MemoryStalled, "", [Reset, Reset], [Reset, Reset]),
    ]
}

fn beginnings() -> Vec<Row> {
    [before_a_hello(), before_a_handshake(), at_the_handshake(), without_a_server()].concat()
}

#[test]
fn each_error_of_a_beginning_has_its_outcome_its_reason_and_its_farewell() {
    for (ending, outcome, reason, farewell) in beginnings() {
        let shown = format!("{ending:?}");
        assert_eq!(ending.cause.outcome, outcome, "{shown}");
        assert_eq!(ending.cause.reason.as_deref().unwrap_or_default(), reason, "{shown}");
        assert_eq!(ending.closing, Closing { client: farewell, backend: Farewell::Close }, "{shown}");
    }
}

#[test]
fn each_end_of_a_relay_has_its_outcome_its_reason_and_its_farewells() {
    for (end, outcome, reason, terminated, passed_through) in after_a_relay() {
        let endings = [Ending::terminated(end.clone()), Ending::passed_through(end)];
        for (ending, [client, backend]) in endings.into_iter().zip([terminated, passed_through]) {
            let shown = format!("{ending:?}");
            assert_eq!(ending.cause.outcome, outcome, "{shown}");
            assert_eq!(ending.cause.reason.as_deref().unwrap_or_default(), reason, "{shown}");
            assert_eq!(ending.closing, Closing { client, backend }, "{shown}");
        }
    }
}

#[test]
fn every_outcome_but_those_of_tlsgate_itself_is_the_end_of_some_error() {
    let seen = beginnings().into_iter().map(|row| row.1).chain(after_a_relay().into_iter().map(|row| row.1));
    let mut seen: BTreeSet<String> = seen.map(|outcome| format!("{outcome:?}")).collect();
    seen.extend(["Shutdown", "InternalError"].map(str::to_owned));
    let source = include_str!("../../observe/outcome.rs");
    let list = source.split_once("pub enum Outcome {").unwrap().1.split_once("\n}").unwrap().0;
    let all: BTreeSet<String> =
        list.lines().filter_map(|line| line.trim().strip_suffix(',')).map(str::to_owned).collect();
    assert!(all.len() > 50, "{all:?}");
    let all = all.into_iter().filter(|name| name.chars().all(char::is_alphanumeric)).collect::<BTreeSet<_>>();
    assert_eq!(seen, all);
}

#[test]
fn an_answered_challenge_is_no_failed_handshake_and_a_refused_one_is() {
    assert!(!Ending::challenge_answered(Vec::new()).cause.outcome.is_failed_handshake());
    assert!(Ending::challenge().cause.outcome.is_failed_handshake());
}

#[test]
fn an_alert_that_was_received_is_kept_whoever_sent_it_too_early() {
    let received =
        RecordError { error: TlsError::AlertReceived(Alert::UnknownCA), received_alert: Some(Alert::UnknownCA) };
    let endings = [
        Ending::from(HelloError::Alert(Alert::UnknownCA)),
        Ending::from(HandshakeError::Protocol(received)),
        Ending::terminated(End::ClientAlert(Alert::UnknownCA)),
    ];
    for ending in endings {
        assert_eq!(ending.cause.received_alert, Some(Alert::UnknownCA), "{ending:?}");
        assert_eq!(ending.closing.client.alert(), None, "who has sent an alert gets none");
    }
    // An alert of the backend is not one of the client.
    assert_eq!(Ending::terminated(End::BackendAlert(Alert::UnknownCA)).cause.received_alert, None);
}

#[test]
fn the_certificate_that_was_refused_is_kept_with_its_subject() {
    let parameters = rcgen::CertificateParams::new(["a.test".to_owned()]).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let der = CertificateDer::from(parameters.self_signed(&key).unwrap().der().to_vec());
    let shown = Identity::of(&der).unwrap();
    let error = RecordError::from(TlsError::PeerMisbehaved(PeerMisbehaved::BadCertChainExtensions));
    let refused =
        HandshakeError::Client { fault: Rejection::Denied, error, shown: Some(shown.clone()), reason: "h".into() };
    let ending = Ending::from(refused);
    let certificate = ending.cause.client_certificate.unwrap();
    assert_eq!((certificate.subject, certificate.verified), (shown.subject.clone(), false));
    assert_eq!(ending.cause.reason.as_deref(), Some(&*format!("h: {:?}", shown.subject)));
}
