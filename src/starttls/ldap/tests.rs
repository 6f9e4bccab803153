//! Requests as clients send them, whole, cut, changed, and with more behind them.

use super::*;
use crate::ldap::ber;

fn tlv(tag: u8, content: &[&[u8]]) -> Vec<u8> {
    ber::encoded(Tag(tag), content)
}

fn request(id: u8, operation: &[u8]) -> Vec<u8> {
    tlv(0x30, &[&tlv(0x02, &[&[id]]), operation])
}

fn start_tls() -> Vec<u8> {
    request(1, &tlv(0x77, &[&tlv(0x80, &[START_TLS])]))
}

fn step(bytes: &[u8]) -> Step {
    Opening { raw: bytes.to_vec(), ..Opening::default() }.step()
}

/// The tag of the response, its code, and the message's number.
#[track_caller]
fn answer(step: &Step) -> (u8, u8, u32) {
    let (Step::Say(bytes) | Step::Begin { say: bytes, .. } | Step::End(End { say: bytes, .. })) = step else {
        panic!("{step:?}")
    };
    let (whole, rest) = ber::element(bytes, 1000).unwrap();
    assert!(rest.is_empty());
    let (id, rest) = ber::element(whole.content, 1000).unwrap();
    let (operation, rest) = ber::element(rest, 1000).unwrap();
    assert!(rest.is_empty());
    let (code, _) = ber::element(operation.content, 1000).unwrap();
    (operation.tag.0, code.content[0], id.content.iter().fold(0, |id, byte| id << 8 | u32::from(*byte)))
}

#[test]
fn start_tls_is_granted_and_every_piece_of_it_asks_for_more() {
    let bytes = start_tls();
    let granted = step(&bytes);
    assert!(matches!(&granted, Step::Begin { early, .. } if early.is_empty()));
    assert_eq!(answer(&granted), (0x78, 0, 1));
    for end in 0..bytes.len() {
        assert!(matches!(step(&bytes[..end]), Step::Read), "{end}");
    }
}

#[test]
fn our_own_request_is_granted_and_every_other_answer_has_its_words() {
    let granted = step(&super::request());
    let Step::Begin { say, .. } = granted else { panic!("{granted:?}") };
    assert_eq!(is_granted(&say), Ok(true));
    for end in 0..say.len() {
        assert_eq!(is_granted(&say[..end]), Ok(false), "{end}");
    }
    let refused = result::encoded(1, EXTENDED_RESPONSE, 52, b"", None);
    assert_eq!(is_granted(&refused), Err("the server answers with LDAP result code 52".into()));
    let another = result::encoded(2, EXTENDED_RESPONSE, 0, b"", None);
    let followed = is_granted(&[&say[..], b"\x30"].concat());
    assert_eq!(followed, Err("the answer continues in clear text after StartTLS".into()));
    for other in [&b"HTTP/1.1 400"[..], &another, b"\x30\x80"] {
        assert_eq!(is_granted(other), Err("the answer is not an LDAP extended response".into()), "{other:x?}");
    }
}

#[test]
fn long_forms_of_lengths_and_numbers_are_understood() {
    let name = [&[0x80, 0x82, 0x00, 0x16][..], START_TLS].concat();
    let operation = [&[0x77, 0x81, name.len() as u8][..], &name].concat();
    let content = [&[0x02, 0x04, 0x7f, 0xff, 0xff, 0xff][..], &operation].concat();
    let bytes = [&[0x30, 0x84, 0, 0, 0, content.len() as u8][..], &content].concat();
    assert_eq!(answer(&step(&bytes)), (0x78, 0, 0x7fff_ffff));
    for end in 0..bytes.len() {
        assert!(matches!(step(&bytes[..end]), Step::Read), "{end}");
    }
}

#[test]
fn every_operation_is_refused_in_the_response_that_belongs_to_it() {
    let bind = tlv(0x60, &[&tlv(0x02, &[&[3]]), &tlv(0x04, &[b"cn=admin"]), &tlv(0x80, &[b"a secret"])]);
    let whoami = tlv(0x77, &[&tlv(0x80, &[b"1.3.6.1.4.1.4203.1.11.3"])]);
    for (operation, response) in [
        (bind, 0x61),
        (tlv(0x63, &[b"search"]), 0x65),
        (tlv(0x66, &[b"modify"]), 0x67),
        (tlv(0x68, &[b"add"]), 0x69),
        (tlv(0x4a, &[b"delete"]), 0x6b),
        (tlv(0x6c, &[b"modify dn"]), 0x6d),
        (tlv(0x6e, &[b"compare"]), 0x6f),
        (whoami, 0x78),
    ] {
        let mut opening = Opening { raw: request(7, &operation), ..Opening::default() };
        assert_eq!(answer(&opening.step()), (response, 13, 7));
        // StartTLS may still come.
        opening.raw.extend(start_tls());
        assert_eq!(answer(&opening.step()), (0x78, 0, 1));
    }
}

#[test]
fn abandon_has_no_answer_and_unbind_is_the_end() {
    let mut opening = Opening { raw: request(2, &tlv(0x50, &[&[1]])), ..Opening::default() };
    assert!(matches!(opening.step(), Step::Say(nothing) if nothing.is_empty()));
    opening.raw = request(3, &tlv(0x42, &[]));
    assert!(matches!(opening.step(), Step::End(End { say, why: Refusal::Closed }) if say.is_empty()));
    let mut opening = Opening { raw: request(2, &tlv(0x60, &[])), ..Opening::default() };
    opening.step();
    opening.raw = request(3, &tlv(0x42, &[]));
    assert!(matches!(opening.step(), Step::End(End { why: Refusal::InTheClear(_), .. })));
}

#[test]
fn bytes_behind_start_tls_are_refused() {
    for more in [&b"\x16"[..], &request(2, &tlv(0x63, &[]))] {
        let ended = step(&[&start_tls(), more].concat());
        assert_eq!(answer(&ended), (0x78, 1, 1));
        assert!(matches!(ended, Step::End(End { why: Refusal::Pipelined, .. })));
    }
}

#[test]
fn a_request_with_a_value_or_a_critical_control_is_not_granted() {
    let value = request(1, &tlv(0x77, &[&tlv(0x80, &[START_TLS]), &tlv(0x81, &[b"x"])]));
    assert_eq!(answer(&step(&value)), (0x78, 2, 1));
    for (critical, code) in [(0xff, 12), (0, 0)] {
        let control = tlv(0x30, &[&tlv(0x04, &[b"1.2.3"]), &tlv(0x01, &[&[critical]])]);
        let operation = tlv(0x77, &[&tlv(0x80, &[START_TLS])]);
        let bytes = tlv(0x30, &[&tlv(0x02, &[&[1]]), &operation, &tlv(0xa0, &[&control])]);
        assert_eq!(answer(&step(&bytes)), (0x78, code, 1));
    }
}

#[test]
fn what_is_no_ldap_ends_with_a_notice_of_disconnection() {
    for (bytes, why) in [
        (&b"GET / HTTP/1.1\r\n"[..], "not LDAP"),
        (b"\x16\x03\x01\x02\x00", "a TLS ClientHello (expected StartTLS before it)"),
        (b"\x30\x80\x02\x01\x01", "an LDAP message of indefinite length"),
        (b"\x30\x83\x00\x80\x01", "an LDAP message of 32769 bytes (expected at most 32768)"),
        (b"\x30\x84\xff\xff\xff\xff", "an LDAP message of 4294967295 bytes (expected at most 32768)"),
        (b"\x30\x00", "a malformed LDAP message"),
        (b"\x30\x05\x02\x01\x00\x42\x00", "a malformed LDAP message"),
        (b"\x30\x05\x02\x01\xff\x42\x00", "a malformed LDAP message"),
        (b"\x30\x05\x04\x01\x01\x42\x00", "a malformed LDAP message"),
        (b"\x30\x05\x02\x01\x01\x42\x05", "a malformed LDAP message"),
        (b"\x30\x05\x02\x01\x01\x61\x00", "an unknown LDAP operation (tag 0x61)"),
        (b"\x30\x05\x02\x01\x01\x77\x00", "a malformed extended request"),
    ] {
        let ended = step(bytes);
        assert_eq!(answer(&ended), (0x78, 2, 0), "{bytes:02x?}");
        assert!(matches!(ended, Step::End(End { why: Refusal::Invalid(said), .. }) if said == why), "{bytes:02x?}");
    }
}

#[test]
fn nobody_goes_on_for_ever() {
    let mut opening = Opening { raw: request(1, &tlv(0x63, &[])).repeat(MAX_MESSAGES + 1), ..Opening::default() };
    for _ in 0..MAX_MESSAGES {
        assert!(matches!(opening.step(), Step::Say(_)));
    }
    assert!(matches!(opening.step(), Step::End(End { why: Refusal::InTheClear(_), .. })));
}

#[test]
fn a_changed_byte_is_answered_or_refused_and_never_begins_tls_with_bytes_left() {
    let mut bytes = [request(5, &tlv(0x60, &[&tlv(0x02, &[&[3]])])), start_tls()].concat();
    for at in 0..bytes.len() {
        let right = bytes[at];
        for wrong in 0..=255 {
            bytes[at] = wrong;
            let mut opening = Opening { raw: bytes.clone(), ..Opening::default() };
            for _ in 0..3 {
                match opening.step() {
                    Step::Say(_) => {}
                    Step::Begin { early, .. } => {
                        assert!(early.is_empty() && opening.raw.is_empty(), "byte {at} is {wrong}");
                        break;
                    }
                    Step::Read | Step::End(_) => break,
                }
            }
        }
        bytes[at] = right;
    }
}
