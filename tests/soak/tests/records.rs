//! Records of the access log find their clients.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use crate::exchange::Failure;
use crate::faults::Faults;
use crate::kind::Kind;
use crate::ledger::Ledger;
use crate::log;
use crate::problems::Problems;

fn ledger() -> (Ledger, Arc<Problems>) {
    let problems = Arc::new(Problems::new(log::shared()));
    (Ledger::new(Arc::new(Faults::default()), Arc::clone(&problems)), problems)
}

fn record(port: u16, outcome: &str) -> String {
    format!(r#"{{"client.address":"127.0.0.1","client.port":{port},"connection_time":0.1,"outcome":"{outcome}"}}"#)
}

#[test]
fn each_connection_is_judged_once_in_either_order() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (ledger, problems) = ledger();
    let dial = |kind| ledger.dial(kind, Ipv4Addr::LOCALHOST.into(), listener.local_addr().unwrap()).unwrap();
    let (tcp, ticket) = dial(Kind::Good);
    ledger.record(&record(tcp.local_addr().unwrap().port(), "completed"));
    assert_eq!(ledger.tally().judged, 0, "the client has not finished");
    ticket.finish(None, None);
    let (tcp, ticket) = dial(Kind::Noise);
    ticket.finish(None, None);
    ledger.record(&record(tcp.local_addr().unwrap().port(), "not_tls"));
    assert_eq!((ledger.tally().judged, ledger.tally().good, problems.all().1), (2, 1, 0));
    // Without a record, it is judged by what the client has seen.
    let (_tcp, ticket) = dial(Kind::Good);
    ticket.finish(None, Some(Failure::new("download", "reset")));
    assert_eq!((ledger.waiting(), ledger.tally().judged), (1, 2));
    ledger.sweep(Duration::ZERO);
    let tally = ledger.tally();
    assert_eq!((ledger.waiting(), tally.judged, tally.without_record, problems.all().1), (0, 3, 1, 1));
}

#[test]
fn a_record_of_no_client_is_a_problem() {
    let (ledger, problems) = ledger();
    ledger.record(&record(1, "completed"));
    ledger.record("not JSON");
    assert_eq!(problems.all().1, 2);
}
