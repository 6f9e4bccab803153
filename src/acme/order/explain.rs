//! Why an order has become invalid: the errors of its authorizations, in words. Must not know: what is done about it.

use instant_acme::Order;
use serde_json::Value;

use super::job::{Job, REFUSED};
use crate::acme::memory::of_certificate::OfCertificate;
use crate::acme::trouble::{self, Trouble};

/// Asks for everything that explains it. Challenges that the authority has found wrong are noted.
pub(super) async fn invalid(job: &Job<'_>, kept: &mut OfCertificate, order: &mut Order) -> Trouble {
    let mut found = Vec::new();
    if order.refresh().await.is_ok() {
        found.extend(body(job).as_ref().and_then(trouble::error_in).map(|problem| (None, problem.clone())));
    }
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        if authorization.refresh().await.is_err() {
            continue;
        }
        let name = authorization.identifier().to_string();
        let Some(body) = body(job) else { continue };
        let challenges = body.get("challenges").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        for challenge in challenges {
            let (Some(error), kind) = (challenge.get("error"), challenge.get("type").and_then(Value::as_str)) else {
                continue;
            };
            let kind = kind.unwrap_or("a challenge");
            let refused = kept.refused.entry(name.clone()).or_default();
            if !refused.iter().any(|one| one == kind) {
                refused.push(kind.to_owned());
            }
            found.push((Some(format!("{name}: {kind}")), error.clone()));
        }
    }
    together(found)
}

fn body(job: &Job<'_>) -> Option<Value> {
    serde_json::from_slice(&job.http.last()?.body).ok()
}

/// The errors of authorizations say more than that of the order.
fn together(mut found: Vec<(Option<String>, Value)>) -> Trouble {
    if found.iter().any(|(name, _)| name.is_some()) {
        found.retain(|(name, _)| name.is_some());
    }
    let words = found.iter().map(|(name, problem)| {
        let front = name.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
        front + &trouble::words(problem)
    });
    let words: Vec<String> = words.collect();
    let reasons = if words.is_empty() { "the authority gives no reason".to_owned() } else { words.join("; ") };
    Trouble {
        message: format!("the order is invalid: {reasons}"),
        problem: found.into_iter().next().map(|(_, problem)| problem),
        retry_after: None,
        status: Some(REFUSED),
    }
}
