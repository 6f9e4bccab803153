//! When certificates end, and whether that is soon. Must not know: where warnings are shown.

use crate::tls::certificate::certified::Certificate;
use crate::tls::certificate::inspect::Facts;

/// Whether less than a third of the lifetime is left, or less than two weeks, whichever is shorter: automatic renewal has
/// failed by then, and a certificate of six days does not warn all its life. All in seconds since 1970.
pub fn is_soon(not_before: i64, not_after: i64, now: i64) -> bool {
    let lifetime = not_after.saturating_sub(not_before);
    not_after.saturating_sub(now) < TWO_WEEKS.min(lifetime / 3)
}

/// The certificates behind the leaf that are not valid at `now` or will soon be no longer. A root does not count, since
/// clients use their own copy.
pub fn troubled_issuers(certificate: &Certificate, now: i64) -> Vec<Facts> {
    let is_troubled = |facts: &Facts| !facts.is_valid_at(now) || is_soon(facts.not_before, facts.not_after, now);
    let issuers = certificate.key.cert.iter().skip(1).filter_map(|der| Facts::of(der).ok());
    issuers.filter(|facts| facts.subject != facts.issuer && is_troubled(facts)).collect()
}

/// Whether the certificate or one behind it has ended or will end soon.
pub fn ends_soon(certificate: &Certificate, now: i64) -> bool {
    // For nearly all of them nothing has to be parsed.
    certificate.chain_not_after.saturating_sub(now) < TWO_WEEKS
        && (is_soon(certificate.not_before, certificate.not_after, now)
            || certificate.not_after < now
            || troubled_issuers(certificate, now).iter().any(|facts| facts.not_before <= now))
}

/// In seconds.
const TWO_WEEKS: i64 = 14 * 24 * 3600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn soon_is_relative_to_the_lifetime() {
        const DAY: i64 = 86_400;
        for (lifetime, left, soon) in [
            (90, 15, false),
            (90, 13, true),
            (365, 13, true),
            (365, 14, false),
            // 47 days: a third is more than two weeks.
            (47, 14, false),
            (47, 13, true),
            // Six days: two are left.
            (6, 5, false),
            (6, 2, false),
            (6, 1, true),
            (0, 0, false),
        ] {
            assert_eq!(is_soon(0, lifetime * DAY, (lifetime - left) * DAY), soon, "{left} of {lifetime} days left");
        }
        assert!(!is_soon(i64::MIN, i64::MAX, i64::MIN));
    }
}
