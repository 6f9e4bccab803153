//! Conversations with servers of every kind, byte by byte.

use super::*;
use crate::backend::health::kind::Password;
use crate::ldap::ber::{ENUMERATED, INTEGER, OCTET_STRING, SEQUENCE, Tag, encoded, encoded_number};
use crate::ldap::message::EXTENDED_RESPONSE;

const DN: &str = "cn=admin,dc=example,dc=com";

fn reply(id: u32, operation: &[u8]) -> Vec<u8> {
    encoded(SEQUENCE, &[&encoded_number(INTEGER, id), operation])
}

fn result(tag: Tag, code: u32, text: &str) -> Vec<u8> {
    reply(1, &encoded(tag, &[&fields(code, text)]))
}

fn entry() -> Vec<u8> {
    // So long that BER needs the long form of the length.
    let attributes = encoded(SEQUENCE, &[&encoded(OCTET_STRING, &[&[b'x'; 300]])]);
    reply(1, &encoded(SEARCH_ENTRY, &[&encoded(OCTET_STRING, &[]), &attributes]))
}

fn binding() -> Ldap {
    Ldap { bind: Some((DN.into(), Password(b"a secret".to_vec().into()))) }
}

const ROOT: Ldap = Ldap { bind: None };

/// The result where the server answers with these bytes, in pieces, and closes.
fn checked(ldap: &Ldap, answer: &[u8], piece: usize) -> Result<(), String> {
    talk(answer, piece, async |stream| ask(stream, ldap).await).0
}

/// The result, and what the server received.
fn talk(
    answer: &[u8],
    piece: usize,
    client: impl AsyncFnOnce(tokio::io::DuplexStream) -> Result<(), CheckError>,
) -> (Result<(), String>, Vec<u8>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (near, mut far) = tokio::io::duplex(1 << 17);
        let server = async {
            for piece in answer.chunks(piece) {
                // A client that has read enough closes.
                let _ = far.write_all(piece).await;
                tokio::task::yield_now().await;
            }
            let _ = far.shutdown().await;
            let mut sent = Vec::new();
            far.read_to_end(&mut sent).await.unwrap();
            sent
        };
        let (result, sent) = tokio::join!(client(near), server);
        (result.map_err(|error| error.to_string()), sent)
    })
}

#[test]
fn the_root_entry_passes_in_any_pieces() {
    let answer = [entry(), result(SEARCH_DONE, 0, "")].concat();
    for piece in [1, 2, 7, answer.len()] {
        assert_eq!(checked(&ROOT, &answer, piece), Ok(()));
    }
    for end in 0..answer.len() {
        assert_eq!(checked(&ROOT, &answer[..end], 64), Err("closed without an answer".into()), "{end}");
    }
}

#[test]
fn requests_are_as_rfc_4511_defines_them() {
    let answer = [entry(), result(SEARCH_DONE, 0, "")].concat();
    let (_, sent) = talk(&answer, 999, async |stream| ask(stream, &ROOT).await);
    let search = b"\x30\x3b\x02\x01\x01\x63\x36\x04\x00\x0a\x01\x00\x0a\x01\x00\x02\x01\x01\x02\x01\x00\x01\x01\x00\
        \x87\x0bobjectClass\x30\x16\x04\x14supportedLDAPVersion";
    assert_eq!(sent, [&search[..], b"\x30\x05\x02\x01\x01\x42\x00"].concat());
    let (_, sent) = talk(&result(BIND_RESPONSE, 0, ""), 999, async |stream| ask(stream, &binding()).await);
    let bind = [b"\x30\x2e\x02\x01\x01\x60\x29\x02\x01\x03\x04\x1a", DN.as_bytes(), b"\x80\x08a secret"].concat();
    assert_eq!(sent, [&bind[..], b"\x30\x05\x02\x01\x01\x42\x00"].concat());
}

#[test]
fn every_refusal_has_its_message() {
    let bind = binding();
    let goodbye = reply(0, &encoded(EXTENDED_RESPONSE, &[&fields(52, "shutting down")]));
    let cases: [(&Ldap, Vec<u8>, &str); 12] = [
        (&bind, result(BIND_RESPONSE, 49, ""), "bind: invalidCredentials (49)"),
        (&bind, result(BIND_RESPONSE, 8, "use\r\nTLS"), "bind: strongerAuthRequired (8): useTLS"),
        (&ROOT, result(SEARCH_DONE, 50, "no"), "search for the root entry: insufficientAccessRights (50): no"),
        (&ROOT, result(SEARCH_DONE, 0, ""), "the answer is not the root entry"),
        (&ROOT, result(BIND_RESPONSE, 0, ""), "the answer is not the root entry"),
        (&bind, result(SEARCH_DONE, 0, ""), "the answer is not an answer to a bind"),
        (&bind, goodbye, "the server ends the connection: unavailable (52): shutting down"),
        (&bind, reply(7, &encoded(BIND_RESPONSE, &[&fields(0, "")])), "the answer belongs to no request"),
        (&bind, reply(1, &encoded(BIND_RESPONSE, &[&encoded_number(INTEGER, 0)])), "the answer has no result code"),
        (
            &bind,
            reply(1, &encoded(BIND_RESPONSE, &[b"\x0a\x89"])),
            "the answer is not LDAP: a length has more than eight bytes",
        ),
        (&bind, b"HTTP/1.1 400 Bad Request\r\n\r\n".repeat(4), "the answer is not an LDAP message"),
        (&bind, b"\x30\x80\x00\x00".to_vec(), "the answer is not LDAP: a length is indefinite"),
    ];
    for (ldap, answer, reason) in cases {
        assert_eq!(checked(ldap, &answer, 999), Err(reason.into()));
    }
    assert_eq!(checked(&bind, &result(BIND_RESPONSE, 0, ""), 999), Ok(()));
}

#[test]
fn what_follows_start_tls_in_clear_text_is_refused() {
    let mut answer = result(EXTENDED_RESPONSE, 0, "");
    let start =
        |answer: &[u8]| talk(answer, 999, async |mut stream: tokio::io::DuplexStream| start_tls(&mut stream).await);
    let (passed, sent) = start(&answer);
    assert_eq!((passed, &sent[..7]), (Ok(()), &b"\x30\x1d\x02\x01\x01\x77\x18"[..]));
    assert_eq!(start(&result(EXTENDED_RESPONSE, 52, "")).0, Err("StartTLS: unavailable (52)".into()));
    answer.push(0x30);
    assert_eq!(start(&answer).0, Err("the answer continues in clear text after StartTLS".into()));
}

#[test]
fn no_mutation_of_an_answer_panics() {
    let answer = [entry(), result(SEARCH_DONE, 0, "")].concat();
    for at in 0..answer.len() {
        for value in [0, 1, 0x1f, 0x7f, 0x80, 0x81, 0x84, 0xff] {
            let mut answer = answer.clone();
            answer[at] = value;
            let _ = checked(&ROOT, &answer, 999);
        }
    }
}

fn fields(code: u32, text: &str) -> Vec<u8> {
    let text = encoded(OCTET_STRING, &[text.as_bytes()]);
    [encoded_number(ENUMERATED, code), encoded(OCTET_STRING, &[]), text].concat()
}
