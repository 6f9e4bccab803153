//! A second ClientHello, after a HelloRetryRequest, equals the first one except for the changes that RFC 8446 section
//! 4.1.2 allows: a client that was judged by one is never served by another. With either record layer.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::support::by_hand::ByHand;
use crate::support::client::{Ending, Tls, close, connect, drain};
use crate::support::hello::{
    ALPN, KEY_SHARE, SERVER_NAME, extension, header, message, protocols, records, server_names, with_extensions,
};
use crate::support::stage::{Lines, NAME, Stage};

mod honest;

const UNEXPECTED_MESSAGE: u8 = 10;
const ILLEGAL_PARAMETER: u8 = 47;
const DECODE_ERROR: u8 = 50;

/// Routes of every kind that a second hello could try to reach or to avoid.
fn stage(backend: SocketAddr, layer: &str, more: &str) -> Stage {
    let listener = format!(
        r#"
{more}
alpn = ["h2", "imap", "pop3"]
policy = "TLS13-1-2-Res-2021-06"
[[listener.route]]
client_alpn = ["imap"]
client_auth = {{ mode = "require", ca = "ca.pem" }}
[[listener.route]]
client_alpn = ["pop3"]
mode = "reject"
[[listener.route]]
server_names = ["strict.test"]
policy = "TLS13-1-3-2021-06"
[[listener.route]]
server_names = ["other.test"]
backend = "elsewhere"
"#
    );
    let top = format!("[runtime]\nrecord_layer = \"{layer}\"");
    let elsewhere = format!("[backend.elsewhere]\nservers = [\"{backend}\"]");
    Stage::new(&[backend], Lines { top: &top, listener: &listener, backend: &elsewhere })
}

/// A client that is about to send a hello without a key share.
struct Asking {
    tcp: TcpStream,
    /// Its first hello.
    first: Vec<u8>,
    /// A share for the group that the server will ask for.
    share: Vec<u8>,
}

impl Asking {
    fn new(stage: &Stage, alpn: Option<&[&str]>) -> Self {
        Self::on(connect(stage.address()), stage, alpn)
    }

    fn on(tcp: TcpStream, stage: &Stage, alpn: Option<&[&str]>) -> Self {
        let hello = message(&stage.silent(Tls::V13).flight());
        let share = extension(&hello, KEY_SHARE).unwrap();
        let alpn: Vec<Vec<u8>> = alpn.into_iter().map(protocols).collect();
        let alpn: Vec<&[u8]> = alpn.iter().map(Vec::as_slice).collect();
        let first = with_extensions(&with_extensions(&hello, ALPN, &alpn), KEY_SHARE, &[&[0, 0]]);
        Self { tcp, first, share }
    }

    /// Sends the first hello, and reads the HelloRetryRequest.
    fn retried(mut self) -> Self {
        self.tcp.write_all(&records(&self.first, 1 << 14)).unwrap();
        self.is_asked_again();
        self
    }

    fn is_asked_again(&mut self) {
        let (kind, content) = self.record();
        // RFC 8446 section 4.1.3.
        assert!(kind == 22 && content[0] == 2 && content[6..10] == [0xcf, 0x21, 0xad, 0x74], "{content:02x?}");
        assert_eq!(self.record(), (20, vec![1]));
    }

    fn record(&mut self) -> (u8, Vec<u8>) {
        let mut header = [0; 5];
        self.tcp.read_exact(&mut header).unwrap();
        let mut content = vec![0; usize::from(u16::from_be_bytes([header[3], header[4]]))];
        self.tcp.read_exact(&mut content).unwrap();
        (header[0], content)
    }

    /// The correct second hello.
    fn second(&self) -> Vec<u8> {
        with_extensions(&self.first, KEY_SHARE, &[&self.share])
    }

    /// Sends these bytes: the handshake goes on.
    fn accepted(mut self, pieces: &[&[u8]], what: &str) {
        for piece in pieces {
            self.tcp.write_all(piece).unwrap();
        }
        let (kind, content) = self.record();
        assert_eq!((kind, content[0]), (22, 2), "{what}: {content:02x?}");
    }

    /// Sends these bytes: one alert, and the end. Returns the reason in the log.
    fn refused(mut self, stage: &Stage, sent: &[u8], alert: u8, what: &str) -> String {
        self.tcp.write_all(sent).unwrap();
        let (answer, ending) = drain(&mut self.tcp);
        assert_eq!((&answer[..], ending), (&[21, 3, 3, 0, 2, 2, alert][..], Ending::Fin), "{what}");
        let port = close(self.tcp);
        let record = stage.proxy.record(|record| record["client.port"] == port);
        assert_eq!(record["outcome"], "handshake_failed", "{what}: {record}");
        record["reason"].as_str().unwrap().to_owned()
    }
}

fn on_both_layers(more: &str, check: impl Fn(&Stage)) {
    let backend = ByHand::new();
    for layer in ["tlsgate", "rustls"] {
        check(&stage(backend.address, layer, more));
    }
    assert!(backend.is_untouched());
}

#[test]
fn no_route_is_got_into_or_around_by_a_second_hello() {
    on_both_layers("", |stage| {
        for (first, second) in [
            // Into the route that asks for certificates, into the one that refuses, and out of every route.
            (Some(&["h2"][..]), Some(&["imap"][..])),
            (Some(&["h2"]), Some(&["imap", "h2"])),
            (Some(&["h2"]), Some(&["h2", "imap"])),
            (None, Some(&["imap"])),
            (Some(&["h2"]), Some(&["pop3"])),
            (Some(&["imap"]), Some(&["h2"])),
            (Some(&["imap"]), None),
            (Some(&["h2"]), Some(&["H2"])),
        ] {
            let asking = Asking::new(stage, first).retried();
            let alpn: Vec<Vec<u8>> = second.into_iter().map(protocols).collect();
            let alpn: Vec<&[u8]> = alpn.iter().map(Vec::as_slice).collect();
            let changed = with_extensions(&asking.second(), ALPN, &alpn);
            let what = format!("{first:?}, then {second:?}");
            let reason = asking.refused(stage, &records(&changed, 1 << 14), ILLEGAL_PARAMETER, &what);
            assert!(reason.ends_with("differs from the first in application_layer_protocol_negotiation"), "{reason}");
        }
        let names = |name: &str| server_names(&[name.as_bytes()]);
        for (first, second) in [
            (Some(NAME), Some("strict.test")),
            (Some("strict.test"), Some(NAME)),
            (Some(NAME), Some("other.test")),
            (Some("other.test"), None),
            (None, Some("other.test")),
            (Some(NAME), Some("a.test:636")),
        ] {
            let mut asking = Asking::new(stage, Some(&["h2"]));
            let list = |name: Option<&str>| name.into_iter().map(names).collect::<Vec<_>>();
            let refer = |list: &[Vec<u8>], hello: &[u8]| {
                let list: Vec<&[u8]> = list.iter().map(Vec::as_slice).collect();
                with_extensions(hello, SERVER_NAME, &list)
            };
            asking.first = refer(&list(first), &asking.first);
            let asking = asking.retried();
            let changed = refer(&list(second), &asking.second());
            let what = format!("{first:?}, then {second:?}");
            let reason = asking.refused(stage, &records(&changed, 1 << 14), ILLEGAL_PARAMETER, &what);
            assert!(reason.ends_with("differs from the first in server_name"), "{reason}");
        }
    });
}

/// The parts that rustls reads again, and the parts that it does not.
#[test]
fn nothing_else_of_a_hello_may_change_either() {
    on_both_layers("", |stage| {
        let rows: [(&str, u16, &[u8]); 16] = [
            ("status_request", 5, &[1, 0, 3, 0, 1, 7, 0, 0]),
            ("supported_groups", 10, &[0, 2, 0, 0x1d]),
            ("ec_point_formats", 11, &[2, 0, 1]),
            ("signature_algorithms", 13, &[0, 2, 8, 4]),
            ("client_certificate_type", 19, &[1, 0]),
            ("server_certificate_type", 20, &[1, 0]),
            ("compress_certificate", 27, &[2, 0, 2]),
            ("record_size_limit", 28, &[0x40, 0]),
            ("session_ticket", 35, b"ticket"),
            ("early_data", 42, &[]),
            ("supported_versions", 43, &[4, 3, 4, 3, 3]),
            ("cookie", 44, &[0, 1, 7]),
            ("psk_key_exchange_modes", 45, &[2, 1, 0]),
            ("certificate_authorities", 47, &[0, 3, 0, 1, 0x30]),
            ("signature_algorithms_cert", 50, &[0, 2, 8, 4]),
            ("extension 31354", 0x7a7a, &[]),
        ];
        for (name, kind, data) in rows {
            let asking = Asking::new(stage, Some(&["h2"])).retried();
            let changed = with_extensions(&asking.second(), kind, &[data]);
            let reason = asking.refused(stage, &records(&changed, 1 << 14), ILLEGAL_PARAMETER, name);
            assert!(reason.ends_with(&format!("differs from the first in {name}")), "{name}: {reason}");
        }
        // Its version, random, session id and cipher suites.
        for (name, at) in
            [("legacy_version", 5), ("random", 6), ("random", 37), ("legacy_session_id", 39), ("cipher_suites", 74)]
        {
            let asking = Asking::new(stage, Some(&["h2"])).retried();
            let mut changed = asking.second();
            changed[at] ^= 1;
            let reason = asking.refused(stage, &records(&changed, 1 << 14), ILLEGAL_PARAMETER, name);
            assert!(reason.ends_with(&format!("differs from the first in {name}")), "{name}: {reason}");
        }
        let asking = Asking::new(stage, Some(&["h2"])).retried();
        let psk = [&[0, 12, 0, 6][..], b"ticket", &[0; 4], &[0, 33, 32], &[7; 32]].concat();
        let added = with_psk(&asking.second(), &psk);
        let reason = asking.refused(stage, &records(&added, 1 << 14), ILLEGAL_PARAMETER, "a new pre-shared key");
        assert!(reason.ends_with("differs from the first in pre_shared_key"), "{reason}");
        // Without the share that the server asked for.
        let asking = Asking::new(stage, Some(&["h2"])).retried();
        let same = asking.first.clone();
        asking.refused(stage, &records(&same, 1 << 14), ILLEGAL_PARAMETER, "no share again");
    });
}

/// pre_shared_key has to be the last extension (RFC 8446 section 4.2.11).
fn with_psk(hello: &[u8], psk: &[u8]) -> Vec<u8> {
    let before = with_extensions(hello, 41, &[psk]);
    let (added, at) = (4 + psk.len(), before.len() - hello.len());
    assert_eq!(added, at);
    let start =
        before.windows(4).position(|window| window[..2] == [0, 41] && window[2..] == before_length(psk)).unwrap();
    let mut last = [&before[..start], &before[start + added..]].concat();
    last.extend_from_slice(&before[start..start + added]);
    last
}

fn before_length(psk: &[u8]) -> [u8; 2] {
    u16::try_from(psk.len()).unwrap().to_be_bytes()
}

#[test]
fn the_same_hello_again_is_accepted_however_it_comes() {
    on_both_layers("", |stage| {
        let ccs = [20, 3, 3, 0, 1, 1];
        for size in [1, 4, 5, 100, 1 << 14] {
            let asking = Asking::new(stage, Some(&["h2"])).retried();
            let second = records(&asking.second(), size);
            asking.accepted(&[&second], &format!("records of {size}"));
            let asking = Asking::new(stage, None).retried();
            let second = records(&asking.second(), size);
            asking.accepted(&[&ccs, &second], &format!("behind a change_cipher_spec, records of {size}"));
            let asking = Asking::new(stage, None).retried();
            let second = [&ccs[..], &records(&asking.second(), size)].concat();
            asking.accepted(&[&second], &format!("with a change_cipher_spec, records of {size}"));
        }
        for size in [3, 1 << 14] {
            let asking = Asking::new(stage, Some(&["h2"])).retried();
            let second = [&ccs[..], &records(&asking.second(), size)].concat();
            let bytes: Vec<&[u8]> = second.chunks(1).collect();
            asking.accepted(&bytes, &format!("byte by byte, records of {size}"));
        }
        // The first one in pieces too, and both before the server has answered.
        for size in [1, 7, 1 << 14] {
            let mut asking = Asking::new(stage, Some(&["h2"]));
            let both = [records(&asking.first, size), ccs.to_vec(), records(&asking.second(), size)].concat();
            asking.tcp.write_all(&both).unwrap();
            asking.is_asked_again();
            asking.accepted(&[], &format!("at once, records of {size}"));
        }
        // Padding may be added or removed, up to the maximal size of a hello.
        for (before, now) in [(0, 100), (100, 0), (100, 60_000), (60_000, 0), (60_000, 60_000)] {
            let mut asking = Asking::new(stage, Some(&["h2"]));
            let padded = |hello: &[u8], length: usize| match length {
                0 => with_extensions(hello, 21, &[]),
                length => with_extensions(hello, 21, &[&vec![0; length]]),
            };
            asking.first = padded(&asking.first, before);
            let asking = asking.retried();
            let second = records(&padded(&asking.second(), now), 16_000);
            asking.accepted(&[&second], &format!("padded with {before}, then {now}"));
        }
        // Early data that the server no longer accepts is skipped (RFC 8446 section 4.2.10).
        let mut asking = Asking::new(stage, Some(&["h2"]));
        let without = asking.first.clone();
        asking.first = with_extensions(&asking.first, 42, &[&[]]);
        let asking = asking.retried();
        let second = records(&with_extensions(&without, KEY_SHARE, &[&asking.share]), 1 << 14);
        asking.accepted(&[&[23, 3, 3, 0, 20], &[7; 20], &second], "behind early data");
    });
}

#[test]
fn what_is_no_second_hello_gets_its_alert() {
    on_both_layers("", |stage| {
        type Make = fn(&Asking) -> Vec<u8>;
        let rows: [(&str, u8, Make); 9] = [
            ("announced as 16 MB", DECODE_ERROR, |_| records(&header((1 << 24) - 1), 4)),
            ("cut within", DECODE_ERROR, |asking| {
                let second = asking.second();
                let length = u32::try_from(second.len() - 5).unwrap().to_be_bytes();
                records(&[&[1][..], &length[1..], &second[4..second.len() - 1]].concat(), 1 << 14)
            }),
            ("a Finished", UNEXPECTED_MESSAGE, |_| records(&[&[20, 0, 0, 32][..], &[7; 32]].concat(), 99)),
            ("a change_cipher_spec within", UNEXPECTED_MESSAGE, |asking| {
                let second = asking.second();
                [records(&second[..50], 50), vec![20, 3, 3, 0, 1, 1], records(&second[50..], 1 << 14)].concat()
            }),
            ("data within", UNEXPECTED_MESSAGE, |asking| {
                let second = asking.second();
                [records(&second[..50], 50), vec![23, 3, 3, 0, 1, 1], records(&second[50..], 1 << 14)].concat()
            }),
            ("another message behind it", UNEXPECTED_MESSAGE, |asking| {
                records(&[&asking.second()[..], &[20, 0, 0, 0]].concat(), 1 << 14)
            }),
            ("an empty record", UNEXPECTED_MESSAGE, |_| vec![22, 3, 3, 0, 0]),
            ("a record that is too long", 22, |_| vec![22, 3, 3, 0x40, 1, 1]),
            ("a type that TLS does not have", UNEXPECTED_MESSAGE, |_| vec![99, 3, 3, 0, 1, 1]),
        ];
        for (what, alert, make) in rows {
            let asking = Asking::new(stage, Some(&["h2"])).retried();
            let sent = make(&asking);
            asking.refused(stage, &sent, alert, what);
        }
        // Two changed ones in one write, before the server has answered.
        for size in [9, 1 << 14] {
            let mut asking = Asking::new(stage, Some(&["h2"]));
            let changed = with_extensions(&asking.second(), ALPN, &[&protocols(&["imap"])]);
            asking.tcp.write_all(&[records(&asking.first, size), records(&changed, size)].concat()).unwrap();
            asking.is_asked_again();
            asking.refused(stage, &[], ILLEGAL_PARAMETER, "at once");
        }
    });
}

#[test]
fn a_second_hello_that_nobody_asked_for_refused() {
    on_both_layers("", |stage| {
        for alpn in ["h2", "imap"] {
            let mut asking = Asking::new(stage, Some(&["h2"]));
            let whole = asking.second();
            let other = with_extensions(&whole, ALPN, &[&protocols(&[alpn])]);
            asking.tcp.write_all(&[records(&whole, 1 << 14), records(&other, 1 << 14)].concat()).unwrap();
            let (answer, ending) = drain(&mut asking.tcp);
            // A ServerHello, and then an encrypted alert.
            assert!(answer.starts_with(&[22, 3, 3]) && ending == Ending::Fin, "{answer:02x?}");
            assert_eq!(stage.outcome(close(asking.tcp)), "handshake_failed");
        }
    });
}

#[test]
fn the_same_holds_behind_start_tls() {
    let request = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";
    on_both_layers("starttls = \"ldap\"", |stage| {
        for (alpn, accepted) in [("h2", true), ("imap", false)] {
            let mut tcp = connect(stage.address());
            tcp.write_all(request).unwrap();
            let mut granted = [0; 38];
            tcp.read_exact(&mut granted).unwrap();
            let asking = Asking::on(tcp, stage, Some(&["h2"])).retried();
            let second = with_extensions(&asking.second(), ALPN, &[&protocols(&[alpn])]);
            match accepted {
                true => asking.accepted(&[&records(&second, 1 << 14)], alpn),
                false => {
                    asking.refused(stage, &records(&second, 1 << 14), ILLEGAL_PARAMETER, alpn);
                }
            }
        }
    });
}
