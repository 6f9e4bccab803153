//! The ClientHellos to send: how long they are, what they contain, where they are cut. Pure. Must not know: what became of them.

use rustls::NamedGroup;

use super::report::{Content, Delivery, SIZES};
use crate::explain::ask::Ask;
use crate::tls::crypto;
use crate::tls::wire::codes::extensions::{KEY_SHARE, PADDING, SUPPORTED_GROUPS, SUPPORTED_VERSIONS};
use crate::tls::wire::codes::framing::RECORD_HEADER;
use crate::tls::wire::codes::groups::X25519;
use crate::tls::wire::codes::versions::{TLS10, TLS12, TLS13};
use crate::tls::wire::draft::Draft;
use crate::tls::wire::write::{self, numbers, vector8, vector16};

/// A ClientHello, cut into pieces.
#[derive(Debug)]
pub(super) struct Trial {
    pub(super) content: Content,
    pub(super) delivery: Delivery,
    /// Of the message.
    pub(super) bytes: usize,
    pub(super) size: usize,
    /// Each is to be a segment of its own.
    pub(super) pieces: Vec<Vec<u8>>,
}

/// As small and plain as a client of today can be. `None` where the system provides no random numbers.
pub(super) fn control(name: Option<&str>) -> Option<Trial> {
    let message = draft(Content::Plain, name)?.message()?;
    let pieces = vec![write::records(TLS10, &message)];
    Some(Trial { content: Content::Plain, delivery: Delivery::Whole, bytes: message.len(), size: 0, pieces })
}

/// All of them. `None` where the system provides no random numbers.
pub(super) fn all(name: Option<&str>) -> Option<Vec<Trial>> {
    let mut all = Vec::new();
    for size in SIZES {
        for delivery in Delivery::ALL {
            // Without a name there is none to cut; and a single piece is not cut.
            let is_whole = delivery == Delivery::Pieces && size <= SEGMENT;
            let has_no_place = delivery == Delivery::ServerName && name.is_none() || delivery == Delivery::Mtu;
            if !(is_whole || has_no_place) {
                all.push(trial(Content::Plain, name, size, delivery)?);
            }
        }
    }
    for (content, sizes) in [(Content::Grease, [SIZES[0], SIZES[1]]), (Content::PostQuantum, [SIZES[1], SIZES[2]])] {
        for size in sizes {
            all.push(trial(content, name, size, Delivery::Whole)?);
        }
    }
    for delivery in [Delivery::Whole, Delivery::ServerName, Delivery::Mtu, Delivery::TwoRecords] {
        if !(delivery == Delivery::ServerName && name.is_none()) {
            all.push(as_chromium(name, delivery)?);
        }
    }
    Some(all)
}

/// What Chromium has sent, with this name and new keys, and in its own length.
fn as_chromium(name: Option<&str>, delivery: Delivery) -> Option<Trial> {
    let ask = Ask { client: Some(CHROMIUM.to_owned()), sni: name.map(str::to_owned), ..Ask::default() };
    let mut draft = Draft::parse(&ask.client_hello().ok()?)?;
    renew(&mut draft)?;
    let shares = [NamedGroup::X25519MLKEM768, NamedGroup::X25519].map(pair);
    draft.replace_keys(&shares.into_iter().collect::<Option<Vec<_>>>()?);
    let message = draft.message()?;
    // Plain ones of the next length have to arrive, if the length is not the reason.
    let size = SIZES.into_iter().find(|size| message.len() <= *size)?;
    let pieces = cut(&message, delivery, name, &draft.key(X25519)?)?;
    Some(Trial { content: Content::Chromium, delivery, bytes: message.len(), size, pieces })
}

fn trial(content: Content, name: Option<&str>, size: usize, delivery: Delivery) -> Option<Trial> {
    let mut draft = draft(content, name)?;
    pad(&mut draft, size)?;
    let message = draft.message()?;
    let pieces = cut(&message, delivery, name, &draft.key(X25519)?)?;
    Some(Trial { content, delivery, bytes: message.len(), size, pieces })
}

/// A hello that any server of today accepts, with new keys.
fn draft(content: Content, name: Option<&str>) -> Option<Draft> {
    let groups = match content {
        Content::PostQuantum => "X25519MLKEM768:x25519:secp256r1:secp384r1",
        _ => "x25519:secp256r1:secp384r1",
    };
    let ask = Ask {
        sni: name.map(str::to_owned),
        groups: Some(groups.to_owned()),
        ciphers: Some(SUITES.to_owned()),
        ..Ask::default()
    };
    let mut draft = Draft::parse(&ask.client_hello().ok()?)?;
    renew(&mut draft)?;
    let mut shares = Vec::new();
    if content == Content::PostQuantum {
        shares.push(pair(NamedGroup::X25519MLKEM768)?);
    }
    shares.push(pair(NamedGroup::X25519)?);
    if content == Content::Grease {
        grease(&mut draft, &mut shares)?;
    }
    draft.set_extension(KEY_SHARE, write::key_shares(shares.iter().map(|(group, key)| (*group, key.as_slice())))?);
    Some(draft)
}

/// As on a new connection. `None` where the system provides no random numbers.
fn renew(draft: &mut Draft) -> Option<()> {
    let (mut random, mut session) = ([0; 32], [0; 32]);
    let has_some = crypto::random(&mut random) && crypto::random(&mut session);
    has_some.then(|| draft.renew(random, session))
}

fn pair(group: NamedGroup) -> Option<(u16, Vec<u8>)> {
    let pair = crypto::group(group)?.start().ok()?;
    Some((group.into(), pair.pub_key().to_vec()))
}

/// Unknown values wherever browsers have them (RFC 8701 section 3.1).
fn grease(draft: &mut Draft, shares: &mut Vec<(u16, Vec<u8>)>) -> Option<()> {
    let mut suites = vec![0x0a0a];
    let offers = draft.offers();
    suites.extend(offers.suites);
    draft.suites(&suites.into_iter().map(Into::into).collect::<Vec<_>>());
    let groups = [vec![0x1a1a], offers.groups.unwrap_or_default()].concat();
    draft.set_extension(SUPPORTED_GROUPS, vector16(&numbers(groups))?);
    draft.set_extension(SUPPORTED_VERSIONS, vector8(&numbers([0x4a4a, TLS13, TLS12]))?);
    draft.set_extension(0x2a2a, Vec::new());
    draft.set_extension(0x3a3a, vec![0]);
    shares.insert(0, (0x1a1a, vec![0]));
    Some(())
}

/// Makes the message that long. `None` if it is longer already.
fn pad(draft: &mut Draft, size: usize) -> Option<()> {
    draft.set_extension(PADDING, Vec::new());
    let missing = size.checked_sub(draft.message()?.len())?;
    draft.set_extension(PADDING, vec![0; missing]);
    Some(())
}

fn cut(message: &[u8], delivery: Delivery, name: Option<&str>, key: &[u8]) -> Option<Vec<Vec<u8>>> {
    let whole = write::records(TLS10, message);
    let within = |part: &[u8]| {
        let start = whole.windows(part.len()).position(|window| window == part)?;
        Some(start + part.len() / 2)
    };
    let in_two = |at: usize| {
        let (first, second) = whole.split_at_checked(at)?;
        Some(vec![first.to_vec(), second.to_vec()])
    };
    let as_records = |parts: &[&[u8]]| Some(vec![parts.iter().flat_map(|part| write::records(TLS10, part)).collect()]);
    match delivery {
        Delivery::Whole => Some(vec![whole]),
        Delivery::FirstByte => in_two(1),
        Delivery::RecordHeader => in_two(RECORD_HEADER),
        Delivery::MessageHeader => in_two(RECORD_HEADER + MESSAGE_HEADER),
        Delivery::ServerName => in_two(within(name?.as_bytes())?),
        Delivery::KeyShare => in_two(within(key)?),
        Delivery::LastByte => in_two(whole.len().checked_sub(1)?),
        Delivery::Mtu => in_two(MTU),
        Delivery::Pieces => Some(whole.chunks(SEGMENT).map(<[u8]>::to_vec).collect()),
        Delivery::HeaderRecord => {
            let (head, body) = message.split_at_checked(MESSAGE_HEADER)?;
            as_records(&[head, body])
        }
        Delivery::TwoRecords => {
            let (first, second) = message.split_at_checked(message.len() / 2)?;
            as_records(&[first, second])
        }
        Delivery::ManyRecords => as_records(&message.chunks(RECORD).collect::<Vec<_>>()),
    }
}

/// Those of today, and some for old servers.
const SUITES: &str = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:\
ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:\
ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:DHE-RSA-AES128-GCM-SHA256:AES128-GCM-SHA256:AES128-SHA:AES256-SHA";

/// Its name among the known clients.
const CHROMIUM: &str = "chrome";

/// In bytes, as are those below.
const SEGMENT: usize = 512;
/// What is left of a packet of 1500 bytes, without the headers and with room for a tunnel.
const MTU: usize = 1400;
const RECORD: usize = 128;
const MESSAGE_HEADER: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    /// The handshake message in these records.
    fn message(mut records: &[u8]) -> Vec<u8> {
        let mut message = Vec::new();
        while let [22, 3, 1, high, low, rest @ ..] = records {
            let (payload, next) = rest.split_at(usize::from(u16::from_be_bytes([*high, *low])));
            message.extend_from_slice(payload);
            records = next;
        }
        assert!(records.is_empty());
        message
    }

    #[test]
    fn each_trial_has_its_length_and_its_pieces_are_one_hello() {
        let all = all(Some("a.test")).unwrap();
        assert_eq!(all.len(), 4 * 11 - 1 + 4 + 4);
        for trial in &all {
            let is_chromium = trial.content == Content::Chromium;
            let whole = trial.pieces.concat();
            let message = message(&whole);
            assert_eq!(message.len(), trial.bytes);
            assert!(trial.bytes == trial.size || is_chromium && trial.bytes < trial.size);
            assert_eq!(trial.pieces.len() > 1, trial.delivery.is_segments(), "{:?}", trial.delivery);
            let records = whole.len() - message.len() > RECORD_HEADER;
            assert_eq!(records, trial.delivery.is_records(), "{:?}", trial.delivery);
            let draft = Draft::parse(&whole).unwrap();
            assert_eq!(draft.shares().contains(&0x11ec), trial.content == Content::PostQuantum || is_chromium);
            assert_eq!(draft.shares().contains(&0x1a1a), trial.content == Content::Grease);
        }
        let cut = all.iter().find(|trial| trial.delivery == Delivery::ServerName).unwrap();
        assert!(cut.pieces[0].ends_with(b"a.t") && cut.pieces[1].starts_with(b"est"));
    }

    #[test]
    fn what_chromium_sends_is_longer_than_a_segment_and_has_everything_at_once() {
        let all = all(Some("a.test")).unwrap();
        let ours: Vec<&Trial> = all.iter().filter(|trial| trial.content == Content::Chromium).collect();
        let deliveries: Vec<Delivery> = ours.iter().map(|trial| trial.delivery).collect();
        assert_eq!(deliveries, [Delivery::Whole, Delivery::ServerName, Delivery::Mtu, Delivery::TwoRecords]);
        let mut keys = Vec::new();
        for trial in ours {
            let draft = Draft::parse(&trial.pieces.concat()).unwrap();
            let [grease, 0x11ec, 0x001d] = draft.shares()[..] else { panic!("{:x?}", draft.shares()) };
            assert!(grease & 0x0f0f == 0x0a0a, "{grease:x}");
            keys.push(draft.key(0x11ec).unwrap());
            assert!((MTU + 100..4096).contains(&trial.bytes), "{}", trial.bytes);
            match trial.delivery {
                // Its name comes late: whoever looks for it in the first segment does not find it.
                Delivery::Mtu => {
                    assert_eq!(trial.pieces[0].len(), MTU);
                    assert!(trial.pieces[1].windows(6).any(|window| window == b"a.test"));
                }
                Delivery::ServerName => assert!(trial.pieces[0].ends_with(b"a.t"), "{trial:?}"),
                _ => assert_eq!(trial.pieces.len(), 1),
            }
        }
        keys.dedup();
        assert_eq!(keys.len(), 4, "keys are used once");
    }

    #[test]
    fn the_control_is_small_and_without_a_name_nothing_is_cut_there() {
        assert!(control(Some("a.test")).unwrap().bytes < 320);
        assert!(all(None).unwrap().iter().all(|trial| trial.delivery != Delivery::ServerName));
    }
}
