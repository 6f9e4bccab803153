//! What one layer seals, the other opens.

use super::duel::{End, feed};
use super::handshake::{SUITES, shaken};
use super::{sealed, whole};
use crate::tls::record::Layer;
use crate::tls::wire::codes::framing::MAX_FRAGMENT;

#[test]
fn what_one_layer_seals_the_other_opens() {
    let plain: Vec<u8> = (0..16 * MAX_FRAGMENT).map(|at| at as u8).collect();
    for suite in SUITES {
        for (one, other) in
            [(Layer::Tlsgate, Layer::Rustls), (Layer::Rustls, Layer::Tlsgate), (Layer::Tlsgate, Layer::Tlsgate)]
        {
            let (server, client) = shaken(suite);
            let (mut server, mut client) = (server.finish(one).unwrap().records, client.finish(other).unwrap().records);
            let lengths =
                [1, 2, 63, 64, MAX_FRAGMENT - 1, MAX_FRAGMENT, MAX_FRAGMENT + 1, 3 * MAX_FRAGMENT, 16 * MAX_FRAGMENT];
            for length in lengths {
                for down in [true, false] {
                    let (from, to) = if down { (&mut server, &mut client) } else { (&mut client, &mut server) };
                    let wire = sealed(from, &plain[..length]).unwrap();
                    let (read, end, reply) = feed(to, &wire, || 4099);
                    assert!(
                        read == plain[..length],
                        "{suite:?}, {length} bytes from {one:?} to {other:?}: {}",
                        read.len()
                    );
                    assert_eq!((end, reply), (End::Open, Vec::new()));
                }
            }
            let mut close = Vec::new();
            server.seal_close(&mut close).unwrap();
            assert_eq!(feed(&mut client, &close, whole), (Vec::new(), End::Closed, Vec::new()));
            // The other way is still open.
            let wire = sealed(&mut client, b"last").unwrap();
            assert_eq!(feed(&mut server, &wire, whole), (b"last".to_vec(), End::Open, Vec::new()));
        }
    }
}
