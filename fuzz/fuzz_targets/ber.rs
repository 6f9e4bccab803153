//! LDAP messages of a peer: any bytes are parsed or refused, never a panic; and an encoded element is parsed to the
//! same value.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tlsgate::ldap::ber::{self, Element};
use tlsgate::ldap::client;
use tlsgate::ldap::message::Message;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(Some(message)) = Message::read(bytes, client::LIMIT) {
        assert!(message.size >= 2 && message.size <= client::LIMIT + 10);
        let _ = message.has_critical_control(client::LIMIT);
    }
    let _ = client::start_tls_granted(bytes);
    let mut rest = bytes;
    while let Ok((element, after)) = ber::element(rest, client::LIMIT) {
        assert!(after.len() < rest.len());
        let Element { tag, content } = element;
        let again = ber::encoded(tag, &[content]);
        assert_eq!(ber::element(&again, client::LIMIT), Ok((element, &[][..])));
        if let Some(number) = ber::number(content) {
            let again = ber::encoded_number(tag, number);
            let again = ber::element(&again, client::LIMIT).ok();
            assert_eq!(again.and_then(|(element, _)| ber::number(element.content)), Some(number));
        }
        rest = after;
    }
});
