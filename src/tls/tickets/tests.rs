//! Rotation, separation and sharing, by a clock that the test moves.

use std::cell::Cell;

use super::*;

thread_local! {
    static NOW: Cell<i64> = const { Cell::new(1_000_000) };
}

fn clock() -> i64 {
    NOW.get()
}

const SETTINGS: Settings = Settings { lifetime: Duration::from_secs(100), rotation: Duration::from_secs(50) };

fn secrets(count: usize) -> Vec<Secret> {
    (0..count).map(|number| Secret(vec![number as u8 + 1; if number % 2 == 0 { 48 } else { 80 }].into())).collect()
}

fn shared(secrets: &[Secret], scope: &[u8]) -> Tickets {
    Tickets::shared(SETTINGS, clock, Arc::default(), secrets, scope).unwrap()
}

#[test]
fn a_ticket_is_good_for_its_lifetime_whatever_was_rotated_meanwhile() {
    let tickets = Tickets::own(SETTINGS, clock, Arc::default(), None);
    let ticket = tickets.encrypt(b"session").unwrap();
    for seconds in 0..=100 {
        NOW.set(1_000_000 + seconds);
        assert_eq!(tickets.decrypt(&ticket).as_deref(), Some(&b"session"[..]), "after {seconds} s");
        tickets.encrypt(b"another").unwrap();
    }
    NOW.set(1_000_101);
    assert_eq!(tickets.decrypt(&ticket), None);
}

#[test]
fn keys_rotate_and_old_ones_are_dropped() {
    let tickets = Tickets::own(SETTINGS, clock, Arc::default(), None);
    let name = |tickets: &Tickets| tickets.encrypt(b"").unwrap()[..16].to_vec();
    let first = name(&tickets);
    NOW.set(1_000_049);
    assert_eq!(name(&tickets), first);
    NOW.set(1_000_050);
    assert_ne!(name(&tickets), first);
    for step in 0..20 {
        NOW.set(1_000_050 + step * 50);
        name(&tickets);
    }
    let Keys::Own(ring) = &tickets.keys else { unreachable!() };
    assert!(ring.lock().unwrap().0.len() <= 4, "{}", ring.lock().unwrap().0.len());
}

#[test]
fn a_reload_takes_the_keys_over() {
    let before = Tickets::own(SETTINGS, clock, Arc::default(), None);
    let ticket = before.encrypt(b"session").unwrap();
    let after =
        Tickets::own(Settings { lifetime: Duration::from_secs(200), ..SETTINGS }, clock, Arc::default(), Some(&before));
    assert!(after.decrypt(&ticket).is_some());
    assert!(Tickets::own(SETTINGS, clock, Arc::default(), None).decrypt(&ticket).is_none());
}

#[test]
fn machines_that_share_secrets_open_each_others_tickets_and_scopes_do_not() {
    let ticket = shared(&secrets(3), b"ldaps").encrypt(b"session").unwrap();
    assert!(shared(&secrets(3), b"ldaps").decrypt(&ticket).is_some());
    assert!(shared(&secrets(3), b"other").decrypt(&ticket).is_none());
    assert!(Tickets::own(SETTINGS, clock, Arc::default(), None).decrypt(&ticket).is_none());
}

#[test]
fn the_newest_secret_opens_before_it_seals() {
    // Machine A already has the new file, B does not.
    let (a, b) = (shared(&secrets(3), b"s"), shared(&secrets(3)[..2], b"s"));
    let from_a = a.encrypt(b"x").unwrap();
    // A seals with the second of three, which B has as its newest.
    assert!(b.decrypt(&from_a).is_some());
    assert!(a.decrypt(&b.encrypt(b"x").unwrap()).is_some());
    assert!(shared(&secrets(1), b"s").encrypt(b"x").is_some());
}

#[test]
fn no_prefix_and_no_flipped_bit_opens() {
    for tickets in [shared(&secrets(3), b"s"), Tickets::own(SETTINGS, clock, Arc::default(), None)] {
        let ticket = tickets.encrypt(b"session").unwrap();
        for end in 0..ticket.len() {
            assert_eq!(tickets.decrypt(&ticket[..end]), None);
            let mut flipped = ticket.clone();
            flipped[end] ^= 1;
            assert_eq!(tickets.decrypt(&flipped), None);
        }
    }
}

#[test]
fn a_file_of_secrets_is_read_or_refused_by_line() {
    let good: String = secrets(3).iter().map(|secret| secret.to_base64() + "\n").collect();
    assert_eq!(Secret::parse_all(&format!("# ours\n\n{good}")).unwrap(), secrets(3));
    let refused = |text: &str| Secret::parse_all(text).unwrap_err().to_string();
    assert!(refused("\n# nothing\n").starts_with("contains no key"));
    assert_eq!(refused("!!\n"), "line 1: is not base64");
    assert_eq!(refused("AAAA\n"), "line 1: found 3 bytes, expected 48 or 80");
    assert_eq!(refused(&format!("{good}{good}")), "line 4: the same key is listed twice");
    assert_eq!(format!("{:?}", secrets(1)), "[Secret(…)]");
    assert_eq!(Secret::parse_all(&Secret::new().unwrap().to_base64()).unwrap().len(), 1);
}
