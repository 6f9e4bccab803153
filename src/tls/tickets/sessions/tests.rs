//! Bounds, order, expiry and separation, by a clock that the test moves.

use std::cell::Cell;
use std::collections::VecDeque;
use std::thread;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::tls::tickets::{Secret, Settings, Tickets};

thread_local! {
    static NOW: Cell<i64> = const { Cell::new(START) };
}

const START: i64 = 1_000_000;

fn clock() -> i64 {
    NOW.get()
}

const SETTINGS: Settings = Settings { lifetime: Duration::from_secs(100), rotation: Duration::from_secs(1000) };

/// A scope with keys of its own.
fn scope(sessions: &Arc<Sessions>) -> Arc<Tickets> {
    Arc::new(Tickets::own(SETTINGS, clock, Arc::clone(sessions), None))
}

fn storage(tickets: &Arc<Tickets>) -> Arc<dyn StoresServerSessions> {
    tickets.storage(Arc::clone(tickets) as Arc<dyn ProducesTickets>)
}

fn id(number: u64) -> Vec<u8> {
    [&number.to_be_bytes()[..], &[7; 24]].concat()
}

/// What rustls would put.
fn session(number: u64) -> Vec<u8> {
    format!("session {number}").into_bytes()
}

/// All that are kept, oldest first. Checks that everything fits together.
fn kept(sessions: &Sessions) -> Vec<Id> {
    let kept = sessions.kept.lock().unwrap();
    assert_eq!(kept.numbers.len(), kept.line.len());
    assert_eq!(kept.bytes, kept.line.iter().map(|session| session.sealed.len()).sum::<usize>());
    assert!(kept.line.len() <= sessions.most && kept.bytes <= sessions.most_bytes);
    kept.line
        .iter()
        .inspect(|one| assert_eq!(kept.find(&one.id).map(|found| found.id), Some(one.id)))
        .map(|one| one.id)
        .collect()
}

#[test]
fn a_session_is_found_by_its_id_as_often_as_it_is_asked_for_and_by_nothing_else() {
    let sessions = Arc::default();
    let tickets = scope(&sessions);
    let storage = storage(&tickets);
    assert!(storage.can_cache() && storage.put(id(1), session(1)) && storage.put(id(2), session(2)));
    for _ in 0..3 {
        assert!(tickets.knows(&id(1)));
        assert_eq!(storage.get(&id(1)), Some(session(1)));
        assert_eq!(storage.get(&id(2)), Some(session(2)));
    }
    for end in 0..32 {
        assert_eq!((storage.get(&id(1)[..end]), tickets.knows(&id(1)[..end])), (None, false));
    }
    assert_eq!((storage.get(&id(3)), tickets.knows(&id(3))), (None, false));
    // TLS 1.3 has nothing here.
    assert_eq!((storage.take(&id(1)), storage.get(&id(1))), (None, Some(session(1))));
}

#[test]
fn an_id_is_never_given_to_another_session() {
    let sessions = Arc::default();
    let storage = storage(&scope(&sessions));
    assert!(storage.put(id(1), session(1)));
    assert!(!storage.put(id(1), session(2)));
    assert_eq!(storage.get(&id(1)), Some(session(1)));
    for length in [0, 1, 31, 33] {
        assert!(!storage.put(vec![7; length], session(3)), "an id of {length} bytes");
    }
    assert_eq!(kept(&sessions).len(), 1);
}

#[test]
fn a_session_opens_for_its_lifetime_and_then_leaves() {
    let sessions = Arc::default();
    let tickets = scope(&sessions);
    let storage = storage(&tickets);
    for number in 0..10 {
        storage.put(id(number), session(number));
    }
    NOW.set(START + 100);
    assert!(tickets.knows(&id(0)) && storage.get(&id(0)).is_some());
    NOW.set(START + 101);
    assert!(!tickets.knows(&id(0)) && storage.get(&id(0)).is_none());
    // Two go for each that comes.
    for number in 10..15 {
        assert_eq!(kept(&sessions).len() as u64, 20 - number);
        storage.put(id(number), session(number));
    }
    assert_eq!(kept(&sessions), (10..15).map(|number| Id::try_from(id(number)).unwrap()).collect::<Vec<_>>());
}

#[test]
fn a_shorter_lifetime_after_a_reload_holds_for_sessions_from_before() {
    let sessions = Arc::default();
    let before = scope(&sessions);
    assert!(storage(&before).put(id(1), session(1)));
    let shorter = Settings { lifetime: Duration::from_secs(10), ..SETTINGS };
    let after = Arc::new(Tickets::own(shorter, clock, Arc::clone(before.sessions()), Some(&before)));
    assert_eq!(storage(&after).get(&id(1)), Some(session(1)));
    NOW.set(START + 11);
    assert!(!after.knows(&id(1)) && storage(&after).get(&id(1)).is_none());
}

#[test]
fn where_the_clock_is_set_back_sessions_from_the_future_do_not_open_and_new_ones_do() {
    let sessions = Arc::default();
    let tickets = scope(&sessions);
    let storage = storage(&tickets);
    storage.put(id(1), session(1));
    for (now, opens) in [(START - 60, true), (START - 61, false), (i64::MIN, false), (i64::MAX, false)] {
        NOW.set(now);
        assert_eq!((tickets.knows(&id(1)), storage.get(&id(1)).is_some()), (opens, opens), "at {now}");
    }
    NOW.set(START - 10_000);
    assert!(storage.put(id(2), session(2)));
    assert_eq!(storage.get(&id(2)), Some(session(2)));
}

#[test]
fn scopes_of_a_listener_share_its_room_but_not_their_sessions() {
    let sessions = Arc::default();
    let secrets = [Secret::new().unwrap(), Secret::new().unwrap()];
    let shared = |scope: &[u8]| Tickets::shared(SETTINGS, clock, Arc::clone(&sessions), &secrets, scope).map(Arc::new);
    let scopes = [scope(&sessions), scope(&sessions), shared(b"one").unwrap(), shared(b"two").unwrap()];
    for (number, scope) in (0..).zip(&scopes) {
        assert!(storage(scope).put(id(number), session(number)));
    }
    for (own, scope) in (0..).zip(&scopes) {
        for number in 0..4 {
            assert_eq!(storage(scope).get(&id(number)), (number == own).then(|| session(number)), "{own} {number}");
            assert_eq!(scope.knows(&id(number)), number == own, "{own} {number}");
        }
    }
    assert_eq!(kept(&sessions).len(), 4);
    // With the same keys as before they open; another listener has another store.
    assert_eq!(storage(&shared(b"one").unwrap()).get(&id(2)), Some(session(2)));
    let other = Tickets::shared(SETTINGS, clock, Arc::default(), &secrets, b"one").map(Arc::new).unwrap();
    assert_eq!((storage(&other).get(&id(2)), other.knows(&id(2))), (None, false));
}

#[test]
fn the_oldest_go_when_there_are_too_many_or_they_are_too_long() {
    let sessions = Arc::new(Sessions::bounded(3, 100_000));
    let storage = storage(&scope(&sessions));
    for number in 0..5 {
        assert!(storage.put(id(number), session(number)));
        // Being asked for does not keep it.
        storage.get(&id(0));
    }
    let opening =
        |range: std::ops::Range<u64>| range.map(|number| storage.get(&id(number)).is_some()).collect::<Vec<_>>();
    assert_eq!(opening(0..5), [false, false, true, true, true]);
    // Longer ones: no more than six fit.
    let sessions = Arc::new(Sessions::bounded(1000, 100_000));
    let storage = self::storage(&scope(&sessions));
    for number in 0..10 {
        assert!(storage.put(id(number), vec![1; 16_000]));
    }
    assert_eq!(kept(&sessions).len(), 6);
    assert!(storage.put(id(10), session(10)));
    // Too long for any room: nobody goes for it.
    assert!(!storage.put(id(11), vec![1; LONGEST + 1]) && !storage.put(id(12), vec![1; LONGEST]));
    assert_eq!(kept(&sessions).len(), 7);
}

#[test]
fn a_flood_of_sessions_takes_no_more_than_its_bound() {
    let sessions = Sessions::default();
    let sealed: Arc<[u8]> = vec![1; 150].into();
    let session = |number| Session { id: id(number).try_into().unwrap(), made: START, sealed: Arc::clone(&sealed) };
    for number in 0..3 * MOST as u64 {
        assert!(sessions.keep(session(number), 100));
    }
    let ids = kept(&sessions);
    assert_eq!((ids.len(), ids[0]), (MOST, session(2 * MOST as u64).id));
    let kept = sessions.kept.lock().unwrap();
    assert!(kept.line.capacity() <= 2 * MOST && kept.numbers.capacity() <= 2 * MOST);
}

#[test]
fn threads_that_put_and_get_at_once_see_whole_sessions_or_none() {
    let sessions = Arc::new(Sessions::bounded(50, 100_000));
    let tickets = scope(&sessions);
    thread::scope(|threads| {
        for worker in 0..8_u64 {
            let storage = storage(&tickets);
            threads.spawn(move || {
                for round in 0..200 {
                    let own = worker * 1000 + round;
                    assert!(storage.put(id(own), session(own)));
                    for number in [own, own.saturating_sub(1000), own.saturating_sub(20)] {
                        let got = storage.get(&id(number));
                        assert!(got.is_none() || got == Some(session(number)), "{number}");
                    }
                }
            });
        }
    });
    assert_eq!(kept(&sessions).len(), 50);
}

#[test]
fn what_is_kept_is_sealed_and_not_shown() {
    let sessions = Arc::default();
    let tickets = scope(&sessions);
    let secret = b"the master secret of this session, 48 bytes long";
    assert!(storage(&tickets).put(id(1), secret.to_vec()));
    let kept = sessions.find(&id(1)).unwrap().sealed;
    assert!(!kept.windows(8).any(|part| secret.windows(8).any(|plain| plain == part)));
    let shown = format!("{:?} {tickets:?} {:?}", sessions, storage(&tickets));
    assert!(!shown.contains("7, 7, 7") && shown.contains("Sessions(…)"), "{shown}");
}

proptest! {
    /// The same as a list from which the oldest is taken while it is too long.
    #[test]
    fn any_order_of_steps_leaves_what_a_list_would_have(
        steps in prop::collection::vec((0_u64..60, 0_usize..400, 0_i64..40), 1..120),
        most in 1_usize..20,
    ) {
        let sessions = Sessions::bounded(most, 2000);
        let mut list: VecDeque<(Id, usize, i64)> = VecDeque::new();
        let mut now = START;
        for (number, length, pause) in steps {
            now += pause;
            let id = Id::try_from(id(number)).unwrap();
            for _ in 0..2 {
                if list.front().is_some_and(|(_, _, made)| now - made > 100) {
                    list.pop_front();
                }
            }
            let new = list.iter().all(|(known, ..)| *known != id);
            if new {
                list.push_back((id, length, now));
            }
            while list.len() > most || list.iter().map(|(_, length, _)| length).sum::<usize>() > 2000 {
                list.pop_front();
            }
            let session = Session { id, made: now, sealed: vec![1; length].into() };
            prop_assert_eq!(sessions.keep(session, 100), new);
            prop_assert_eq!(kept(&sessions), list.iter().map(|(id, ..)| *id).collect::<Vec<_>>());
        }
    }
}
