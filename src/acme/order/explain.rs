//! Why an order has become invalid: the errors of its authorizations, in words. Must not know: what is done about it.

use instant_acme::Order;
use serde_json::Value;

use super::bounds;
use super::job::{Job, REFUSED};
use crate::acme::memory::of_certificate::OfCertificate;
use crate::acme::settings::ChallengeKind;
use crate::acme::trouble::{self, Trouble};

/// Asks for everything that explains it. Challenges that the authority has found wrong are noted, of the kinds that are used
/// and for the names that were ordered: whatever else there is was not answered.
pub(super) async fn invalid(job: &Job<'_>, kept: &mut OfCertificate, order: &mut Order) -> Trouble {
    let mut found = Found::default();
    if order.refresh().await.is_ok() {
        found.of_order = body(job).as_ref().and_then(trouble::error_in).cloned();
    }
    if let Some(trouble) = bounds::too_many(job, order) {
        return trouble;
    }
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let is_there = authorization.refresh().await.is_ok();
        // Of what could not be read, too.
        if let Some(trouble) = bounds::too_large(job) {
            return trouble;
        }
        let name = authorization.identifier().to_string();
        let Some(body) = body(job).filter(|_| is_there && job.ordered(&name).is_some()) else { continue };
        for (kind, error) in wrong(&body, &job.authority.challenges) {
            let refused = kept.refused.entry(name.clone()).or_default();
            if !refused.iter().any(|one| one == kind.word()) {
                refused.push(kind.word().to_owned());
            }
            found.add(format!("{name}: {}", kind.word()), error);
        }
    }
    found.together()
}

/// The challenges of an authorization that have an error, the first of each of these kinds.
fn wrong<'a>(body: &'a Value, kinds: &'a [ChallengeKind]) -> impl Iterator<Item = (ChallengeKind, &'a Value)> {
    let challenges = body.get("challenges").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    kinds.iter().filter_map(|kind| {
        let of_kind = |one: &&Value| one.get("type").and_then(Value::as_str) == Some(kind.word());
        challenges.iter().filter(of_kind).find_map(|one| one.get("error")).map(|error| (*kind, error))
    })
}

fn body(job: &Job<'_>) -> Option<Value> {
    serde_json::from_slice(&job.http.last()?.body).ok()
}

/// Errors, of which the first are kept and the others counted.
#[derive(Default)]
struct Found {
    of_order: Option<Value>,
    /// Each with the name and the challenge that it is about.
    of_challenges: Vec<(String, Value)>,
    more: usize,
}

impl Found {
    fn add(&mut self, about: String, error: &Value) {
        match self.of_challenges.len() < MOST_ERRORS {
            true => self.of_challenges.push((about, error.clone())),
            false => self.more += 1,
        }
    }

    /// The errors of authorizations say more than that of the order.
    fn together(self) -> Trouble {
        let Self { of_order, of_challenges, mut more } = self;
        let mut reasons = String::new();
        for (about, problem) in &of_challenges {
            if reasons.len() >= LONGEST_REASONS {
                more += 1;
                continue;
            }
            let and = if reasons.is_empty() { "" } else { "; " };
            reasons += &format!("{and}{about}: {}", trouble::words(problem));
        }
        if more > 0 {
            reasons += &format!("; and {more} more");
        }
        if reasons.is_empty() {
            reasons = of_order.as_ref().map_or("the authority gives no reason".to_owned(), trouble::words);
        }
        Trouble {
            message: format!("the order is invalid: {reasons}"),
            problem: of_challenges.into_iter().next().map(|(_, problem)| problem).or(of_order),
            retry_after: None,
            status: Some(REFUSED),
        }
    }
}

/// The others are counted. Who has more names wrong than that finds out with the next attempt.
const MOST_ERRORS: usize = 10;

/// In bytes: no error is added to so many.
const LONGEST_REASONS: usize = 4 * 1024;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_error_of_each_kind_that_is_used_counts() {
        let mut challenges: Vec<Value> =
            (0..1000).map(|at| json!({ "type": format!("x-{at}"), "error": { "detail": "odd" } })).collect();
        challenges.push(json!({ "type": "tls-alpn-01" }));
        challenges.push(json!({ "type": "tls-alpn-01", "error": { "detail": "first" } }));
        challenges.push(json!({ "type": "tls-alpn-01", "error": { "detail": "second" } }));
        challenges.push(json!({ "type": "http-01", "error": { "detail": "not used" } }));
        let body = json!({ "challenges": challenges });
        let kinds = [ChallengeKind::TlsAlpn01, ChallengeKind::Dns01];
        let found: Vec<_> = wrong(&body, &kinds).collect();
        assert_eq!(found, [(ChallengeKind::TlsAlpn01, &json!({ "detail": "first" }))]);
        assert_eq!(wrong(&json!({}), &kinds).count(), 0);
    }

    #[test]
    fn ten_errors_are_kept_and_the_text_is_bounded() {
        let mut found = Found { of_order: Some(json!({ "detail": "of the order" })), ..Found::default() };
        (0..1000).for_each(|at| found.add(format!("{at}.test: http-01"), &json!({ "detail": "none" })));
        assert_eq!(found.of_challenges.len(), 10);
        let trouble = found.together();
        assert!(trouble.message.starts_with("the order is invalid: 0.test: http-01: none; 1.test: "), "{trouble:?}");
        assert!(trouble.message.ends_with("9.test: http-01: none; and 990 more"), "{trouble:?}");
        assert_eq!(trouble.problem, Some(json!({ "detail": "none" })));

        let mut found = Found::default();
        (0..10).for_each(|_| found.add("a.test: http-01".into(), &json!({ "detail": "ä".repeat(100_000) })));
        let message = found.together().message;
        assert!(message.len() < 8_000 && message.ends_with("; and 7 more"), "{}", message.len());

        let of_order = Found { of_order: Some(json!({ "detail": "of the order" })), ..Found::default() };
        assert_eq!(of_order.together().message, "the order is invalid: of the order");
        assert_eq!(Found::default().together().message, "the order is invalid: the authority gives no reason");
    }
}
