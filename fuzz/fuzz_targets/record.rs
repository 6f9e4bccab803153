//! The record layer: whatever a peer with the right keys sends, in whatever pieces, tlsgate's own layer has the same
//! result as rustls's, and never panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tlsgate::tls::record::Layer;

#[path = "../../src/tls/record/tests/duel.rs"]
mod duel;
#[path = "../../src/tls/record/tests/handshake.rs"]
mod handshake;
#[path = "../../src/tls/record/tests/peer.rs"]
mod peer;

use duel::{Side, agree, read};
use handshake::SUITES;
use peer::{Item, record};

fuzz_target!(|data: &[u8]| {
    let Some((&[choice, cut], mut rest)) = data.split_first_chunk::<2>() else { return };
    let suite = SUITES[usize::from(choice) % SUITES.len()];
    let side = if choice & 0x80 == 0 { Side::Server } else { Side::Client };
    let mut script = Vec::new();
    while let Some((&[kind, length, how, detail], more)) = rest.split_first_chunk::<4>() {
        let (content, more) = more.split_at(usize::from(length).min(more.len()));
        rest = more;
        if how & 0x40 != 0 {
            script.push(Item::Raw(content.to_vec()));
            continue;
        }
        // Mostly types that exist.
        let kind = if how & 0x20 != 0 { kind } else { 20 + kind % 4 };
        let mut forged = record(kind, content);
        match how & 3 {
            1 => forged.padding = usize::from(detail) * 70,
            2 => forged.flip = Some((usize::from(detail), 1 << (how >> 2 & 7))),
            3 => forged.cut = usize::from(detail),
            _ => {}
        }
        script.push(Item::Record(forged));
    }
    let ours = read(Layer::Tlsgate, suite, side, &script, || usize::from(cut) + 1);
    let theirs = read(Layer::Rustls, suite, side, &script, || usize::MAX);
    if let Err(how) = agree(&script, &ours, &theirs) {
        panic!("{suite:?} {side:?} {script:?}\n{how}");
    }
});
