//! Asks authorities when they propose to renew certificates. Must not know: what else a line does.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::time::{Duration, Instant};

use super::house::{House, Plan};
use super::one::One;
use crate::acme::directory;
use crate::acme::http::Http;
use crate::acme::issued::Id;
use crate::acme::memory;
use crate::acme::renewal;
use crate::acme::schedule;
use crate::acme::schedule::Proposal;
use crate::acme::settings::Authority;

/// Where authorities answer, by their names; `None` where they do not.
#[derive(Default)]
pub(super) struct Addresses(HashMap<Arc<str>, (Instant, Option<String>)>);

/// Asks for one certificate, if it is time. Whether its next renewal may have changed.
pub(super) async fn ask(house: &House, plan: &Plan, one: &mut One, addresses: &mut Addresses) -> bool {
    let now = house.now();
    if one.kept.next_question > now {
        return false;
    }
    // Whatever comes of it, the next question is later.
    one.kept.next_question = schedule::next_question(now, None);
    let by = one.kept.issued_by.as_deref().and_then(|name| plan.authority(name));
    let (Some(authority), Some(id)) = (by, one.facts.as_ref().and_then(|facts| facts.id.clone())) else {
        return false;
    };
    let Ok(http) = house.http(authority) else { return false };
    let Some(url) = address(&http, authority, addresses).await else { return false };
    answered(house, one, &http, (&url, &id)).await
}

async fn answered(house: &House, one: &mut One, http: &Http, (url, id): (&str, &Id)) -> bool {
    let now = house.now();
    let answer = match renewal::ask(http, url, id).await {
        Ok(answer) => answer,
        Err(trouble) => {
            let reason = trouble.message;
            tracing::debug!(wanted = %one.wanted, %reason, "the authority proposes no time of renewal");
            one.kept.next_question =
                schedule::next_question(now, Some(trouble.retry_after.unwrap_or(now + AFTER_FAILURE)));
            return false;
        }
    };
    one.kept.next_question = schedule::next_question(now, answer.retry_after);
    let known = one.kept.proposal.as_ref().map(|known| (known.start, known.end));
    if known == Some(answer.window) {
        return false;
    }
    let Some(proposal) = Proposal::choose(answer.window, answer.explanation, fastrand::f64()) else { return false };
    let (at, explanation) = (crate::tls::certificate::x509::rfc3339(proposal.at), proposal.explanation.clone());
    one.kept.proposal = Some(proposal);
    // The moment that was chosen stays over a restart.
    if let Err(error) = memory::keep_certificate(&house.folder, &one.wanted, &one.kept) {
        tracing::warn!(wanted = %one.wanted, %error, "the state of a certificate cannot be written");
    }
    tracing::info!(wanted = %one.wanted, %at, explanation, "the authority proposes a time of renewal");
    true
}

async fn address(http: &Http, authority: &Authority, addresses: &mut Addresses) -> Option<String> {
    if let Some((until, url)) = addresses.0.get(&authority.name)
        && *until > Instant::now()
    {
        return url.clone();
    }
    let (url, valid) = match directory::fetch(http, authority).await {
        Ok(directory) => (directory.renewal_info, A_DAY),
        Err(_) => (None, AN_HOUR),
    };
    addresses.0.insert(Arc::clone(&authority.name), (Instant::now() + valid, url.clone()));
    url
}

/// Seconds.
const AFTER_FAILURE: i64 = 3600;

const AN_HOUR: Duration = Duration::from_secs(3600);
const A_DAY: Duration = Duration::from_secs(86_400);
