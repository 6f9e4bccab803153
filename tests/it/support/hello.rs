//! ClientHellos, taken apart and put together again: in records of any size, with other extensions.

/// The handshake message in a flight of clear-text records.
pub(crate) fn message(flight: &[u8]) -> Vec<u8> {
    let (mut rest, mut message) = (flight, Vec::new());
    while let [HANDSHAKE, _, _, high, low, following @ ..] = rest {
        let (payload, next) = following.split_at(usize::from(*high) << 8 | usize::from(*low));
        message.extend_from_slice(payload);
        rest = next;
    }
    assert!(rest.is_empty(), "not handshake records");
    message
}

/// A handshake message in records of at most `size` bytes each.
pub(crate) fn records(message: &[u8], size: usize) -> Vec<u8> {
    let record = |payload: &[u8]| [&[HANDSHAKE, 3, 1], &short(payload.len())[..], payload].concat();
    message.chunks(size).flat_map(record).collect()
}

/// The same ClientHello with these extensions in place of its own of that kind.
pub(crate) fn with_extensions(message: &[u8], kind: u16, replacements: &[&[u8]]) -> Vec<u8> {
    let (front, mut extensions) = message.split_at(extensions_at(message));
    let mut kept = Vec::new();
    extensions = &extensions[2..];
    while let [a, b, high, low, ..] = extensions {
        let (extension, rest) = extensions.split_at(4 + (usize::from(*high) << 8 | usize::from(*low)));
        if u16::from_be_bytes([*a, *b]) != kind {
            kept.extend_from_slice(extension);
        }
        extensions = rest;
    }
    // At the front: pre_shared_key, if there is one, must stay the last.
    let added = replacements.iter().flat_map(|data| [&kind.to_be_bytes(), &short(data.len())[..], data].concat());
    let extensions: Vec<u8> = added.chain(kept).collect();
    let body = [&front[4..], &short(extensions.len())[..], &extensions].concat();
    [&[CLIENT_HELLO], &long(body.len())[..], &body].concat()
}

/// The data of its extension of that kind.
pub(crate) fn extension(message: &[u8], kind: u16) -> Option<Vec<u8>> {
    let mut extensions = &message[extensions_at(message) + 2..];
    while let [a, b, high, low, rest @ ..] = extensions {
        let (data, others) = rest.split_at(usize::from(*high) << 8 | usize::from(*low));
        if u16::from_be_bytes([*a, *b]) == kind {
            return Some(data.to_vec());
        }
        extensions = others;
    }
    None
}

/// An `application_layer_protocol_negotiation` extension's data (RFC 7301 section 3.1).
pub(crate) fn protocols(names: &[&str]) -> Vec<u8> {
    let list: Vec<u8> = names.iter().flat_map(|name| [&short(name.len())[1..], name.as_bytes()].concat()).collect();
    [&short(list.len())[..], &list].concat()
}

/// The data of a `server_name` extension with these names, which may be any bytes.
pub(crate) fn server_names(names: &[&[u8]]) -> Vec<u8> {
    let entry = |name: &&[u8]| [&[HOST_NAME], &short(name.len())[..], name].concat();
    let list: Vec<u8> = names.iter().flat_map(entry).collect();
    [&short(list.len())[..], &list].concat()
}

/// A handshake header that announces that many bytes.
pub(crate) fn header(length: usize) -> Vec<u8> {
    [&[CLIENT_HELLO], &long(length)[..]].concat()
}

/// The position of the extensions' length: after version, random, session, suites and compression (RFC 8446 section
/// 4.1.2).
fn extensions_at(message: &[u8]) -> usize {
    let mut at = 4 + 2 + 32;
    at += 1 + usize::from(message[at]);
    at += 2 + (usize::from(message[at]) << 8 | usize::from(message[at + 1]));
    at + 1 + usize::from(message[at])
}

fn short(length: usize) -> [u8; 2] {
    u16::try_from(length).unwrap().to_be_bytes()
}

fn long(length: usize) -> [u8; 3] {
    let [0, bytes @ ..] = u32::try_from(length).unwrap().to_be_bytes() else { panic!("{length} bytes") };
    bytes
}

pub(crate) const ALPN: u16 = 16;
pub(crate) const KEY_SHARE: u16 = 51;

/// RFC 6066 section 3.
pub(crate) const SERVER_NAME: u16 = 0;
const HOST_NAME: u8 = 0;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
