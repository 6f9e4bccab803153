//! When a list is fetched next. Pure: the time and the chance are arguments. Must not know: clocks, files, servers.

/// A list that is there: the next fetch is a moment in the last third of what is left of it, and not later than `refresh`
/// seconds from now. `chance`, in 0.0 ..= 1.0, spreads those who fetch the same list. What is left becomes less with each
/// fetch that brings the same list, so that a server that is late is asked more and more often.
pub fn after_success(now: i64, next_update: i64, refresh: i64, chance: f64) -> i64 {
    let left = next_update.saturating_sub(now).max(0);
    let ahead = (left / 3).saturating_mul(2).saturating_add(share(left / 4, chance)).max(MINUTE);
    let latest = refresh.saturating_sub(share(refresh / 10, chance)).max(1);
    now.saturating_add(ahead.min(latest))
}

/// A server's demand to be left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// In seconds.
    pub pause: i64,
    /// When the list that is kept is out of date; `None` where none is.
    pub ends: Option<i64>,
}

impl Demand {
    /// What of it is obeyed. Whoever can answer in place of the server must not put off fetches until the list has ended.
    fn obeyed(self, now: i64) -> i64 {
        let left = self.ends.map_or(0, |ends| ends.saturating_sub(now));
        let longest = if left > 0 { (left / 3).min(LONGEST_DEMAND) } else { LONGEST_DEMAND_WITHOUT };
        self.pause.clamp(0, longest)
    }
}

/// A fetch that failed, or brought nothing that could be used: from a minute, doubling to an hour, half of it more or less by
/// chance; never later than `refresh`, unless the server demands it.
pub fn after_failure(now: i64, failures: u32, refresh: i64, demand: Option<Demand>, chance: f64) -> i64 {
    let doublings = failures.saturating_sub(1).min(MOST_DOUBLINGS);
    let whole = (MINUTE << doublings).min(HOUR);
    let pause = (whole / 2).saturating_add(share(whole, chance)).min(refresh).max(1);
    let demanded = demand.map_or(0, |demand| demand.obeyed(now));
    now.saturating_add(pause.max(demanded))
}

/// A part of a time.
fn share(whole: i64, chance: f64) -> i64 {
    (whole as f64 * chance.clamp(0.0, 1.0)) as i64
}

const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;

/// 2^6 minutes are more than an hour.
const MOST_DOUBLINGS: u32 = 6;

/// While there is a list.
pub const LONGEST_DEMAND: i64 = HOUR;

/// While there is none, or none that is current.
const LONGEST_DEMAND_WITHOUT: i64 = 5 * MINUTE;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: i64 = 86_400;
    const NOW: i64 = 1_800_000_000;

    #[test]
    fn a_list_is_fetched_ahead_of_its_end_and_daily() {
        // Seven days: the bound counts.
        assert_eq!(after_success(NOW, NOW + 7 * DAY, DAY, 0.0), NOW + DAY);
        assert_eq!(after_success(NOW, NOW + 7 * DAY, DAY, 1.0), NOW + DAY - DAY / 10);
        // An hour: the last third of it.
        assert_eq!(after_success(NOW, NOW + HOUR, DAY, 0.0), NOW + 40 * MINUTE);
        assert_eq!(after_success(NOW, NOW + HOUR, DAY, 1.0), NOW + 55 * MINUTE);
        // It has ended, or is about to.
        assert_eq!(after_success(NOW, NOW + 1, DAY, 0.5), NOW + MINUTE);
        assert_eq!(after_success(NOW, NOW - DAY, DAY, 0.5), NOW + MINUTE);
        assert_eq!(after_success(NOW, NOW + 7 * DAY, 1, 0.5), NOW + 1);
    }

    #[test]
    fn what_fails_is_asked_for_less_and_less_often() {
        let pause = |failures, chance| after_failure(NOW, failures, DAY, None, chance) - NOW;
        assert_eq!([pause(1, 0.0), pause(1, 0.5), pause(1, 1.0)], [30, 60, 90]);
        assert_eq!([pause(2, 0.5), pause(3, 0.5), pause(6, 0.5)], [120, 240, 1920]);
        assert_eq!([pause(7, 0.5), pause(1000, 0.5), pause(u32::MAX, 1.0)], [HOUR, HOUR, HOUR * 3 / 2]);
        assert_eq!(after_failure(NOW, 9, 5, None, 0.5), NOW + 5, "refresh is the longest");
    }

    #[test]
    fn a_server_cannot_forbid_fetches_for_long() {
        let next = |refresh, pause, ends| after_failure(NOW, 1, refresh, Some(Demand { pause, ends }), 0.5) - NOW;
        assert_eq!(next(5, 500, Some(NOW + DAY)), 500, "longer than refresh");
        assert_eq!(next(DAY, -5, Some(NOW + DAY)), 60);
        assert_eq!(next(DAY, i64::MAX, Some(NOW + DAY)), HOUR);
        assert_eq!(next(DAY, DAY, Some(NOW + 30 * MINUTE)), 10 * MINUTE, "a third of what is left");
        for none in [None, Some(NOW), Some(NOW - DAY), Some(i64::MIN)] {
            assert_eq!(next(DAY, DAY, none), 5 * MINUTE, "{none:?}");
        }
    }

    proptest! {
        #[test]
        fn no_time_is_in_the_past_or_too_far(
            now in 0..4_000_000_000_i64,
            next_update in any::<i64>(),
            refresh in 1..10_000_000_i64,
            failures in any::<u32>(),
            pause in any::<i64>(),
            ends in any::<Option<i64>>(),
            chance in 0.0..=1.0,
        ) {
            let next = after_success(now, next_update, refresh, chance);
            prop_assert!(next > now && next <= now + refresh.max(1));
            let next = after_failure(now, failures, refresh, Some(Demand { pause, ends }), chance);
            prop_assert!(next > now && next <= now + refresh.max(LONGEST_DEMAND));
        }
    }
}
