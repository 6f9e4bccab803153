//! One attempt to get one certificate from one authority. That it begins is remembered before the authority is asked. Must not
//! know: when it is time, who asks for it.

use std::time::Duration;

use tokio::time::Instant;

use super::house::{House, Plan};
use super::one::One;
use crate::acme::account;
use crate::acme::http::Http;
use crate::acme::issued::Facts;
use crate::acme::memory;
use crate::acme::order;
use crate::acme::order::job::Job;
use crate::acme::schedule;
use crate::acme::settings::Authority;
use crate::acme::status::{Failure, Why};
use crate::acme::trouble::Trouble;
use crate::tls::certificate::x509;

/// Makes the attempt. Whatever comes of it, it is remembered and logged.
pub(super) async fn make(
    house: &House,
    plan: &Plan,
    one: &mut One,
    authority: &Authority,
    why: Why,
) -> Result<(), Failure> {
    let _turn = house.turn(&authority.name).await;
    let now = house.now();
    house.tools.board.ordering(one, now);
    let longest = schedule::longest_pause(one.lifetime(), now);
    one.kept.attempts(&authority.name).begin(now, fastrand::f64(), longest);
    let begun = memory::keep_certificate(&house.folder, &one.wanted, &one.kept).map_err(Trouble::new);
    tracing::debug!(wanted = %one.wanted, authority = %authority.name, why = why.word(), "certificate ordered");
    let result = match begun {
        Ok(()) => ordered(house, plan, one, authority).await,
        // What cannot be remembered is not begun: an authority's limits are not used up for what cannot be kept.
        Err(trouble) => Err(trouble),
    };
    house.look_at_account(authority);
    let result = match result {
        Ok(facts) => {
            succeed(house, one, authority, facts, why);
            Ok(())
        }
        Err(trouble) => Err(fail(house, one, authority, trouble)),
    };
    one.ended = Some((Instant::now(), result.clone()));
    result
}

async fn ordered(house: &House, plan: &Plan, one: &mut One, authority: &Authority) -> Result<Facts, Trouble> {
    let http = house.http(authority)?.until(Instant::now() + longest(one.wanted.identifiers.len()));
    match with_account(house, plan, one, authority, &http).await {
        // It is made again with the same key.
        Err(trouble) if trouble.is("accountDoesNotExist") => {
            account::forget(authority, &house.folder)?;
            with_account(house, plan, one, authority, &http).await
        }
        result => result,
    }
}

async fn with_account(
    house: &House,
    plan: &Plan,
    one: &mut One,
    authority: &Authority,
    http: &Http,
) -> Result<Facts, Trouble> {
    let clock = &house.tools.clock;
    let account = account::open(http, authority, &house.folder, clock).await?;
    let means = house.means(plan);
    let job = Job {
        wanted: &one.wanted,
        authority,
        account: &account,
        http,
        folder: &house.folder,
        means: &means,
        clock,
        current: one.facts.as_ref(),
    };
    order::run(&job, &mut one.kept).await
}

fn succeed(house: &House, one: &mut One, authority: &Authority, facts: Facts, why: Why) {
    let now = house.now();
    // An operator may ask for another as often as it is necessary: only what asks for itself must be slowed down.
    let expected = if why == Why::Asked { 0 } else { facts.lifetime.latest().saturating_sub(now) };
    one.kept.succeed(&authority.name, now, expected, fastrand::f64());
    one.facts = Some(facts);
    remember(house, one);
    // The certificate is there; a key that stays behind is only untidy.
    if let Err(error) = memory::forget_order_key(&house.folder, &one.wanted) {
        tracing::warn!(wanted = %one.wanted, %error, "the key of an order cannot be removed");
    }
    house.tools.board.of_authority(&authority.name, |shown| {
        *shown.renewals.entry("issued").or_default() += 1;
    });
    let until = one.lifetime().map(|lifetime| x509::rfc3339(lifetime.not_after)).unwrap_or_default();
    let next = x509::rfc3339(schedule::due(&one.kept.facts(one.lifetime()), now).at);
    tracing::info!(wanted = %one.wanted, authority = %authority.name, %until, %next, "certificate issued");
}

fn fail(house: &House, one: &mut One, authority: &Authority, trouble: Trouble) -> Failure {
    let now = house.now();
    let longest = schedule::longest_pause(one.lifetime(), now);
    one.kept.attempts(&authority.name).fail(now, fastrand::f64(), longest, trouble.retry_after);
    let trouble = trouble.bounded();
    let failure =
        Failure { at: now, message: trouble.message, problem: trouble.problem, authority: authority.name.to_string() };
    one.kept.fail(failure.clone());
    remember(house, one);
    house.tools.board.of_authority(&authority.name, |shown| {
        *shown.renewals.entry("failed").or_default() += 1;
    });
    let next = x509::rfc3339(one.kept.allowed_from(&authority.name, now));
    let (reason, failures) = (&failure.message, one.kept.failures);
    tracing::warn!(wanted = %one.wanted, authority = %authority.name, %reason, failures, %next, "no certificate issued");
    failure
}

fn remember(house: &House, one: &One) {
    if let Err(error) = memory::keep_certificate(&house.folder, &one.wanted, &one.kept) {
        tracing::warn!(wanted = %one.wanted, %error, "the state of a certificate cannot be written");
    }
}

/// How long an attempt may take: after that, nothing more is asked of the authority, what was put up is taken down, and the
/// order is taken up again later. An authority that answers everything slowly would otherwise keep the line of its certificates
/// from their turns and from their fallbacks. An order is polled for five minutes in each of its states; each name may wait for
/// one minute until another order's challenge ends, and for three until its record is visible everywhere.
fn longest(names: usize) -> Duration {
    FOR_ORDER + FOR_NAME * u32::try_from(names).unwrap_or(u32::MAX)
}

const FOR_ORDER: Duration = Duration::from_secs(3600);
const FOR_NAME: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_for_many_names_may_take_longer() {
        let minutes = |names| longest(names).as_secs() / 60;
        assert_eq!([minutes(1), minutes(100)], [65, 560]);
    }
}
