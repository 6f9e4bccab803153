//! Answers to an authority's challenges: built, put up, tried from here, taken down. Must not know: orders, which challenge is
//! best.

use std::sync::Arc;
use std::time::Duration;

use crate::acme::check;
use crate::acme::check::Checked;
use crate::acme::lookup::Lookup;
use crate::acme::responder::Tokens;
use crate::acme::settings::{Authority, ChallengeKind, Identifier};
use crate::acme::share::{Post, Posted, Share};
use crate::monitor::Monitor;
use crate::tls::certificate::name::Name;
use crate::tls::handshake::challenge::Challenges;
use asked::Asked;

pub mod asked;
pub mod dns;
pub mod http;
mod persist;
pub mod tls_alpn;

/// Where answers are put up.
#[derive(Clone)]
pub struct Means {
    pub challenges: Arc<Challenges>,
    pub tokens: Tokens,
    pub lookup: Arc<Lookup>,
    /// Runs programs.
    pub monitor: Option<Monitor>,
    /// Puts answers up elsewhere, too: the authority may look at any of several processes.
    pub share: Option<Share>,
}

/// An answer that is put up. Dropping it removes what costs nothing to remove.
pub enum Answer {
    TlsAlpn(tls_alpn::Answer, Option<Posted>),
    Http(http::Answer, Option<Posted>),
    Dns(dns::Answer),
    /// It is there all the time, or none is needed.
    Standing,
}

/// Puts up the answer, and tries it from here if the settings say so. An error says why this challenge is of no use.
pub async fn answer(asked: &Asked<'_>, authority: &Authority, means: &Means) -> Result<Answer, String> {
    possible(asked, authority)?;
    let answer = put_up(asked, authority, means).await?;
    // The record of dns-persist-01 is not put up here: it is always looked at before the authority is asked to.
    if !authority.check && asked.kind != ChallengeKind::DnsPersist01 {
        return Ok(answer);
    }
    match tried(asked, &answer, authority, means).await {
        Ok(()) => Ok(answer),
        Err(reason) => {
            answer.take_down(authority).await;
            Err(reason)
        }
    }
}

/// Whether a challenge of this kind can be answered for that name at all.
fn possible(asked: &Asked<'_>, authority: &Authority) -> Result<(), String> {
    use ChallengeKind::{Dns01, DnsPersist01, Http01, TlsAlpn01};
    let wildcard = matches!(asked.identifier, Identifier::Dns(Name::Wildcard(_)));
    let address = matches!(asked.identifier, Identifier::Ip(_));
    let reason = match asked.kind {
        // RFC 8555 section 8.3, RFC 8737 section 3
        TlsAlpn01 | Http01 if wildcard => "not for wildcards",
        // RFC 8738 section 7
        Dns01 | DnsPersist01 if address => "not for addresses",
        Http01 if authority.http.is_empty() => "no address answers it (key \"http\")",
        Dns01 if authority.dns.is_none() => "nothing publishes records (key \"dns\")",
        _ => return Ok(()),
    };
    Err(reason.to_owned())
}

async fn put_up(asked: &Asked<'_>, authority: &Authority, means: &Means) -> Result<Answer, String> {
    Ok(match asked.kind {
        ChallengeKind::TlsAlpn01 => {
            let (challenges, digest) = (&means.challenges, &asked.digest);
            let answer = tls_alpn::Answer::put_up(challenges, asked.identifier, digest, ANOTHER).await?;
            let posted = posted(means, || answer.post()).await?;
            Answer::TlsAlpn(answer, posted)
        }
        ChallengeKind::Http01 => {
            let answer = http::Answer::put_up(&means.tokens, &asked.token, &asked.authorization)?;
            let (token, authorization) = (asked.token.clone(), asked.authorization.clone());
            Answer::Http(answer, posted(means, || Post::Http { token, authorization }).await?)
        }
        ChallengeKind::Dns01 => {
            Answer::Dns(dns::Answer::put_up(asked, authority, &means.lookup, means.monitor.clone()).await?)
        }
        // The record is there all the time.
        ChallengeKind::DnsPersist01 => Answer::Standing,
    })
}

/// Puts it up elsewhere, too.
async fn posted(means: &Means, post: impl FnOnce() -> Post) -> Result<Option<Posted>, String> {
    match &means.share {
        Some(share) => share.put_up(post()).await.map(Some),
        None => Ok(None),
    }
}

/// Whether the authority would find the answer, as far as that can be seen from here.
async fn tried(asked: &Asked<'_>, answer: &Answer, authority: &Authority, means: &Means) -> Result<(), String> {
    let (lookup, limit) = (&*means.lookup, authority.timeout);
    let found = match answer {
        Answer::TlsAlpn(answer, _) => {
            check::tls_alpn(lookup, asked.identifier, authority.tls_port, answer.certificate(), limit).await
        }
        Answer::Http(..) => {
            let (port, token, expected) = (authority.http_port, &asked.token, &asked.authorization);
            check::http(lookup, asked.identifier, port, token, expected, limit).await
        }
        Answer::Dns(answer) => match &authority.dns {
            Some(publisher) => check::dns(lookup, publisher, answer.name(), &asked.record, VISIBLE).await,
            None => Checked::Passed,
        },
        Answer::Standing => persist::tried(asked, lookup).await,
    };
    match found {
        Checked::Passed => Ok(()),
        // Behind a router, its own address may not lead back inside.
        Checked::Unreachable(reason) => {
            tracing::debug!(identifier = %asked.identifier, %reason, "a challenge cannot be tried from here");
            Ok(())
        }
        Checked::Wrong(reason) => Err(reason),
    }
}

impl Answer {
    /// Removes the answer. A record that stays behind harms nobody, so a failure is only logged.
    pub async fn take_down(self, authority: &Authority) {
        if let Self::Dns(answer) = self
            && let Err(reason) = answer.take_down(authority).await
        {
            tracing::warn!(authority = %authority.name, %reason, "a record of a challenge cannot be removed");
        }
    }
}

/// Until another order's challenge for the same name has ended. An authority looks within seconds.
const ANOTHER: Duration = Duration::from_secs(60);

/// Until a record is visible at all name servers of its zone.
const VISIBLE: Duration = Duration::from_secs(180);
