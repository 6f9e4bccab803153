//! Session tickets that clients send back: only what was sealed here opens, unchanged; and what a hello offers to resume is
//! found in any bytes or not, without a panic.
#![no_main]

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use rustls::server::ProducesTickets;
use tlsgate::tls::tickets::{Secret, Settings, Tickets};
use tlsgate::tls::wire::hello::offered::Offered;

static TICKETS: LazyLock<Tickets> = LazyLock::new(|| {
    let settings = Settings { lifetime: Duration::from_secs(3600), rotation: Duration::from_secs(3600) };
    let secrets = [Secret::new().expect("random bytes"), Secret::new().expect("random bytes")];
    Tickets::shared(settings, || 1_800_000_000, Arc::default(), &secrets, b"fuzz").expect("tickets")
});

fuzz_target!(|data: &[u8]| {
    assert_eq!(TICKETS.decrypt(data), None);
    assert!(!TICKETS.knows(data));
    let sealed = TICKETS.encrypt(data).expect("a ticket");
    assert_eq!(TICKETS.decrypt(&sealed).as_deref(), Some(data));
    if let Some((&[high, low, with], rest)) = data.split_first_chunk::<3>() {
        let mut changed = sealed.clone();
        let at = usize::from(u16::from_be_bytes([high, low])) % changed.len();
        changed[at] ^= with;
        assert_eq!(TICKETS.decrypt(&changed).is_some(), with == 0);
        assert_eq!(TICKETS.decrypt(&sealed[..at]), None);
        assert_eq!(TICKETS.decrypt(&[&sealed, rest].concat()).is_some(), rest.is_empty());
    }
    let Offered { id, ticket, identity } = Offered::by(data);
    assert!([id, ticket, identity].iter().all(|part| part.len() <= data.len()));
});
