use tokio::io::duplex;
use tokio::time::timeout;

use super::*;
use crate::gate::Gate;

const MOMENT: Duration = Duration::from_millis(10);

#[tokio::test]
async fn a_peer_that_has_gone_gets_no_turn() {
    let gate = Gate::default();
    let (near, mut far) = duplex(64);
    drop(near);
    let turn = first_turn(Pace::alone(&gate), Work::Full, &mut far, &mut b"hello".to_vec()).await;
    assert!(matches!(turn, Err(HandshakeError::Closed)), "although the gate is free");
}

#[tokio::test]
async fn what_the_peer_sends_while_it_waits_is_kept_and_so_is_the_order() {
    let gate = Gate::default();
    let (pace, busy) = (Pace::alone(&gate), gate.turn(Work::Full).await);
    let ((mut near, mut far), mut wire) = (duplex(64), b"hello".to_vec());
    {
        let waits = first_turn(pace, Work::Full, &mut far, &mut wire);
        tokio::pin!(waits);
        near.write_all(b" again").await.unwrap();
        assert!(timeout(MOMENT, waits.as_mut()).await.is_err());
        assert_eq!(gate.waiting(), 1);
        drop(busy);
        assert!(waits.await.is_ok());
    }
    assert_eq!(wire, b"hello again");
    // One that leaves its place makes room for the next.
    let busy = gate.turn(Work::Full).await;
    let leaves = first_turn(pace, Work::Full, &mut far, &mut wire);
    tokio::pin!(leaves);
    assert!(timeout(MOMENT, leaves.as_mut()).await.is_err());
    drop(near);
    assert!(matches!(leaves.await, Err(HandshakeError::Closed)));
    assert_eq!(gate.waiting(), 0);
    drop(busy);
}

#[tokio::test]
async fn after_the_deadline_no_step_begins() {
    let gate = Gate::default();
    let pace = Pace { gate: &gate, deadline: Instant::now() };
    assert!(timeout(MOMENT, pace.turn(Work::Full)).await.is_err(), "the caller's timer ends it");
    assert!(timeout(MOMENT, gate.turn(Work::Full)).await.is_ok(), "and it holds up nobody");
}

#[tokio::test]
async fn there_is_time_for_what_can_begin_within_half_of_what_is_left() {
    let gate = Gate::default();
    let busy = gate.turn(Work::Full).await;
    let until = |millis| Pace { gate: &gate, deadline: Instant::now() + Duration::from_millis(millis) };
    let mut places: Vec<_> = (0..100).map(|_| Box::pin(gate.turn(Work::Full))).collect();
    for place in &mut places {
        assert!(timeout(Duration::ZERO, place).await.is_err());
    }
    let wait = u64::try_from(gate.due().as_millis()).unwrap();
    assert!(!until(wait).has_time_for(Work::Full));
    assert!(until(3 * wait).has_time_for(Work::Full));
    assert!(until(wait).has_time_for(Work::Resume), "it does not wait for them");
    drop((places, busy));
}
