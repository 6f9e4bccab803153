//! Asks authorities when they propose to renew certificates. Must not know: what else a line does.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::time::{Duration, Instant};

use super::house::{House, Plan};
use super::one::One;
use crate::acme::directory;
use crate::acme::http::Http;
use crate::acme::memory;
use crate::acme::renewal::{self, Answer};
use crate::acme::schedule;
use crate::acme::schedule::Proposal;
use crate::acme::settings::Authority;
use crate::acme::trouble::Trouble;
use crate::tls::certificate::x509;

/// Where authorities answer, by their names; `None` where they do not. Each until a time.
#[derive(Default)]
pub(super) struct Addresses(HashMap<Arc<str>, (Instant, Option<Address>)>);

#[derive(Clone)]
struct Address {
    http: Http,
    url: String,
}

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
    let Some(address) = addresses.of(house, authority).await else { return false };
    match renewal::ask(&address.http, &address.url, &id).await {
        Ok(answer) => learn(house, one, answer),
        Err(trouble) => {
            if trouble.status.is_none() {
                // Not each of a thousand certificates shall wait for it.
                addresses.0.insert(Arc::clone(&authority.name), (Instant::now() + AN_HOUR, None));
            }
            let again = trouble.retry_after.unwrap_or(now + AFTER_FAILURE);
            one.kept.next_question = schedule::next_question(now, Some(again));
            let reason = trouble.message;
            tracing::debug!(wanted = %one.wanted, %reason, "the authority proposes no time of renewal");
            false
        }
    }
}

fn learn(house: &House, one: &mut One, answer: Answer) -> bool {
    one.kept.next_question = schedule::next_question(house.now(), answer.retry_after);
    let known = one.kept.proposal.as_ref().map(|known| (known.start, known.end));
    if known == Some(answer.window) {
        return false;
    }
    let Some(proposal) = Proposal::choose(answer.window, answer.explanation, fastrand::f64()) else { return false };
    let (at, explanation) = (x509::rfc3339(proposal.at), proposal.explanation.clone());
    one.kept.proposal = Some(proposal);
    // The moment that was chosen stays over a restart.
    if let Err(error) = memory::keep_certificate(&house.folder, &one.wanted, &one.kept) {
        tracing::warn!(wanted = %one.wanted, %error, "the state of a certificate cannot be written");
    }
    tracing::info!(wanted = %one.wanted, %at, explanation, "the authority proposes a time of renewal");
    true
}

impl Addresses {
    async fn of(&mut self, house: &House, authority: &Authority) -> Option<Address> {
        if let Some((until, address)) = self.0.get(&authority.name)
            && *until > Instant::now()
        {
            return address.clone();
        }
        let (address, valid) = match look(house, authority).await {
            Ok(address) => (address, A_DAY),
            Err(_) => (None, AN_HOUR),
        };
        self.0.insert(Arc::clone(&authority.name), (Instant::now() + valid, address.clone()));
        address
    }
}

/// `None` if the authority proposes nothing.
async fn look(house: &House, authority: &Authority) -> Result<Option<Address>, Trouble> {
    let http = house.http(authority)?;
    let directory = directory::fetch(&http, authority).await?;
    Ok(directory.renewal_info.map(|url| Address { http, url }))
}

/// Seconds.
const AFTER_FAILURE: i64 = 3600;

const AN_HOUR: Duration = Duration::from_secs(3600);
const A_DAY: Duration = Duration::from_secs(86_400);
