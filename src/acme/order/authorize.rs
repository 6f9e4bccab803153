//! The authorizations of an order: for each a challenge is chosen, its answer is put up and tried, and the authority is asked
//! to look. Must not know: how an answer is put up, what follows.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use instant_acme::{AuthorizationState, AuthorizationStatus, ChallengeStatus, ChallengeType, Order, OrderStatus};
use serde_json::Value;

use super::bounds;
use super::job::{Job, REFUSED};
use super::poll::poll;
use crate::acme::challenge;
use crate::acme::challenge::Answer;
use crate::acme::challenge::asked::Asked;
use crate::acme::memory::of_certificate::OfCertificate;
use crate::acme::settings::{ChallengeKind, Identifier};
use crate::acme::trouble::{self, Trouble};
use crate::tls::crypto;

/// Answers all authorizations, and waits until the authority has looked at all of them.
pub(super) async fn all(job: &Job<'_>, kept: &mut OfCertificate, order: &mut Order) -> Result<(), Trouble> {
    let mut answers = Vec::new();
    let result = async {
        put_up(job, kept, order, &mut answers).await?;
        announce(job, order, &answers).await?;
        poll(job, order, OrderStatus::Pending).await
    }
    .await;
    for (_, answer) in answers {
        answer.take_down(job.authority).await;
    }
    result
}

/// Puts up an answer for each authorization that needs one. The answers are in the order of the authorizations.
async fn put_up(
    job: &Job<'_>,
    kept: &mut OfCertificate,
    order: &mut Order,
    answers: &mut Vec<(Option<ChallengeKind>, Answer)>,
) -> Result<(), Trouble> {
    let mut authorizations = order.authorizations();
    while let Some(next) = authorizations.next().await {
        let authorization = next.map_err(|error| Trouble::library(&error, job.http.last()))?;
        if let Some(trouble) = bounds::too_large(job) {
            return Err(trouble);
        }
        let name = authorization.identifier().to_string();
        let answer = match authorization.status {
            AuthorizationStatus::Valid => (None, Answer::Standing),
            AuthorizationStatus::Pending => {
                // The library drops what it does not know, such as the names of issuers for dns-persist-01.
                let raw = job.http.last().and_then(|answer| serde_json::from_slice(&answer.body).ok());
                let (kind, answer) = one(job, kept, &authorization, &name, &raw.unwrap_or_default()).await?;
                (Some(kind), answer)
            }
            other => return Err(unusable(job, &name, other)),
        };
        answers.push(answer);
    }
    Ok(())
}

/// An authorization that failed before it could be answered. Its error says why.
fn unusable(job: &Job<'_>, name: &str, status: AuthorizationStatus) -> Trouble {
    let raw = job.http.last().and_then(|answer| serde_json::from_slice(&answer.body).ok()).unwrap_or(Value::Null);
    let problem = trouble::error_in(&raw).cloned();
    let why = problem.as_ref().map(|problem| format!(": {}", trouble::words(problem))).unwrap_or_default();
    let message = format!("{name}: found an authorization that is {status:?}, expected one that is pending{why}");
    Trouble { status: Some(REFUSED), problem, ..Trouble::new(message) }
}

/// Tries the challenges in the order of the configuration, first those that the authority has not found wrong before.
async fn one(
    job: &Job<'_>,
    kept: &mut OfCertificate,
    authorization: &AuthorizationState,
    name: &str,
    raw: &Value,
) -> Result<(ChallengeKind, Answer), Trouble> {
    let Some(identifier) = job.ordered(name) else {
        return Err(Trouble {
            status: Some(REFUSED),
            ..Trouble::new(format!("found an authorization for {name:?}, which was not ordered"))
        });
    };
    let mut reasons = Vec::new();
    for kind in in_order(&job.authority.challenges, kept.refused.get(name)) {
        let Some(offered) = authorization.challenges.iter().find(|one| one.r#type == library(kind)) else {
            reasons.push(format!("{}: not offered", kind.word()));
            continue;
        };
        let asked = asked(job, (kind, identifier), &offered.token, raw);
        match challenge::answer(&asked, job.authority, job.means).await {
            Ok(answer) => return Ok((kind, answer)),
            Err(reason) => reasons.push(format!("{}: {reason}", kind.word())),
        }
    }
    // All have been found wrong, by the authority or from here: the next attempt begins with the first again.
    kept.refused.remove(name);
    Err(Trouble::new(format!("{name}: no challenge can be answered: {}", reasons.join("; "))))
}

fn asked<'a>(
    job: &'a Job<'_>,
    (kind, identifier): (ChallengeKind, &'a Identifier),
    token: &str,
    raw: &Value,
) -> Asked<'a> {
    // RFC 8555 section 8.1
    let authorization = format!("{token}.{}", job.account.library.key_thumbprint());
    let digest = crypto::sha256(authorization.as_bytes());
    let offered = raw.get("challenges").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let offered = offered.iter().find(|one| one.get("type").and_then(Value::as_str) == Some(kind.word()));
    Asked {
        kind,
        identifier,
        token: token.to_owned(),
        record: URL_SAFE_NO_PAD.encode(digest),
        authorization,
        digest,
        account: &job.account.url,
        thumbprint: job.account.library.key_thumbprint(),
        hash_prefix: job.account.directory.meta.account_hash_prefix.as_deref(),
        now: job.clock.now(),
        offered: offered.cloned().unwrap_or_default(),
    }
}

/// Asks the authority to look at what was put up.
async fn announce(
    job: &Job<'_>,
    order: &mut Order,
    answers: &[(Option<ChallengeKind>, Answer)],
) -> Result<(), Trouble> {
    let mut authorizations = order.authorizations();
    for (kind, _) in answers {
        let Some(next) = authorizations.next().await else { break };
        let mut authorization = next.map_err(|error| Trouble::library(&error, job.http.last()))?;
        let Some(kind) = kind else { continue };
        let Some(mut challenge) = authorization.challenge(library(*kind)) else { continue };
        // One that was announced before a crash is being looked at already.
        if challenge.status == ChallengeStatus::Pending
            && let Err(error) = challenge.set_ready().await
        {
            let trouble = Trouble::library(&error, job.http.last());
            // An error in the challenge itself, in a good answer: the order explains it better.
            if trouble.problem.is_none() || trouble.status.is_some() {
                return Err(trouble);
            }
        }
    }
    Ok(())
}

fn in_order(configured: &[ChallengeKind], refused: Option<&Vec<String>>) -> Vec<ChallengeKind> {
    let mut kinds = configured.to_vec();
    kinds.sort_by_key(|kind| refused.is_some_and(|refused| refused.iter().any(|one| one == kind.word())));
    kinds
}

fn library(kind: ChallengeKind) -> ChallengeType {
    match kind {
        ChallengeKind::TlsAlpn01 => ChallengeType::TlsAlpn01,
        ChallengeKind::Http01 => ChallengeType::Http01,
        ChallengeKind::Dns01 => ChallengeType::Dns01,
        ChallengeKind::DnsPersist01 => ChallengeType::Unknown(kind.word().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_that_was_found_wrong_is_tried_last() {
        use ChallengeKind::{Dns01, Http01, TlsAlpn01};
        let configured = [TlsAlpn01, Http01, Dns01];
        assert_eq!(in_order(&configured, None), configured);
        let refused = vec!["tls-alpn-01".to_owned()];
        assert_eq!(in_order(&configured, Some(&refused)), [Http01, Dns01, TlsAlpn01]);
        let all = configured.map(|kind| kind.word().to_owned()).to_vec();
        assert_eq!(in_order(&configured, Some(&all)), configured);
    }
}
