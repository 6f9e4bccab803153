//! DER → one section of PEM (RFC 7468). Must not know: what the DER is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// A section with that label, over several lines.
pub fn section(label: &str, der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        // All of it is ASCII.
        let (line, more) = rest.split_at(rest.len().min(LINE));
        text.push_str(line);
        text.push('\n');
        rest = more;
    }
    text + &format!("-----END {label}-----\n")
}

/// The same for a secret: the text is wiped when it is dropped, and no copy of it stays in memory.
pub fn secret(label: &str, der: &[u8]) -> Zeroizing<String> {
    let (begin, end) = (format!("-----BEGIN {label}-----\n"), format!("-----END {label}-----\n"));
    let lines = der.len().div_ceil(LINE_BYTES);
    // With room for all of it, so that it does not move.
    let mut text = Zeroizing::new(String::with_capacity(begin.len() + lines * (LINE + 1) + end.len()));
    text.push_str(&begin);
    for bytes in der.chunks(LINE_BYTES) {
        let mut line = Zeroizing::new([0; LINE]);
        // A line of base64 is ASCII, and never longer.
        let length = STANDARD.encode_slice(bytes, &mut line[..]).unwrap_or_default();
        text.push_str(str::from_utf8(&line[..length]).unwrap_or_default());
        text.push('\n');
    }
    text.push_str(&end);
    text
}

/// Characters of base64 on a line (RFC 7468 section 2).
const LINE: usize = 64;

/// Bytes that a line stands for.
const LINE_BYTES: usize = LINE / 4 * 3;

#[cfg(test)]
mod tests {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;

    use super::*;

    #[test]
    fn any_length_is_read_again_and_no_line_is_too_long() {
        for length in [1, 47, 48, 49, 96, 1000] {
            let der = vec![7; length];
            let text = section("CERTIFICATE", &der);
            assert_eq!(*secret("CERTIFICATE", &der), text);
            assert_eq!(CertificateDer::from_pem_slice(text.as_bytes()).unwrap().as_ref(), der);
            assert!(text.lines().all(|line| line.len() <= 64 && !line.is_empty()), "{text}");
        }
    }
}
