//! Every field and every extension, changed, added and left out.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// A ClientHello's body.
#[derive(Clone)]
struct Made {
    version: [u8; 2],
    random: [u8; 32],
    session: Vec<u8>,
    suites: Vec<u8>,
    compressions: Vec<u8>,
    extensions: Vec<(u16, Vec<u8>)>,
}

fn made() -> Made {
    let extensions = [
        (0x1a1a, vec![]),
        (0, b"\0\x09\0\0\x06a.test".to_vec()),
        (5, vec![1, 0, 0, 0, 0]),
        (10, vec![0, 4, 0, 0x1d, 0, 0x17]),
        (13, vec![0, 2, 4, 3]),
        (16, b"\0\x03\x02h2".to_vec()),
        (43, vec![2, 3, 4]),
        (45, vec![1, 1]),
        (47, vec![0, 0]),
        (50, vec![0, 2, 4, 3]),
        (51, vec![0, 0]),
        (0xff01, vec![0]),
    ];
    Made {
        version: [3, 3],
        random: [7; 32],
        session: vec![9; 32],
        suites: vec![0x13, 1],
        compressions: vec![0],
        extensions: extensions.to_vec(),
    }
}

impl Made {
    fn bytes(&self) -> Vec<u8> {
        let vector = |bytes: &[u8]| [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat();
        let short = |bytes: &[u8]| [&[bytes.len() as u8][..], bytes].concat();
        let one = |(kind, data): &(u16, Vec<u8>)| [&kind.to_be_bytes()[..], &vector(data)].concat();
        let extensions: Vec<u8> = self.extensions.iter().flat_map(one).collect();
        let Self { version, random, session, suites, compressions, .. } = self;
        [&version[..], random, &short(session), &vector(suites), &short(compressions), &vector(&extensions)].concat()
    }

    fn with(mut self, kind: u16, data: &[u8]) -> Self {
        match self.extensions.iter_mut().find(|(known, _)| *known == kind) {
            Some(there) => there.1 = data.to_vec(),
            None => self.extensions.push((kind, data.to_vec())),
        }
        self
    }

    fn without(mut self, kind: u16) -> Self {
        self.extensions.retain(|(known, _)| *known != kind);
        self
    }
}

fn changed(first: &Made, second: &Made) -> Vec<String> {
    match compare(&first.bytes(), &second.bytes()) {
        Ok(()) => Vec::new(),
        Err(Difference::Changed(parts)) => parts.into_iter().map(Cow::into_owned).collect(),
        Err(Difference::Malformed) => vec!["malformed".to_owned()],
    }
}

#[test]
fn what_the_rfc_allows_is_let_through() {
    let first = made();
    let psk = |identity: &[u8], age: u8| {
        let list = [&(identity.len() as u16).to_be_bytes()[..], identity, &[age; 4]].concat();
        [&(list.len() as u16).to_be_bytes()[..], &list, &[0, 5, 4], &[age; 4]].concat()
    };
    for (before, now) in [
        (first.clone(), first.clone()),
        (first.clone(), first.clone().with(51, &[0, 5, 0, 0x17, 0, 1, 8])),
        (first.clone(), first.clone().with(21, &[0; 100])),
        (first.clone().with(21, &[0; 100]), first.clone().with(21, &[0; 3])),
        (first.clone().with(21, &[0; 100]), first.clone()),
        (first.clone().with(42, &[]), first.clone()),
        (first.clone().with(41, &psk(b"ticket", 1)), first.clone().with(41, &psk(b"ticket", 2))),
        (first.clone().with(41, &psk(b"ticket", 1)), first.clone()),
        (first.clone().with(0xfe0d, &[0, 1, 2]), first.clone().with(0xfe0d, &[0, 3])),
        (
            first.clone().with(0xfe0d, &[0]).with(41, &psk(b"made up", 1)),
            first.clone().with(0xfe0d, &[0]).with(41, &psk(b"anew!", 1)),
        ),
    ] {
        assert_eq!(changed(&before, &now), Vec::<String>::new());
    }
    // The order does not matter: nothing depends on it.
    let mut turned = first.clone();
    turned.extensions.reverse();
    assert_eq!(changed(&first, &turned), Vec::<String>::new());
}

#[test]
fn every_other_change_is_named() {
    let first = made();
    let mut seen = 0;
    for (kind, _) in first.extensions.clone() {
        if kind == 51 {
            continue;
        }
        let expected = [extension_name(kind).into_owned()];
        assert_eq!(changed(&first, &first.clone().with(kind, b"other")), expected);
        assert_eq!(changed(&first, &first.clone().without(kind)), expected);
        assert_eq!(changed(&first.clone().without(kind), &first), expected);
        // Twice, the second time unchanged.
        let mut twice = first.clone();
        twice.extensions.push((kind, b"other".to_vec()));
        assert_eq!(changed(&first, &twice), expected);
        twice.extensions.rotate_right(1);
        assert_eq!(changed(&first, &twice), expected);
        seen += 1;
    }
    assert_eq!(seen, 11);
    let other = |change: fn(&mut Made)| {
        let mut second = made();
        change(&mut second);
        changed(&made(), &second)
    };
    assert_eq!(other(|hello| hello.version = [3, 1]), ["legacy_version"]);
    assert_eq!(other(|hello| hello.random[31] = 0), ["random"]);
    assert_eq!(other(|hello| hello.session.clear()), ["legacy_session_id"]);
    assert_eq!(other(|hello| hello.suites = vec![0x13, 2]), ["cipher_suites"]);
    assert_eq!(other(|hello| hello.compressions = vec![1, 0]), ["legacy_compression_methods"]);
}

#[test]
fn what_may_change_may_not_change_at_will() {
    let first = made();
    let psk = |names: &[&[u8]]| {
        let one = |name: &&[u8]| [&(name.len() as u16).to_be_bytes()[..], name, &[0; 4]].concat();
        let list: Vec<u8> = names.iter().flat_map(one).collect();
        [&(list.len() as u16).to_be_bytes()[..], &list, &[0, 0]].concat()
    };
    for (before, now, part) in [
        (first.clone(), first.clone().with(42, &[]), "early_data"),
        (first.clone().with(42, &[]), first.clone().with(42, &[]), "early_data"),
        // The HelloRetryRequest had no cookie.
        (first.clone(), first.clone().with(44, &[0, 1, 9]), "cookie"),
        (first.clone(), first.clone().with(41, &psk(&[b"new"])), "pre_shared_key"),
        (first.clone().with(41, &psk(&[b"a", b"b"])), first.clone().with(41, &psk(&[b"b", b"a"])), "pre_shared_key"),
        (first.clone().with(41, &psk(&[b"a"])), first.clone().with(41, &psk(&[b"c"])), "pre_shared_key"),
        (first.clone().with(41, &psk(&[b"a"])), first.clone().with(41, &[0, 9]), "pre_shared_key"),
        (first.clone(), first.clone().without(51), "key_share"),
        (first.clone(), first.clone().with(0xfe0d, &[0]), "encrypted_client_hello"),
        (first.clone().with(0xfe0d, &[0]), first.clone(), "encrypted_client_hello"),
        (first.clone(), first.clone().with(0x7777, &[0]), "extension 30583"),
    ] {
        assert_eq!(changed(&before, &now), [part]);
    }
    let (two, one) = (psk(&[b"a", b"b"]), psk(&[b"b"]));
    assert_eq!(changed(&first.clone().with(41, &two), &first.with(41, &one)), Vec::<String>::new());
}

#[test]
fn a_hello_cut_short_is_malformed() {
    let whole = made().bytes();
    for end in 0..whole.len() {
        assert_eq!(compare(&whole, &whole[..end]), Err(Difference::Malformed), "{end}");
        assert_eq!(compare(&whole[..end], &whole), Err(Difference::Malformed), "{end}");
    }
    assert_eq!(compare(&whole, &[&whole[..], &[0]].concat()), Err(Difference::Malformed));
}

#[test]
fn the_reason_is_bounded() {
    let many = (0..1000).map(|number| format!("extension {number}").into()).collect();
    let text = Difference::Changed(many).to_string();
    assert!(text.ends_with("extension 7 and more"), "{text}");
    let one = Difference::Changed(vec![extension_name(16)]).to_string();
    assert_eq!(one, "the second ClientHello differs from the first in application_layer_protocol_negotiation");
}

/// Which extensions differ, as the rules say it: every number is looked for in both lists from the beginning.
fn differing(first: &Made, second: &Made) -> Vec<u16> {
    let all = |hello: &Made, kind: u16| -> Vec<Vec<u8>> {
        hello.extensions.iter().filter(|(known, _)| *known == kind).map(|(_, data)| data.clone()).collect()
    };
    let may_become = |kind: u16| {
        let (before, now) = (all(first, kind), all(second, kind));
        match kind {
            KEY_SHARE => before.len() == 1 && now.len() == 1,
            PADDING => true,
            EARLY_DATA => now.is_empty(),
            ENCRYPTED_CLIENT_HELLO => before.len() == now.len(),
            _ => before == now,
        }
    };
    let kinds: BTreeSet<u16> = first.extensions.iter().chain(&second.extensions).map(|(kind, _)| *kind).collect();
    kinds.into_iter().filter(|kind| !may_become(*kind)).collect()
}

/// A few numbers, those with rules of their own among them, so that many occur twice and in both hellos.
fn extensions() -> impl Strategy<Value = Vec<(u16, Vec<u8>)>> {
    let kind = prop::sample::select(vec![0, 10, KEY_SHARE, PADDING, EARLY_DATA, ENCRYPTED_CLIENT_HELLO, 0x7777]);
    prop::collection::vec((kind, prop::collection::vec(0_u8..2, 0..2)), 0..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn whatever_occurs_however_often_is_compared_by_the_rules(
        before in extensions(),
        now in extensions(),
        turned in any::<prop::sample::Index>(),
        same in any::<bool>(),
    ) {
        let first = Made { extensions: before.clone(), ..made() };
        let mut second = Made { extensions: if same { before } else { now }, ..made() };
        let at = turned.index(second.extensions.len() + 1);
        second.extensions.rotate_left(at);
        let expected: Vec<String> = differing(&first, &second).into_iter().map(|kind| extension_name(kind).into()).collect();
        prop_assert_eq!(changed(&first, &second), expected);
    }
}

/// As many numbers as a message has room for. Were each looked for in both lists, every comparison would be of a billion
/// pairs, and all of these would take minutes.
#[test]
fn a_hello_full_of_extensions_costs_no_more_than_its_length() {
    let full = |from: u16, step: u16| Made {
        extensions: (0..FULL)
            .map(|number| (from + step * number, Vec::new()))
            .chain([(KEY_SHARE, vec![0, 0])])
            .collect(),
        ..made()
    };
    let (even, odd) = (full(0x100, 2), full(0x101, 2).bytes());
    let mut turned = even.clone();
    turned.extensions.reverse();
    let (even, turned) = (even.bytes(), turned.bytes());
    assert!(even.len() < 0x1_0000 && even.len() > 0xff00, "{}", even.len());
    for round in 0..10 {
        assert_eq!(compare(&even, &turned), Ok(()), "{round}");
        let Err(Difference::Changed(parts)) = compare(&even, &odd) else { panic!("{round}") };
        assert_eq!((parts.len(), &*parts[0]), (MOST_SHOWN + 1, "extension 256"));
    }
}

const FULL: u16 = 16_330;
