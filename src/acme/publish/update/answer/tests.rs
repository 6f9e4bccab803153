//! Answers as servers sign them, and as somebody in between could write them.

use hickory_resolver::proto::rr::rdata::tsig::TsigAlgorithm as Wire;
use hickory_resolver::proto::rr::{Name, TSigResponseContext, TSigner};

use super::*;
use crate::acme::settings::{Tsig, TsigAlgorithm};

const NOW: u64 = 1_700_000_000;

fn signer(secret: &[u8]) -> TSigner {
    TSigner::new(secret.to_vec(), Wire::HmacSha256, Name::from_ascii("acme.").unwrap(), 300).unwrap()
}

fn update() -> Update {
    let tsig = Tsig { name: "acme".into(), key_file: "key".into(), algorithm: TsigAlgorithm::HmacSha256 };
    Update { server: ([127, 0, 0, 1], 53).into(), zone: "example.test".into(), tsig: Some(tsig) }
}

/// An exchange: the update's signature, and how its answer is judged.
struct Exchange {
    request: Message,
    verifier: Option<TSigVerifier>,
}

impl Exchange {
    fn new() -> Self {
        let mut request = Message::new(7, MessageType::Query, OpCode::Update);
        let verifier = request.finalize(&signer(b"secret"), NOW).unwrap();
        Self { request, verifier }
    }

    /// Signed by a server that has this secret, at that time.
    fn signed(&self, answer: &Message, secret: &[u8], time: u64, error: Option<TsigError>) -> Vec<u8> {
        let mac = self.request.signature().unwrap().data.mac.clone();
        let context = TSigResponseContext::new(answer.id, time, signer(secret), mac, error);
        let mut signed = answer.clone();
        signed.set_signature(context.sign(&answer.to_vec().unwrap()).unwrap());
        signed.to_vec().unwrap()
    }

    fn judge(self, bytes: &[u8]) -> Result<(), String> {
        let sent = Sent { update: &update(), fqdn: "a.example.test", id: 7, now: NOW, verifier: self.verifier };
        judge(bytes, sent)
    }
}

fn answer(id: u16, code: ResponseCode) -> Message {
    Message::error_msg(id, OpCode::Update, code)
}

#[test]
fn only_a_signed_answer_shows_that_an_update_is_done() {
    let done = answer(7, ResponseCode::NoError);
    let exchange = Exchange::new();
    let bytes = exchange.signed(&done, b"secret", NOW + 3, None);
    assert_eq!(exchange.judge(&bytes), Ok(()));
    let unsigned = Exchange::new().judge(&done.to_vec().unwrap()).unwrap_err();
    assert!(unsigned.contains("without a signature"), "{unsigned}");
    for (secret, time) in [(&b"other"[..], NOW), (b"secret", NOW - 301), (b"secret", NOW + 301)] {
        let exchange = Exchange::new();
        let bytes = exchange.signed(&done, secret, time, None);
        let error = exchange.judge(&bytes).unwrap_err();
        assert!(error.contains("not valid"), "{time}: {error}");
    }
    // The signature of an answer to another update.
    let mut other = Exchange::new();
    other.request.finalize(&signer(b"secret"), NOW + 1).unwrap();
    let bytes = other.signed(&done, b"secret", NOW, None);
    assert!(Exchange::new().judge(&bytes).is_err());
}

#[test]
fn no_prefix_and_no_changed_byte_of_an_answer_is_believed() {
    let bytes = Exchange::new().signed(&answer(7, ResponseCode::NoError), b"secret", NOW, None);
    for end in 0..bytes.len() {
        assert!(Exchange::new().judge(&bytes[..end]).is_err(), "{end}");
    }
    // The class and the TTL of the signature's record mean nothing, and are not signed (RFC 8945 section 4.3.3).
    let meaningless = 20..26;
    for at in (0..bytes.len()).filter(|at| !meaningless.contains(at)) {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(Exchange::new().judge(&changed).is_err(), "{at}");
    }
}

#[test]
fn an_answer_to_something_else_is_none() {
    let mut question = answer(7, ResponseCode::NoError);
    question.metadata.message_type = MessageType::Query;
    let query = Message::error_msg(7, OpCode::Query, ResponseCode::NoError);
    for message in [answer(8, ResponseCode::NoError), question, query] {
        let error = Exchange::new().judge(&message.to_vec().unwrap()).unwrap_err();
        assert!(error.contains("does not belong"), "{error}");
    }
}

#[test]
fn clocks_that_differ_are_shown_both() {
    let exchange = Exchange::new();
    let mac = exchange.request.signature().unwrap().data.mac.clone();
    let other = (NOW + 4000).to_be_bytes()[2..].to_vec();
    let tsig = TSIG::new(Wire::HmacSha256, NOW, 300, mac, 7, Some(TsigError::BadTime), other);
    let mut late = answer(7, ResponseCode::NotAuth);
    late.set_signature(Box::new(hickory_resolver::proto::rr::rdata::tsig::make_tsig_record(
        Name::from_ascii("acme.").unwrap(),
        tsig,
    )));
    let error = exchange.judge(&late.to_vec().unwrap()).unwrap_err();
    assert!(error.contains("BADTIME") && error.contains("1700000000") && error.contains("1700004000"), "{error}");
}

#[test]
fn each_code_is_named_with_where_to_look() {
    for (code, word, hint) in [
        (ResponseCode::Refused, "REFUSED", "update-policy"),
        (ResponseCode::NotAuth, "NOTAUTH", "dns.zone"),
        (ResponseCode::NotZone, "NOTZONE", "dns.zone"),
        (ResponseCode::NotImp, "NOTIMP", "dns.server"),
        (ResponseCode::ServFail, "SERVFAIL", "log"),
        (ResponseCode::FormErr, "FORMERR", "update"),
    ] {
        let error = Exchange::new().judge(&answer(7, code).to_vec().unwrap()).unwrap_err();
        assert!(error.contains(word) && error.contains(hint), "{code}: {error}");
    }
}
