use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use tokio::sync::Notify;
use tokio::task::{JoinSet, LocalSet, yield_now};

use super::*;

/// Runs on one thread, as a worker does.
fn worker(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(LocalSet::new().run_until(test));
}

/// Work that takes long: the thread has to look at its sockets after it.
fn work(gate: &Gate, turn: Turn<'_>) {
    drop(turn);
    gate.spent.store(QUANTUM, Ordering::Relaxed);
}

#[test]
fn whoever_came_first_is_served_first_and_one_at_a_time() {
    worker(async {
        let (gate, order) = (Arc::new(Gate::default()), Arc::new(Mutex::new(Vec::new())));
        let mut tasks = JoinSet::new();
        for number in 0..100 {
            let (gate, order) = (Arc::clone(&gate), Arc::clone(&order));
            tasks.spawn(async move {
                let turn = gate.turn(Work::Full).await;
                order.lock().unwrap().push(number);
                work(&gate, turn);
            });
        }
        tasks.join_all().await;
        assert_eq!(*order.lock().unwrap(), (0..100).collect::<Vec<_>>());
        assert_eq!((gate.waiting(), gate.due()), (0, Duration::ZERO));
    });
}

#[test]
fn between_two_turns_everybody_else_who_is_ready_runs() {
    worker(async {
        let (gate, turns) = (Arc::new(Gate::default()), Arc::new(AtomicUsize::new(0)));
        let (mut tasks, asked, answered) = (JoinSet::new(), Arc::new(Notify::new()), Arc::new(Notify::new()));
        for _ in 0..100 {
            let (gate, turns) = (Arc::clone(&gate), Arc::clone(&turns));
            tasks.spawn(async move {
                let turn = gate.turn(Work::Full).await;
                turns.fetch_add(1, Ordering::Relaxed);
                work(&gate, turn);
            });
        }
        let (question, answer) = (Arc::clone(&asked), Arc::clone(&answered));
        tasks.spawn(async move {
            for _ in 0..20 {
                question.notified().await;
                answer.notify_one();
            }
        });
        for round in 0..20 {
            let before = turns.load(Ordering::Relaxed);
            asked.notify_one();
            answered.notified().await;
            let passed = turns.load(Ordering::Relaxed) - before;
            assert!(round == 0 || passed <= 2, "{passed} turns before an answer that was ready");
        }
        tasks.join_all().await;
    });
}

#[test]
fn short_turns_need_no_look_at_the_sockets() {
    let gate = Gate::default();
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let mut take = || Place::new(&gate).poll_turn(Work::Resume, &mut cx);
    let Poll::Ready(turn) = take() else { panic!("it is free") };
    drop(turn);
    gate.spent.store(QUANTUM - 1, Ordering::Relaxed);
    assert!(take().is_ready());
    gate.spent.store(QUANTUM, Ordering::Relaxed);
    assert!(take().is_pending());
    gate.polled();
    assert!(take().is_ready());
}

#[test]
fn a_place_that_is_given_up_holds_up_nobody() {
    worker(async {
        let gate = Gate::default();
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let first = gate.turn(Work::Full).await;
        let mut places: Vec<Place<'_>> = (0..10).map(|_| Place::new(&gate)).collect();
        for place in &mut places {
            assert!(place.poll_turn(Work::Full, &mut cx).is_pending());
        }
        // The second gives up while it waits, the first when its turn has come already.
        drop(places.remove(1));
        work(&gate, first);
        assert!(places[0].poll_turn(Work::Full, &mut cx).is_pending(), "the sockets are polled first");
        drop(places.remove(0));
        assert_eq!(gate.waiting(), 7);
        yield_now().await;
        for mut place in places {
            gate.polled();
            assert!(place.poll_turn(Work::Full, &mut cx).is_ready());
        }
        assert_eq!(gate.waiting(), 0);
        assert!(gate.turn(Work::Full).await.began <= Instant::now());
    });
}

#[test]
fn a_panic_in_a_turn_ends_it() {
    worker(async {
        let gate = Arc::new(Gate::default());
        let theirs = Arc::clone(&gate);
        let failed = tokio::spawn(async move {
            let _turn = theirs.turn(Work::Full).await;
            panic!("on purpose");
        });
        assert!(failed.await.is_err());
        drop(gate.turn(Work::Full).await);
    });
}

#[test]
fn bulk_transfers_among_themselves_look_at_the_sockets_less_often() {
    let gate = Gate::default();
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let mut turn = |work| {
        gate.spent.store(0, Ordering::Relaxed);
        let Poll::Ready(turn) = Place::new(&gate).poll_turn(work, &mut cx) else { panic!("it is free") };
        drop(turn);
    };
    for _ in 0..QUIET {
        assert_eq!(gate.quantum(), QUANTUM);
        turn(Work::Bulk);
    }
    assert_eq!(gate.quantum(), QUIET_QUANTUM);
    gate.served_another();
    assert_eq!(gate.quantum(), QUANTUM);
    (0..QUIET).for_each(|_| turn(Work::Bulk));
    assert_eq!(gate.quantum(), QUIET_QUANTUM);
    turn(Work::Resume);
    assert_eq!(gate.quantum(), QUANTUM);
}
