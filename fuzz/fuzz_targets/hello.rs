//! The ClientHello reader: whole and in pieces, by the quick reader and through rustls, the result must be the same,
//! without a panic; and JA4, which every hello that is accepted has.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tlsgate::ja4::Ja4;
use tlsgate::tls::wire::hello::reader::HelloReader;
use tlsgate::tls::wire::hello::{Hello, HelloError, ja4};

fuzz_target!(|data: &[u8]| {
    let whole = read(HelloReader::default(), std::iter::once(data));
    let thorough = read(HelloReader::thorough(), std::iter::once(data));
    assert_eq!(format!("{whole:?}"), format!("{thorough:?}"));
    let size = 1 + data.first().map_or(0, |byte| usize::from(*byte) % 7);
    let pieces = read(HelloReader::default(), data.chunks(size));
    // What is no hello must do no harm.
    let found = ja4::ja4(data);
    assert_eq!(found, found.and_then(|found| Ja4::parse(found.as_str())));
    if let Ok(Some(hello)) = &whole {
        assert!(found.is_some());
        assert_eq!(found, ja4::ja4(&hello.raw));
    }
    match (&whole, &pieces) {
        (Ok(Some(a)), Ok(Some(b))) => assert_eq!(
            (&a.server_name, &a.versions, &a.signature_schemes, &a.certificate_schemes),
            (&b.server_name, &b.versions, &b.signature_schemes, &b.certificate_schemes)
        ),
        (Ok(None), Ok(None)) | (Err(_), _) | (_, Err(_)) => {}
        _ => panic!("{whole:?} {pieces:?}"),
    }
});

fn read<'a>(mut reader: HelloReader, pieces: impl Iterator<Item = &'a [u8]>) -> Result<Option<Hello>, HelloError> {
    for piece in pieces.filter(|piece| !piece.is_empty()) {
        reader.raw.extend_from_slice(piece);
        if let Some(hello) = reader.advance()? {
            return Ok(Some(hello));
        }
    }
    Ok(None)
}
