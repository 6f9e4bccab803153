//! JA4, the fingerprint of a client: in the log, in lists of connections, in what is explained, and on `deny_ja4`.

pub(crate) mod apart;
mod clients;
mod denied;
mod shown;

/// The captures with the JA4 that is published with each: name, JA4, bytes.
fn published() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let vectors: Vec<_> = include_str!("../fixtures/ja4/vectors.txt")
        .lines()
        .map(|line| {
            let columns: Vec<&'static str> = line.split(' ').collect();
            let [name, expected, hex] = columns[..] else { panic!("{line}") };
            let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
            (name, expected, (0..hex.len()).step_by(2).map(byte).collect())
        })
        .collect();
    assert!(vectors.len() >= 14);
    vectors
}
