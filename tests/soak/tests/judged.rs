//! What explains a failure, and what does not.

use std::net::SocketAddr;

use crate::exchange::Failure;
use crate::faults::Fault;
use crate::kind::Kind;
use crate::verdict::{Seen, Verdict, judge};

const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);
const OTHER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 2);

fn verdict(kind: Kind, failure: Option<&Failure>, outcome: &str, faults: &[Fault]) -> Verdict {
    let outcome = (!outcome.is_empty()).then_some(outcome);
    judge(&Seen { kind, failure, outcome, server: Some(SERVER), faults })
}

#[test]
fn only_a_fault_of_this_very_connection_explains_its_failure() {
    let failed = Failure::new("download", "connection reset");
    let corrupted = Failure { is_corruption: true, ..failed.clone() };
    let (killed, other) = ([Fault::Killed(SERVER)], [Fault::Killed(OTHER)]);
    let all = [Fault::Killed(SERVER), Fault::Upgrade, Fault::Pressure];
    let is_explained = |found| matches!(found, Verdict::Explained(_));
    assert_eq!(verdict(Kind::Good, None, "completed", &[]), Verdict::Expected);
    assert_eq!(verdict(Kind::Good, None, "completed", &all), Verdict::Expected);
    assert!(is_explained(verdict(Kind::Good, Some(&failed), "backend_reset", &killed)));
    assert!(is_explained(verdict(Kind::NotReading, None, "shutdown", &all)));
    assert!(is_explained(verdict(Kind::Good, Some(&failed), "memory_limit", &all)));
    for (what, kind, failure, outcome, faults) in [
        ("no fault", Kind::Good, Some(&failed), "backend_reset", &[][..]),
        ("another server's", Kind::Good, Some(&failed), "backend_reset", &other),
        ("no server was found", Kind::Good, Some(&failed), "internal_error", &killed),
        ("cut by an upgrade", Kind::Good, Some(&failed), "shutdown", &all),
        ("memory, and no pressure", Kind::Good, Some(&failed), "memory_limit", &killed),
        ("wrong bytes", Kind::Good, Some(&corrupted), "backend_reset", &killed),
        ("the log is wrong", Kind::Good, None, "client_reset", &[][..]),
        ("the log is wrong", Kind::Noise, None, "completed", &[][..]),
        ("not closed", Kind::Noise, Some(&failed), "not_tls", &[][..]),
    ] {
        assert_eq!(verdict(kind, failure, outcome, faults), Verdict::Unexplained, "{what}");
    }
}

#[test]
fn the_table_of_outcomes_has_every_kind_once() {
    assert!(Kind::ALL.iter().all(|kind| !kind.outcomes().is_empty()));
    let served: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| kind.outcomes() == ["completed"]).collect();
    assert_eq!(served, Kind::ALL.into_iter().filter(|kind| kind.is_served()).collect::<Vec<_>>());
}
