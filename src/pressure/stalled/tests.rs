//! Who is asked for what.

use std::sync::atomic::AtomicUsize;
use std::task::Wake;

use super::*;

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A seat whose peer last took something that many seconds after the beginning.
fn seated(stalled: &Stalled, since: u64, held: usize, spare: usize) -> (Seated, Waiting, Waker, Arc<Woken>) {
    let (seat, woken) = (stalled.join(), Arc::<Woken>::default());
    let waiting = Waiting { since: after(stalled, since), held, spare };
    let waker = Waker::from(Arc::clone(&woken));
    assert_eq!(seat.waits(waiting, &waker), Asked::Nothing);
    (seat, waiting, waker, woken)
}

fn after(stalled: &Stalled, seconds: u64) -> Instant {
    stalled.began + Duration::from_secs(seconds)
}

#[test]
fn who_has_waited_longest_is_asked_first_and_no_more_than_needed() {
    let stalled = Stalled::default();
    let seats: Vec<_> = [50, 10, 40, 20, 30].map(|since| seated(&stalled, since, 100 * 1024, 0)).into();
    let asked = || seats.iter().map(|(seat, waiting, waker, _)| seat.waits(*waiting, waker)).collect::<Vec<_>>();
    use Asked::{Leave, Nothing};
    assert_eq!(stalled.dismiss(after(&stalled, 45), 150 * 1024, 64), 2);
    assert_eq!(asked(), [Nothing, Leave, Nothing, Leave, Nothing]);
    assert_eq!(asked(), [Nothing; 5], "asked once");
    assert_eq!(stalled.dismiss(after(&stalled, 45), usize::MAX, 64), 4, "the newest has not waited long enough");
    assert_eq!(asked(), [Nothing, Leave, Leave, Leave, Leave]);
    assert_eq!(stalled.dismiss(after(&stalled, 45), usize::MAX, 3), 3);
    assert_eq!(asked(), [Nothing, Leave, Nothing, Leave, Leave]);
    assert_eq!(stalled.dismiss(after(&stalled, 45), 0, 64), 0);
    let woken: Vec<_> = seats.iter().map(|(.., woken)| woken.0.load(Ordering::SeqCst)).collect();
    assert_eq!(woken, [0, 3, 1, 3, 2]);
}

#[test]
fn who_no_longer_waits_or_is_gone_is_asked_for_nothing() {
    let stalled = Stalled::default();
    let (first, ..) = seated(&stalled, 0, 1 << 20, 1 << 20);
    let (second, ..) = seated(&stalled, 0, 1 << 20, 1 << 20);
    assert_eq!(stalled.count(), 2);
    first.rests();
    drop(second);
    stalled.shrink(9);
    assert_eq!((stalled.dismiss(after(&stalled, 99), usize::MAX, 9), stalled.count()), (0, 0));
    assert!(stalled.parts.iter().map(|part| lock(part).len()).sum::<usize>() == 1, "an empty seat is no seat");
}

#[test]
fn a_request_that_comes_too_late_is_forgotten() {
    let stalled = Stalled::default();
    let (seat, waiting, waker, _) = seated(&stalled, 0, 1 << 20, 0);
    assert_eq!(stalled.dismiss(after(&stalled, 9), 1, 9), 1);
    seat.rests();
    assert_eq!(seat.waits(waiting, &waker), Asked::Nothing);
}

#[test]
fn only_who_has_much_to_spare_is_asked_to_shrink() {
    let stalled = Stalled::default();
    let seats = [MUCH, MUCH - 1024, 200 * 1024].map(|spare| seated(&stalled, 0, 256 * 1024, spare));
    stalled.shrink(9);
    let asked = seats.each_ref().map(|(seat, waiting, waker, _)| seat.waits(*waiting, waker));
    assert_eq!(asked, [Asked::Shrink, Asked::Nothing, Asked::Shrink]);
    stalled.shrink(1);
    let asked = seats.each_ref().map(|(seat, waiting, waker, _)| seat.waits(*waiting, waker));
    assert_eq!(asked.iter().filter(|asked| **asked == Asked::Shrink).count(), 1);
}

#[test]
fn what_waits_is_read_as_it_was_written_to_a_few_milliseconds_and_a_kibibyte() {
    let began = Instant::now();
    let read = |millis, held, spare| {
        let seat = Seat::default();
        let waiting = Waiting { since: began + Duration::from_millis(millis), held, spare };
        seat.waiting.store(packed(began, waiting), Ordering::Relaxed);
        seat.read().map(|seen| (seen.since, seen.held, seen.spare))
    };
    assert_eq!(read(0, 0, 0), Some((1, 0, 0)), "not the same as nothing");
    assert_eq!(read(1600, 20_480, 1), Some((101, 20_480, 1024)));
    assert_eq!(
        read(u64::from(u32::MAX) * 16, usize::MAX, 1 << 30),
        Some((u64::from(u32::MAX), 65_535 * 1024, 65_535 * 1024))
    );
}
