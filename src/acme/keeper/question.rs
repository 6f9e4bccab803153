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

/// Asks for one certificate, if it is time; at most one request is made. `None` if there was nothing to ask, else whether the
/// next renewal may have changed.
pub(super) async fn ask(house: &House, plan: &Plan, one: &mut One, addresses: &mut Addresses) -> Option<bool> {
    let now = house.now();
    if one.kept.next_question > now {
        return None;
    }
    let by = one.kept.issued_by.as_deref().and_then(|name| plan.authority(name));
    let asked = by.zip(one.facts.as_ref().and_then(|facts| facts.id.clone()));
    let known = match &asked {
        Some((authority, _)) => match addresses.known(&authority.name) {
            Some(known) => known,
            None => {
                addresses.find(house, authority).await;
                return Some(false);
            }
        },
        None => None,
    };
    // Whatever comes of it, the next question is later.
    one.kept.next_question = schedule::next_question(now, None);
    let ((authority, id), address) = asked.zip(known)?;
    match renewal::ask(&address.http, &address.url, &id).await {
        Ok(answer) => Some(learn(house, one, answer)),
        Err(trouble) => {
            let now = house.now();
            let again = schedule::next_question(now, Some(trouble.retry_after.unwrap_or(now + AFTER_FAILURE)));
            one.kept.next_question = again;
            if concerns_all(&trouble) {
                // Not each of a thousand certificates shall wait for it.
                addresses.pause(&authority.name, again.saturating_sub(now));
            }
            let reason = trouble.message;
            tracing::debug!(wanted = %one.wanted, %reason, "the authority proposes no time of renewal");
            Some(false)
        }
    }
}

/// Whether others would fail in the same way: all but an answer about this certificate.
fn concerns_all(trouble: &Trouble) -> bool {
    !trouble.status.is_some_and(|status| (400..500).contains(&status) && status != TOO_MANY_REQUESTS)
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
    /// `None` if it is not known whether the authority answers.
    fn known(&self, authority: &str) -> Option<Option<Address>> {
        self.0.get(authority).filter(|(until, _)| *until > Instant::now()).map(|(_, address)| address.clone())
    }

    /// Nothing is asked of the authority for so many seconds.
    fn pause(&mut self, authority: &Arc<str>, seconds: i64) {
        let pause = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
        self.0.insert(Arc::clone(authority), (Instant::now() + pause, None));
    }

    async fn find(&mut self, house: &House, authority: &Authority) {
        let (address, valid) = match look(house, authority).await {
            Ok(address) => (address, A_DAY),
            Err(_) => (None, AN_HOUR),
        };
        self.0.insert(Arc::clone(&authority.name), (Instant::now() + valid, address));
    }
}

/// `None` if the authority proposes nothing.
async fn look(house: &House, authority: &Authority) -> Result<Option<Address>, Trouble> {
    let http = house.http(authority)?;
    let directory = directory::fetch(&http, authority).await?;
    Ok(directory.renewal_info.map(|url| Address { http, url }))
}

/// RFC 6585 section 4
const TOO_MANY_REQUESTS: u16 = 429;

/// Seconds.
const AFTER_FAILURE: i64 = 3600;

const AN_HOUR: Duration = Duration::from_secs(3600);
const A_DAY: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_about_a_certificate_lets_the_questions_about_others_go_on() {
        let trouble = |status| Trouble { status, ..Trouble::new("") };
        for status in [None, Some(200), Some(429), Some(500), Some(503)] {
            assert!(concerns_all(&trouble(status)), "{status:?}");
        }
        assert!(!concerns_all(&trouble(Some(404))) && !concerns_all(&trouble(Some(400))));
        let mut addresses = Addresses::default();
        assert!(addresses.known("a").is_none());
        addresses.pause(&"a".into(), 60);
        assert!(addresses.known("a").is_some_and(|address| address.is_none()));
    }
}
