//! Which authority is asked for a certificate next, and when. Pure. Must not know: clocks, files.

use std::sync::Arc;

use crate::acme::memory::of_certificate::OfCertificate;
use crate::acme::schedule;
use crate::acme::schedule::Lifetime;
use crate::acme::status::{Next, Why};

/// An authority as a certificate's next attempt sees it.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) name: Arc<str>,
    /// Before this, nothing at all is asked of it.
    pub(super) paused_until: i64,
    /// Since when it cannot be reached.
    pub(super) failing_since: Option<i64>,
}

/// The next attempt: when, why, and at which of the candidates. The first candidate is the one that is wanted, the others are
/// its fallbacks, best first.
pub(super) fn next(
    kept: &OfCertificate,
    lifetime: Option<Lifetime>,
    candidates: &[Candidate],
    now: i64,
) -> Option<(Next, Arc<str>)> {
    let due = schedule::due(&kept.facts(lifetime), now);
    let allowed = |one: &Candidate| kept.allowed_from(&one.name, now).max(one.paused_until);
    let (first, fallbacks) = candidates.split_first()?;
    let failing = [kept.failing_since, first.failing_since].into_iter().flatten().min();
    // A fallback is asked when the wanted authority has failed for long enough, and it is not before that.
    let from = failing.map(|since| schedule::fallback_from(since, lifetime));
    let others = fallbacks.iter().filter_map(|one| Some((allowed(one).max(from?), one)));
    let all: Vec<(i64, &Candidate)> = std::iter::once((allowed(first), first)).chain(others).collect();
    let ready = all.iter().find(|(from, _)| *from <= due.at.max(now));
    let (from, one) = ready.or_else(|| all.iter().min_by_key(|(from, _)| *from))?;
    let why = if *from > due.at && due.why != Why::Withdrawn && kept.failures > 0 { Why::Retry } else { due.why };
    Some((Next { at: due.at.max(*from), why }, Arc::clone(&one.name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acme::schedule::{DAY, MINUTE};
    use crate::acme::status::Failure;

    const NOW: i64 = 1_800_000_000;

    fn candidate(name: &str) -> Candidate {
        Candidate { name: name.into(), paused_until: i64::MIN, failing_since: None }
    }

    fn failed(kept: &mut OfCertificate, authority: &str, at: i64) {
        kept.attempts(authority).begin(at, 0.5, DAY);
        kept.attempts(authority).fail(at, 0.5, DAY, None);
        kept.fail(Failure { at, message: String::new(), problem: None, authority: authority.to_owned() });
    }

    fn asked(kept: &OfCertificate, lifetime: Option<Lifetime>, now: i64) -> (i64, Why, String) {
        let (next, name) = next(kept, lifetime, &[candidate("a"), candidate("b"), candidate("c")], now).unwrap();
        (next.at, next.why, name.to_string())
    }

    #[test]
    fn the_wanted_authority_is_asked_first_and_again_after_a_pause() {
        let mut kept = OfCertificate::default();
        assert_eq!(asked(&kept, None, NOW), (NOW, Why::First, "a".into()));
        failed(&mut kept, "a", NOW);
        assert_eq!(asked(&kept, None, NOW), (NOW + MINUTE, Why::Retry, "a".into()));
    }

    #[test]
    fn fallbacks_are_asked_after_a_day_each_with_its_own_pauses() {
        let mut kept = OfCertificate::default();
        (0..14).for_each(|_| failed(&mut kept, "a", NOW));
        let later = NOW + DAY;
        assert_eq!(asked(&kept, None, later - 1).2, "a");
        kept.attempts("a").begin(later, 0.5, DAY);
        assert_eq!(asked(&kept, None, later), (later, Why::Retry, "b".into()));
        failed(&mut kept, "b", later);
        assert_eq!(asked(&kept, None, later), (later, Why::Retry, "c".into()));
        failed(&mut kept, "c", later);
        // The pauses of the fallbacks are still short.
        assert_eq!(asked(&kept, None, later), (later + MINUTE, Why::Retry, "b".into()));
    }

    #[test]
    fn an_authority_that_cannot_be_reached_is_left_alone() {
        let kept = OfCertificate::default();
        let first = Candidate { paused_until: NOW + 500, failing_since: Some(NOW - 5), ..candidate("a") };
        let (found, name) = next(&kept, None, &[first.clone(), candidate("b")], NOW).unwrap();
        assert_eq!((found.at, &*name), (NOW + 500, "a"));
        let long = Candidate { failing_since: Some(NOW - DAY), ..first };
        let (found, name) = next(&kept, None, &[long, candidate("b")], NOW).unwrap();
        assert_eq!((found.at, &*name), (NOW, "b"));
    }

    #[test]
    fn a_certificate_that_is_not_due_waits_for_its_time_whatever_failed() {
        let lifetime = Lifetime { not_before: NOW, not_after: NOW + 90 * DAY };
        let kept = OfCertificate { chance: 0.0, ..OfCertificate::default() };
        assert_eq!(asked(&kept, Some(lifetime), NOW), (NOW + 60 * DAY, Why::Lifetime, "a".into()));
    }
}
