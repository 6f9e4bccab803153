//! A captured ClientHello, as bytes or as hex digits, with or without its record header → records.
//! Must not know: what it contains.

use crate::tls::wire::codes::versions::TLS10;
use crate::tls::wire::{hello, write};

/// Reads a capture. An error contains what was found and what was expected.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<u8>, String> {
    if bytes.is_empty() {
        return Err("found nothing, expected a ClientHello as bytes or as hex digits".into());
    }
    // Hex digits take twice the size, and the separators between them may take as much again.
    if bytes.len() > 4 * hello::MAX_BYTES {
        return Err(format!("found {} bytes, expected at most {}", bytes.len(), hello::MAX_BYTES));
    }
    match bytes {
        [HANDSHAKE, 3, ..] => Ok(bytes.to_vec()),
        // A message without its record: type, then a length of three bytes, whose first is zero up to 64 KiB.
        [CLIENT_HELLO, 0, ..] => Ok(write::records(TLS10, bytes)),
        _ => match digits(bytes)?.as_slice() {
            raw @ [HANDSHAKE, 3, ..] => Ok(raw.to_vec()),
            message @ [CLIENT_HELLO, 0, ..] => Ok(write::records(TLS10, message)),
            other => {
                let found: String = other.iter().take(2).map(|byte| format!("{byte:02x}")).collect();
                Err(format!(
                    "begins with {found:?}, expected a handshake record (\"1603…\") or a ClientHello (\"0100…\")"
                ))
            }
        },
    }
}

fn digits(text: &[u8]) -> Result<Vec<u8>, String> {
    let mut values = Vec::with_capacity(text.len());
    for (at, letter) in text.iter().enumerate() {
        match char::from(*letter).to_digit(16).and_then(|digit| u8::try_from(digit).ok()) {
            Some(digit) => values.push(digit),
            None if letter.is_ascii_whitespace() || *letter == b':' => {}
            None => {
                let found = char::from(*letter).escape_default();
                return Err(format!(
                    "found '{found}' at byte {}, expected hex digits, or bytes that begin with 0x16 0x03",
                    at + 1
                ));
            }
        }
    }
    match values.as_chunks::<2>() {
        ([], []) => Err("found only white space, expected a ClientHello as bytes or as hex digits".into()),
        (pairs, []) => Ok(pairs.iter().map(|[high, low]| high << 4 | low).collect()),
        (_, _) => Err(format!("found {} hex digits, expected an even number", values.len())),
    }
}

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_digits_and_bare_messages_come_to_the_same() {
        let raw = [22, 3, 1, 0, 4, 1, 0, 0, 0];
        assert_eq!(read(&raw).as_deref(), Ok(&raw[..]));
        for text in ["160301000401000000", "16 03 01 00 04\n01:00:00:00\n", "16030100 04010000 00", "01000000"] {
            assert_eq!(read(text.as_bytes()).as_deref(), Ok(&raw[..]), "{text}");
        }
        assert_eq!(read(&raw[5..]).as_deref(), Ok(&raw[..]));
    }

    #[test]
    fn each_fault_is_named() {
        let reason = |bytes: &[u8]| read(bytes).unwrap_err();
        assert_eq!(reason(b""), "found nothing, expected a ClientHello as bytes or as hex digits");
        assert_eq!(reason(b" \n"), "found only white space, expected a ClientHello as bytes or as hex digits");
        assert_eq!(reason(b"160"), "found 3 hex digits, expected an even number");
        assert_eq!(reason(b"16 0g"), "found 'g' at byte 5, expected hex digits, or bytes that begin with 0x16 0x03");
        assert_eq!(
            reason(b"GET / HTTP/1.1"),
            "found 'G' at byte 1, expected hex digits, or bytes that begin with 0x16 0x03"
        );
        assert_eq!(
            reason(b"170303"),
            "begins with \"1703\", expected a handshake record (\"1603…\") or a ClientHello (\"0100…\")"
        );
        assert_eq!(reason(&[b'0'; 300_000]), "found 300000 bytes, expected at most 65536");
    }
}
