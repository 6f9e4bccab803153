//! The distribution points that certificates of peers have, from those who see the peers to whoever fetches lists. Must not
//! know: who that is, what time it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use tokio::sync::Notify;

use crate::tls::trust::lists::points::Point;

/// Points that were seen; bounded, since what a CA writes into certificates is not ours to decide. Times are seconds since
/// 1970.
#[derive(Debug, Default)]
pub struct Seen {
    /// With the time at which each was shown last, to within [`COARSE`] seconds.
    points: RwLock<BTreeMap<Point, AtomicI64>>,
    /// How often a point was shown that could not be taken note of.
    passed_over: AtomicU64,
    has_warned: AtomicBool,
    news: Notify,
}

impl Seen {
    /// Whether all of these are known, or no more can be taken note of. They are shown now.
    pub fn know(&self, points: &[Point], now: i64) -> bool {
        let known = self.points.read().unwrap_or_else(PoisonError::into_inner);
        let mut all_known = true;
        for point in points {
            match known.get(point) {
                Some(shown) => mark(shown, now),
                None => all_known = false,
            }
        }
        if all_known {
            return true;
        }
        let is_full = known.len() >= MOST && oldest(&known, now).is_none();
        drop(known);
        if is_full {
            self.pass_over();
        }
        is_full
    }

    /// Takes note of points, which are shown now. The certificate that has them must be good. Where there are as many as are
    /// kept, a new one takes the place of the one that was not shown for the longest time, if that is a day or more.
    pub fn note(&self, points: Vec<Point>, now: i64) {
        let with_time = points.into_iter().map(|point| (point, now)).collect();
        self.remember(with_time, now);
    }

    /// Takes note of points that were shown at these times.
    pub fn remember(&self, points: Vec<(Point, i64)>, now: i64) {
        let mut known = self.points.write().unwrap_or_else(PoisonError::into_inner);
        let (mut has_new, mut left_out) = (false, false);
        for (point, at) in points {
            // A clock that has jumped back must not keep a point for ever.
            let at = at.min(now);
            if let Some(shown) = known.get(&point) {
                shown.fetch_max(at, Ordering::Relaxed);
                continue;
            }
            if known.len() >= MOST {
                let Some(oldest) = oldest(&known, now) else {
                    left_out = true;
                    continue;
                };
                known.remove(&oldest);
                tracing::info!(
                    gone = %oldest.0.join(" "),
                    new = %point.0.join(" "),
                    "a distribution point that no peer shows any more makes room for another"
                );
            }
            known.insert(point, AtomicI64::new(at));
            has_new = true;
        }
        drop(known);
        if left_out {
            self.pass_over();
        }
        if has_new {
            self.has_warned.store(false, Ordering::Relaxed);
            self.news.notify_one();
        }
    }

    /// All of them.
    pub fn all(&self) -> BTreeSet<Point> {
        self.points.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.points.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// All of them, with the time at which each was shown last.
    pub fn shown(&self) -> Vec<(Point, i64)> {
        let known = self.points.read().unwrap_or_else(PoisonError::into_inner);
        known.iter().map(|(point, shown)| (point.clone(), shown.load(Ordering::Relaxed))).collect()
    }

    /// How often a point was shown that could not be taken note of, since there are as many as are kept.
    pub fn passed_over(&self) -> u64 {
        self.passed_over.load(Ordering::Relaxed)
    }

    /// No longer knows this one: it is taken note of when it is seen again.
    pub fn forget(&self, point: &Point) {
        self.points.write().unwrap_or_else(PoisonError::into_inner).remove(point);
    }

    /// Waits until there is a new one.
    pub async fn news(&self) {
        self.news.notified().await;
    }

    fn pass_over(&self) {
        self.passed_over.fetch_add(1, Ordering::Relaxed);
        if !self.has_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "{MOST} distribution points of lists of revoked certificates were shown within a day, and no more are taken note of"
            );
        }
    }
}

/// The point was shown now. Handshakes on all workers do this: most of them only read.
fn mark(shown: &AtomicI64, now: i64) {
    if shown.load(Ordering::Relaxed) < now.saturating_sub(COARSE) {
        shown.fetch_max(now, Ordering::Relaxed);
    }
}

/// The one that was not shown for the longest time, if that is long enough.
fn oldest(known: &BTreeMap<Point, AtomicI64>, now: i64) -> Option<Point> {
    let with_times = known.iter().map(|(point, shown)| (shown.load(Ordering::Relaxed), point));
    let (shown, point) = with_times.min()?;
    (shown <= now.saturating_sub(UNSHOWN)).then(|| point.clone())
}

/// Lists that are fetched without being named in the configuration. An authority has one list for each of its CAs, or some
/// dozens where it splits them.
pub const MOST: usize = 256;

/// In seconds, as is the next. How long a point that makes room was not shown: a client that comes once a day keeps its list.
const UNSHOWN: i64 = 86_400;

/// How exactly it is known when a point was shown.
const COARSE: i64 = 60;

#[cfg(test)]
mod tests {
    use super::*;

    fn point(number: usize) -> Point {
        Point(vec![format!("http://a.test/{number:04}.crl")])
    }

    fn last(seen: &Seen, number: usize) -> Option<i64> {
        seen.shown().into_iter().find(|(known, _)| *known == point(number)).map(|(_, shown)| shown)
    }

    fn is_news(seen: &Seen) -> bool {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async { tokio::time::timeout(std::time::Duration::ZERO, seen.news()).await.is_ok() })
    }

    #[test]
    fn no_more_are_kept_than_can_be_fetched_and_what_is_left_out_is_counted() {
        let seen = Seen::default();
        assert!(!seen.know(&[point(1)], NOW));
        seen.note((0..MOST).map(point).collect(), NOW);
        assert_eq!((seen.all().len(), seen.passed_over()), (MOST, 0));
        seen.note(vec![point(MOST)], NOW);
        assert_eq!((seen.all().len(), seen.passed_over()), (MOST, 1));
        assert!(seen.know(&[point(9999)], NOW + UNSHOWN - 1), "nobody looks closer at what cannot be taken note of");
        assert!(seen.know(&[point(0)], NOW));
        assert_eq!(seen.passed_over(), 2);
        seen.forget(&point(0));
        assert!(!seen.know(&[point(0)], NOW));
    }

    #[test]
    fn the_one_that_was_not_shown_for_the_longest_time_makes_room_after_a_day() {
        let seen = Seen::default();
        seen.note((0..MOST).map(point).collect(), NOW);
        let later = NOW + UNSHOWN;
        // A day later, all but two are shown again, one of the two a little later than the other.
        assert!(seen.know(&[point(7)], NOW + 2 * COARSE));
        for number in (0..MOST).filter(|number| ![7, 8].contains(number)) {
            assert!(seen.know(&[point(number)], later));
        }
        assert!(!seen.know(&[point(5000)], later), "there is room");
        assert!(is_news(&seen));
        seen.note(vec![point(5000)], later);
        assert!(is_news(&seen), "it is fetched");
        assert_eq!((seen.all().len(), seen.passed_over()), (MOST, 0));
        assert!(seen.all().contains(&point(5000)) && !seen.all().contains(&point(8)));
        assert!(seen.know(&[point(5001)], later), "number 7 was shown within a day");
        assert_eq!(seen.passed_over(), 1);
        let later = later + 2 * COARSE;
        assert!(!seen.know(&[point(5001)], later));
        seen.note(vec![point(5001)], later);
        assert!(!seen.all().contains(&point(7)));
        assert!(seen.know(&[point(5002)], later), "the others are shown");
    }

    #[test]
    fn times_are_kept_and_none_is_in_the_future() {
        let seen = Seen::default();
        seen.remember(vec![(point(1), NOW - 5), (point(2), NOW + 1_000_000)], NOW);
        assert_eq!(seen.shown(), [(point(1), NOW - 5), (point(2), NOW)]);
        assert!(seen.know(&[point(1)], NOW + COARSE));
        assert_eq!((last(&seen, 1), last(&seen, 3)), (Some(NOW + COARSE), None));
        // A clock that jumps back leaves them.
        assert!(seen.know(&[point(1)], 0));
        assert_eq!(last(&seen, 1), Some(NOW + COARSE));
    }

    #[test]
    fn what_is_known_is_no_news() {
        let seen = Seen::default();
        seen.note(vec![point(1)], NOW);
        assert!(is_news(&seen));
        seen.note(vec![point(1)], NOW);
        assert!(!is_news(&seen));
    }

    const NOW: i64 = 1_800_000_000;
}
