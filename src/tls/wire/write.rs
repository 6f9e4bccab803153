//! The one writer of ClientHellos: fields → bytes (RFC 8446 section 4.1.2). Must not know: who sends them, and why.

use crate::tls::wire::codes::framing::{CLIENT_HELLO, HANDSHAKE, HOST_NAME, MAX_FRAGMENT};

/// A ClientHello, field by field. Lists are in wire format, without their length fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientHello {
    pub legacy_version: u16,
    pub random: [u8; 32],
    pub session: Vec<u8>,
    pub suites: Vec<u8>,
    pub compressions: Vec<u8>,
    /// Numbers and contents, in the order in which they are sent. `None` omits the list itself, as in SSLv3.
    pub extensions: Option<Vec<(u16, Vec<u8>)>>,
}

impl ClientHello {
    /// The handshake message with its header. `None` if a field is too long for its length field.
    pub fn message(&self) -> Option<Vec<u8>> {
        let mut body = [&self.legacy_version.to_be_bytes()[..], &self.random].concat();
        body.extend(vector8(&self.session)?);
        body.extend(vector16(&self.suites)?);
        body.extend(vector8(&self.compressions)?);
        if let Some(extensions) = &self.extensions {
            let mut list = Vec::new();
            for (kind, content) in extensions {
                list.extend(kind.to_be_bytes());
                list.extend(vector16(content)?);
            }
            body.extend(vector16(&list)?);
        }
        message(&body)
    }
}

/// A ClientHello message with that body. `None` if it is too long.
pub fn message(body: &[u8]) -> Option<Vec<u8>> {
    // The length field has three bytes (RFC 8446 section 4).
    let [0, length @ ..] = u32::try_from(body.len()).ok()?.to_be_bytes() else { return None };
    Some([&[CLIENT_HELLO][..], &length, body].concat())
}

/// A handshake message in as many records of that version as it needs (RFC 8446 section 5.1).
pub fn records(version: u16, message: &[u8]) -> Vec<u8> {
    let [major, minor] = version.to_be_bytes();
    let record = |piece: &[u8]| {
        let [.., high, low] = piece.len().to_be_bytes();
        [&[HANDSHAKE, major, minor, high, low], piece].concat()
    };
    message.chunks(MAX_FRAGMENT).flat_map(record).collect()
}

/// The content of `server_name` (RFC 6066 section 3).
pub fn server_name(name: &str) -> Option<Vec<u8>> {
    vector16(&[&[HOST_NAME][..], &vector16(name.as_bytes())?].concat())
}

/// The content of ALPN (RFC 7301 section 3.1), the preferred protocol first.
pub fn protocols<'a>(protocols: impl IntoIterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let list = protocols.into_iter().map(vector8).collect::<Option<Vec<_>>>()?;
    vector16(&list.concat())
}

/// Groups with their keys → the content of `key_share` (RFC 8446 section 4.2.8).
pub fn key_shares<'a>(shares: impl IntoIterator<Item = (u16, &'a [u8])>) -> Option<Vec<u8>> {
    let mut list = Vec::new();
    for (group, key) in shares {
        list.extend(group.to_be_bytes());
        list.extend(vector16(key)?);
    }
    vector16(&list)
}

/// The numbers, two bytes each.
pub fn numbers(list: impl IntoIterator<Item = u16>) -> Vec<u8> {
    list.into_iter().flat_map(u16::to_be_bytes).collect()
}

/// The bytes after a length field of one byte. `None` if they are too many.
pub fn vector8(bytes: &[u8]) -> Option<Vec<u8>> {
    Some([&[u8::try_from(bytes.len()).ok()?], bytes].concat())
}

/// The bytes after a length field of two bytes. `None` if they are too many.
pub fn vector16(bytes: &[u8]) -> Option<Vec<u8>> {
    Some([&u16::try_from(bytes.len()).ok()?.to_be_bytes()[..], bytes].concat())
}
