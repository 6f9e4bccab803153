//! Input before TLS, from clients and from servers that are asked for it: every step is bounded, nothing panics, and TLS
//! never begins with clear text left over.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tlsgate::starttls::Opening;
use tlsgate::starttls::asking::{Asking, Next};
use tlsgate::starttls::protocol::Protocol;
use tlsgate::starttls::step::Step;

const PROTOCOLS: [Protocol; 5] = [Protocol::Ldap, Protocol::Postgres, Protocol::Smtp, Protocol::Imap, Protocol::Pop3];

fuzz_target!(|data: &[u8]| {
    let Some((choice, bytes)) = data.split_first() else { return };
    let choice = usize::from(*choice);
    let protocol = PROTOCOLS[choice % PROTOCOLS.len()];
    let pieces = || bytes.chunks(1 + choice / PROTOCOLS.len());
    client(protocol, pieces());
    server(Asking::for_tls(protocol), pieces());
    server(Asking::for_greeting(protocol), pieces());
});

fn client<'a>(protocol: Protocol, pieces: impl Iterator<Item = &'a [u8]>) {
    let mut opening = Opening::new(protocol);
    for piece in pieces {
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
}

fn server<'a>(mut asking: Asking, pieces: impl Iterator<Item = &'a [u8]>) {
    for piece in pieces {
        asking.raw.extend_from_slice(piece);
        loop {
            match asking.step() {
                Ok(Next::Read) => break,
                Ok(Next::Say(request)) => assert!(!request.is_empty() && request.len() < 256),
                Ok(Next::Done) | Err(_) => return,
            }
        }
        assert!(asking.raw.len() < 128 * 1024);
    }
}
