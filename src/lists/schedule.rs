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

/// A fetch that failed, or brought nothing that could be used: from a minute, doubling to an hour, half of it more or less by
/// chance; never later than `refresh`, unless the server demands it.
pub fn after_failure(now: i64, failures: u32, refresh: i64, retry_after: Option<i64>, chance: f64) -> i64 {
    let doublings = failures.saturating_sub(1).min(MOST_DOUBLINGS);
    let whole = (MINUTE << doublings).min(HOUR);
    let pause = (whole / 2).saturating_add(share(whole, chance)).min(refresh).max(1);
    let demanded = retry_after.unwrap_or(0).clamp(0, LONGEST_DEMAND);
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

/// Without a bound, one wrong answer could forbid fetches until the list is out of date.
const LONGEST_DEMAND: i64 = 86_400;

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
        assert_eq!(after_failure(NOW, 1, 5, Some(500), 0.5), NOW + 500, "unless the server demands it");
        assert_eq!(after_failure(NOW, 1, DAY, Some(i64::MAX), 0.5), NOW + DAY);
        assert_eq!(after_failure(NOW, 1, DAY, Some(-5), 0.5), NOW + 60);
    }

    proptest! {
        #[test]
        fn no_time_is_in_the_past_or_too_far(
            now in 0..4_000_000_000_i64,
            next_update in any::<i64>(),
            refresh in 1..10_000_000_i64,
            failures in any::<u32>(),
            retry_after in any::<Option<i64>>(),
            chance in 0.0..=1.0,
        ) {
            let next = after_success(now, next_update, refresh, chance);
            prop_assert!(next > now && next <= now + refresh.max(1));
            let next = after_failure(now, failures, refresh, retry_after, chance);
            prop_assert!(next > now && next <= now + refresh.max(LONGEST_DEMAND));
        }
    }
}
