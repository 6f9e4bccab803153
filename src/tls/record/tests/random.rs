//! Random scripts: both layers must give the same result.

use super::duel::{agree, read};
use super::handshake::SUITES;
use super::peer::{Item, record};
use super::{ALERT, HANDSHAKE, SIDES, data, whole};
use crate::tls::record::Layer;

#[test]
fn random_scripts_are_judged_alike() {
    let mut random = Random(0x2545_F491_4F6C_DD1D);
    for round in 0..600 {
        let suite = SUITES[random.below(SUITES.len())];
        let side = SIDES[random.below(2)];
        let script: Vec<Item> = (0..1 + random.below(12)).map(|_| random.item()).collect();
        let ours = read(Layer::Tlsgate, suite, side, &script, || 1 + random.below(60));
        let theirs = read(Layer::Rustls, suite, side, &script, whole);
        if let Err(how) = agree(&script, &ours, &theirs) {
            panic!("round {round}: {suite:?} {side:?} {script:?}\n{how}");
        }
    }
}

/// Xorshift: the same every time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most)).map(|_| self.below(256) as u8).collect()
    }

    fn item(&mut self) -> Item {
        let mut forged = match self.below(12) {
            0 => record(HANDSHAKE, &[24, 0, 0, 1, self.below(3) as u8]),
            1 => record(ALERT, &[1 + self.below(2) as u8, [0, 10, 20, 90, 100][self.below(5)]]),
            2 => record(ALERT, &self.bytes(4)),
            3 => record(HANDSHAKE, &self.bytes(40)),
            4 => record(self.below(256) as u8, &self.bytes(40)),
            5 => return Item::Raw(self.bytes(60)),
            6 => data(b""),
            _ => data(&self.bytes(400)),
        };
        if self.below(4) == 0 {
            forged.padding = self.below(50);
        }
        if self.below(12) == 0 {
            forged.flip = Some((self.below(100), 1 << self.below(8)));
        }
        if self.below(20) == 0 {
            forged.cut = self.below(40);
        }
        Item::Record(forged)
    }
}
