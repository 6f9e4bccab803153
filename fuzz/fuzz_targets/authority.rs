//! Answers of a certificate authority: whatever is in them, they are read or refused in words, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tlsgate::acme::answer::Answer;
use tlsgate::acme::directory::Directory;
use tlsgate::acme::trouble::{Trouble, error_in};
use tlsgate::acme::{issued, renewal};

fuzz_target!(|data: &[u8]| {
    let Some((&[high, low], body)) = data.split_first_chunk::<2>() else { return };
    let answer = Answer {
        method: "POST".parse().expect("a method"),
        url: "https://authority.test/order/1".into(),
        status: 100 + u16::from_be_bytes([high, low]) % 500,
        retry_after: None,
        location: None,
        content_type: (high & 1 == 0).then(|| "application/problem+json".into()),
        nonce: None,
        body: body.to_vec().into(),
    };
    let trouble = Trouble::answered(&answer);
    assert!(!trouble.message.is_empty() && trouble.message.len() < 30_000 && !trouble.message.contains('\n'));
    if let Ok(value) = serde_json::from_slice::<serde_json::Value>(body) {
        let _ = error_in(&value);
        assert!(!Trouble::of_problem(value).message.is_empty());
    }
    let _ = serde_json::from_slice::<Directory>(body);
    if let Some(((from, to), _)) = renewal::parse(body) {
        let _ = (from, to);
    }
    let _ = issued::facts(body);
});
