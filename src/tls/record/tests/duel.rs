//! Both record layers with the same peer: what it sends is scripted and sealed with the keys of a real handshake, and both
//! layers must give the same result. Shared with the fuzz target.

use rustls::{AlertDescription, CipherSuite, Error, PeerMisbehaved};
use tlsgate::tls::record::interface::Opened;
use tlsgate::tls::record::{Layer, Records};

use super::handshake::shaken;
use super::peer::{Forged, Item, Peer};

/// Which side the record layers are on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Server,
    Client,
}

/// The result of a record layer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) plain: Vec<u8>,
    pub(crate) end: End,
    /// What the peer was sent: types and contents.
    pub(crate) replies: Vec<(u8, Vec<u8>)>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum End {
    Open,
    Closed,
    Failed(Error),
}

impl Verdict {
    /// The fatal alert that was sent.
    pub(crate) fn alert(&self) -> Option<AlertDescription> {
        self.replies.iter().find(|(kind, content)| *kind == 21 && content[0] == 2).map(|(_, content)| content[1].into())
    }
}

/// Has `script` read by a record layer, in chunks whose lengths `cuts` gives.
pub(crate) fn read(
    layer: Layer,
    suite: CipherSuite,
    side: Side,
    script: &[Item],
    cuts: impl FnMut() -> usize,
) -> Verdict {
    let (mut records, wire, mut peer) = joined(layer, suite, side);
    assert!(wire.is_empty());
    let flight: Vec<u8> = script.iter().flat_map(|item| peer.send(item)).collect();
    let (plain, end, reply) = feed(&mut records, &flight, cuts);
    Verdict { plain, end, replies: peer.read(&reply) }
}

/// Opens what arrives in chunks, as the relay does.
pub(crate) fn feed(records: &mut Records, flight: &[u8], mut cuts: impl FnMut() -> usize) -> (Vec<u8>, End, Vec<u8>) {
    let (mut wire, mut plain, mut reply, mut rest) = (Vec::new(), Vec::new(), Vec::new(), flight);
    while !rest.is_empty() {
        let (now, later) = rest.split_at(cuts().clamp(1, rest.len()));
        rest = later;
        wire.extend_from_slice(now);
        let mut used = 0;
        loop {
            match records.open(&mut wire[used..], &mut reply) {
                Ok(Opened::Incomplete) => break,
                Ok(Opened::Other { consumed }) => used += consumed,
                Ok(Opened::Data { consumed, plain: at }) => {
                    assert!(at.end <= consumed && consumed <= wire.len() - used);
                    plain.extend_from_slice(&wire[used..][at]);
                    used += consumed;
                }
                Ok(Opened::Closed) => return (plain, End::Closed, reply),
                Err(error) => return (plain, End::Failed(error.error), reply),
            }
        }
        wire.drain(..used);
    }
    (plain, End::Open, reply)
}

/// Checks that the verdicts agree, apart from the permitted differences below. `Err` has the disagreement.
pub(crate) fn agree(script: &[Item], ours: &Verdict, theirs: &Verdict) -> Result<(), String> {
    let tampered = script.iter().any(|item| !matches!(item, Item::Record(Forged { flip: None, cut: 0, .. })));
    let disagree = |what: &str| Err(format!("{what}\nours: {ours:?}\ntheirs: {theirs:?}"));
    let is_stricter = matches!(&ours.end, End::Failed(error) if is_stricter(error, tampered));
    // rustls may go on, and fail at something else.
    if is_stricter && (!matches!(theirs.end, End::Failed(_)) || theirs.plain.len() > ours.plain.len()) {
        return match theirs.plain.starts_with(&ours.plain) {
            true => Ok(()),
            false => disagree("plaintext of a stricter end"),
        };
    }
    if ours.plain != theirs.plain {
        return disagree("plaintext");
    }
    let refusal = (21, vec![1, AlertDescription::NoRenegotiation.into()]);
    match (&ours.end, &theirs.end) {
        (End::Open, End::Open) | (End::Closed, End::Closed) => {
            // Ours answers a request to renegotiate at its header, and rustls once it is complete.
            match ours.replies.strip_prefix(&*theirs.replies) {
                Some(more) if more.is_empty() || more == [refusal.clone()] => Ok(()),
                _ => disagree("replies"),
            }
        }
        (End::Failed(Error::AlertReceived(one)), End::Failed(Error::AlertReceived(other))) if one == other => Ok(()),
        (End::Failed(_), End::Failed(_)) => {
            use AlertDescription as A;
            match (ours.alert(), theirs.alert()) {
                (one, other) if one == other => Ok(()),
                // rustls just closes.
                (_, None) => Ok(()),
                // An unexpected type of record (RFC 8446 section 5), which rustls does not parse, or tries to decrypt.
                (Some(A::UnexpectedMessage), Some(A::DecodeError | A::BadRecordMac)) => Ok(()),
                // RFC 8446 section 5.1 and 5.2 name record_overflow.
                (Some(A::RecordOverflow), Some(A::DecodeError | A::BadRecordMac)) => Ok(()),
                // No sealed record is that short.
                (Some(A::BadRecordMac), Some(A::DecodeError)) => Ok(()),
                // An unknown level of alert: both send illegal_parameter, or the alert for a second fault.
                (Some(A::DecodeError), Some(A::UnexpectedMessage | A::IllegalParameter)) => Ok(()),
                // A warning of TLS 1.3 is an error (RFC 8446 section 6.2), which needs no answer.
                (None, Some(A::DecodeError)) if matches!(ours.end, End::Failed(Error::AlertReceived(_))) => Ok(()),
                // What ours refuses earlier, rustls opens, and it fails at what is in it or at what follows.
                (ours_sent, _) if is_stricter && ours_sent.is_some() && ours_sent == due(&ours.end) => Ok(()),
                _ => disagree("alert"),
            }
        }
        // Ours does not read the hello of who asks to renegotiate, and refuses every one.
        (_, End::Failed(Error::InvalidMessage(_))) if ours.replies.contains(&refusal) => Ok(()),
        _ => disagree("end"),
    }
}

/// The alert for what is wrong with a record itself, whatever is in it or follows: that of RFC 8446 (sections 5.1, 5.2 and 6.2).
fn due(end: &End) -> Option<AlertDescription> {
    match end {
        End::Failed(
            Error::InvalidMessage(
                rustls::InvalidMessage::InvalidContentType | rustls::InvalidMessage::InvalidEmptyPayload,
            )
            | Error::General(_)
            | Error::PeerMisbehaved(_),
        ) => Some(AlertDescription::UnexpectedMessage),
        End::Failed(Error::InvalidMessage(_)) => Some(AlertDescription::DecodeError),
        End::Failed(Error::PeerSentOversizedRecord) => Some(AlertDescription::RecordOverflow),
        End::Failed(Error::DecryptError) => Some(AlertDescription::BadRecordMac),
        _ => None,
    }
}

/// Whether ours refuses earlier with this error, or refuses what rustls accepts. `tampered` is whether any record was changed after
/// it was sealed.
fn is_stricter(error: &Error, tampered: bool) -> bool {
    match error {
        // Ours refuses forbidden handshake messages at their first byte and empty handshake records immediately, and
        // keeps counting key updates that have only empty records between them.
        Error::General(text) if text.contains("after the handshake") => true,
        Error::InvalidMessage(
            rustls::InvalidMessage::InvalidEmptyPayload | rustls::InvalidMessage::HandshakePayloadTooLarge,
        ) => true,
        Error::PeerMisbehaved(PeerMisbehaved::TooManyKeyUpdateRequests) => true,
        // The type in the header must be that of data (RFC 8446 section 5.2); rustls does not check it.
        Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType) => true,
        // Ours refuses a header at its first byte that cannot be right, and the rest of it may never come.
        Error::PeerMisbehaved(PeerMisbehaved::IllegalMiddleboxChangeCipherSpec)
        | Error::InvalidMessage(rustls::InvalidMessage::UnknownProtocolVersion) => tampered,
        // The version in the header is authenticated (RFC 8446 section 5.2).
        Error::DecryptError => tampered,
        // rustls does not count empty records of other types as a row.
        Error::PeerMisbehaved(PeerMisbehaved::TooManyEmptyFragments | PeerMisbehaved::TooManyRenegotiationRequests) => {
            true
        }
        // Ours refuses by the length in the header (RFC 8446 section 5.2).
        Error::PeerSentOversizedRecord => true,
        _ => false,
    }
}

/// A record layer after the handshake, the bytes that it has not used, and its peer.
pub(crate) fn joined(layer: Layer, suite: CipherSuite, side: Side) -> (Records, Vec<u8>, Peer) {
    let (server, client) = shaken(suite);
    let (tested, other) = match side {
        Side::Server => (server, client),
        Side::Client => (client, server),
    };
    let finished = tested.finish(layer).unwrap();
    assert_eq!(finished.negotiated.suite, suite);
    assert!(finished.plain.is_empty() && !finished.closed);
    (finished.records, finished.wire, Peer::new(other.into_connection().0, suite))
}
