//! Input from clients before TLS: every step is bounded, nothing panics, and TLS never begins with clear text left
//! over.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tlsgate::starttls::step::Step;
use tlsgate::starttls::{Opening, Protocol};

fuzz_target!(|data: &[u8]| {
    let Some((choice, bytes)) = data.split_first() else { return };
    let protocol = if choice & 1 == 0 { Protocol::Ldap } else { Protocol::Postgres };
    let mut opening = Opening::new(protocol);
    for piece in bytes.chunks(1 + usize::from(choice >> 1)) {
        opening.raw().extend_from_slice(piece);
        loop {
            match opening.step() {
                Step::Read => break,
                Step::Say(answer) => assert!(answer.len() < 256),
                Step::Begin { say, early } => {
                    assert!(opening.raw().is_empty() || protocol == Protocol::Postgres && say == b"S");
                    assert!(say.is_empty() || early.is_empty());
                    return;
                }
                Step::End(end) => {
                    assert!(end.say.len() < 256);
                    return;
                }
            }
        }
    }
});
