//! Does what somebody asks a line for: renews, revokes, changes the account's key. Must not know: who asks, when certificates
//! are due.

use std::sync::Arc;

use super::asked::{Ask, Outcome};
use super::attempt;
use super::house::{House, Plan};
use super::one::One;
use crate::acme::account;
use crate::acme::account::roll_over::roll_over;
use crate::acme::memory;
use crate::acme::settings::{Authority, Wanted};
use crate::acme::status::{Failure, Why};
use crate::acme::trouble::Trouble;
use instant_acme::{RevocationReason, RevocationRequest};

/// Does it, and answers. Whoever asked may be gone.
pub(super) async fn serve(house: &House, plan: &Plan, line: &Arc<str>, all: &mut [One], ask: Ask) {
    match ask {
        Ask::Renew(which, asked, reply) => {
            let mut outcomes = Vec::new();
            for wanted in which {
                let result = match find(all, &wanted) {
                    Ok(one) => match one.ended_since(asked) {
                        Some(result) => result,
                        None => renew(house, plan, one).await,
                    },
                    Err(failure) => Err(failure),
                };
                outcomes.push(Outcome { wanted, result });
            }
            let _ = reply.send(outcomes);
        }
        Ask::Revoke(which, reason, reply) => {
            let mut outcomes = Vec::new();
            for wanted in which {
                let result = match find(all, &wanted) {
                    Ok(one) => revoke(house, plan, one, reason).await,
                    Err(failure) => Err(failure),
                };
                outcomes.push(Outcome { wanted, result });
            }
            let _ = reply.send(outcomes);
        }
        Ask::RollOver(reply) => {
            let _ = reply.send(change_key(house, plan, line).await.map_err(|trouble| trouble.message));
        }
    }
}

fn find<'a>(all: &'a mut [One], wanted: &Arc<Wanted>) -> Result<&'a mut One, Failure> {
    let gone = || failure(0, wanted, Trouble::new("it is no longer in the configuration"));
    all.iter_mut().find(|one| one.wanted == *wanted).ok_or_else(gone)
}

/// An operator may ask for it before the pause after a failure is over.
async fn renew(house: &House, plan: &Plan, one: &mut One) -> Result<(), Failure> {
    let Some(authority) = plan.authority(&one.wanted.authority).cloned() else {
        return Err(failure(house.now(), &one.wanted, Trouble::new("its authority is no longer in the configuration")));
    };
    attempt::make(house, plan, one, &authority, Why::Asked).await
}

async fn revoke(house: &House, plan: &Plan, one: &mut One, reason: Option<u8>) -> Result<(), Failure> {
    let now = house.now();
    match revoked(house, plan, one, reason).await {
        Ok(()) => {
            // It is served until there is another one, and that is ordered now.
            one.kept.revoked = true;
            one.kept.attempts(&one.wanted.authority).allow(now);
            if let Err(error) = memory::keep_certificate(&house.folder, &one.wanted, &one.kept) {
                tracing::warn!(wanted = %one.wanted, %error, "the state of a certificate cannot be written");
            }
            let serial = one.facts.as_ref().map(|facts| facts.serial.clone()).unwrap_or_default();
            tracing::info!(wanted = %one.wanted, %serial, "certificate revoked");
            Ok(())
        }
        Err(trouble) => Err(failure(now, &one.wanted, trouble)),
    }
}

async fn revoked(house: &House, plan: &Plan, one: &One, reason: Option<u8>) -> Result<(), Trouble> {
    let Some(facts) = &one.facts else { return Err(Trouble::new("there is no certificate yet")) };
    let reason = reason.map(reason_of).transpose()?;
    let issuer = one.kept.issued_by.as_deref().unwrap_or(&one.wanted.authority);
    let Some(authority) = plan.authority(issuer) else {
        return Err(Trouble::new(format!("the authority {issuer:?} that issued it is not in the configuration")));
    };
    let _turn = house.turn(&authority.name).await;
    let http = house.http(authority)?;
    let account = opened(house, authority, &http).await?;
    let request = RevocationRequest { certificate: &facts.der, reason };
    let done = account.library.revoke(&request).await.map_err(|error| Trouble::library(&error, http.last()));
    match done {
        // Somebody else was faster, and that is what was asked for.
        Err(trouble) if trouble.is("alreadyRevoked") => Ok(()),
        done => done,
    }
}

async fn opened(
    house: &House,
    authority: &Authority,
    http: &crate::acme::http::Http,
) -> Result<account::Account, Trouble> {
    let opened = account::open(http, authority, &house.folder, &house.tools.clock).await;
    house.look_at_account(authority);
    opened
}

async fn change_key(house: &House, plan: &Plan, name: &Arc<str>) -> Result<(), Trouble> {
    let Some(authority) = plan.authority(name) else {
        return Err(Trouble::new("the authority is no longer in the configuration"));
    };
    let _turn = house.turn(name).await;
    let http = house.http(authority)?;
    let done = roll_over(&http, authority, &house.folder).await;
    if let Err(trouble) = &done {
        tracing::warn!(authority = %name, reason = %trouble.message, "the key of the account was not changed");
    }
    done
}

fn failure(at: i64, wanted: &Wanted, trouble: Trouble) -> Failure {
    let trouble = trouble.bounded();
    Failure { at, message: trouble.message, problem: trouble.problem, authority: wanted.authority.to_string() }
}

/// RFC 5280 section 5.3.1
fn reason_of(code: u8) -> Result<RevocationReason, Trouble> {
    Ok(match code {
        0 => RevocationReason::Unspecified,
        1 => RevocationReason::KeyCompromise,
        3 => RevocationReason::AffiliationChanged,
        4 => RevocationReason::Superseded,
        5 => RevocationReason::CessationOfOperation,
        // The others are for authorities, or undo a revocation.
        _ => return Err(Trouble::new(format!("reason: found {code}, expected 0, 1, 3, 4 or 5"))),
    })
}
