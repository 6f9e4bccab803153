use std::time::Duration;

use super::*;
use crate::live::row::Row;
use crate::pressure::Pressure;

/// Panics for a client that asks for it by the name in its hello. `server::tests` has such clients.
pub(super) fn break_down(entry: &Entry, stage: &str) {
    let server_name = entry.facts().record.server_name.clone();
    assert_ne!(*server_name, *format!("{stage}.panic.test"), "as asked for");
}

/// What [`listener`](crate::proxy::listener) passes as `kept`.
type Kept = (usize, usize);

fn gate() -> &'static Gate {
    Box::leak(Box::default())
}

fn none() -> Patience {
    Patience::new(Duration::ZERO, Duration::ZERO)
}

fn pressure() -> &'static Pressure {
    Box::leak(Box::default())
}

fn size<A, F: Future>(_: impl FnOnce(A) -> F) -> usize {
    size_of::<F>()
}

#[test]
fn what_an_idle_connection_keeps_is_small() {
    let serve = size(|(client, accepted): (_, Box<Accepted<Kept>>)| serve(client, accepted));
    let relay = size(|(ready, client, entry): (Terminating<'static>, _, _)| {
        ready.relay(client, none(), (gate(), pressure()), entry)
    });
    let passing = size(|(ready, client, entry): (PassingThrough<'static>, _, _)| {
        ready.relay(client, none(), (gate(), pressure()), entry)
    });
    let accepted = size_of::<Accepted<Kept>>();
    let row = size_of::<Row>();
    assert!(serve <= 128 && relay <= 1024 && accepted <= 192, "serve {serve}, relay {relay}, accepted {accepted}");
    // With the two counts of an `Arc`, it fits into 512 bytes, which is a size that the allocator has.
    assert!(row <= 496, "row {row}");
    assert!(passing <= 1536, "passing through {passing}");
}
