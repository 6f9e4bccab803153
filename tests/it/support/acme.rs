//! An authority that speaks ACME, what stands between it and the program, and clients that look at what is served.

pub(crate) mod between;
pub(crate) mod certifier;
pub(crate) mod faults;
pub(crate) mod kinds;
pub(crate) mod offers;
pub(crate) mod pebble;
pub(crate) mod reissue;
pub(crate) mod visitor;

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU8, AtomicU16, Ordering};

/// A loopback address that nothing else in this process uses; its ports are free, and stay so while what has listened
/// on one of them is started again.
pub(crate) fn own_address() -> Ipv4Addr {
    static LAST: AtomicU8 = AtomicU8::new(0);
    let [.., high, low] = std::process::id().to_be_bytes();
    let host = LAST.fetch_add(1, Ordering::Relaxed) + 1;
    assert_ne!(host, u8::MAX, "no address is left");
    Ipv4Addr::new(127, 64 + high % 64, low, host)
}

/// A port that is free on every address. It is below those that the kernel gives away itself (ip(7)).
pub(crate) fn free_port() -> u16 {
    static LAST: AtomicU16 = AtomicU16::new(0);
    // Test processes that run side by side start at different ports.
    let start = u16::try_from(std::process::id() % 1000).unwrap() * 12;
    let mut ports = std::iter::repeat_with(|| 15_000 + (start + LAST.fetch_add(1, Ordering::Relaxed)) % 17_000);
    ports.by_ref().take(17_000).find(|port| TcpListener::bind(("0.0.0.0", *port)).is_ok()).expect("no port is free")
}
