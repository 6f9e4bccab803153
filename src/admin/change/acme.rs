//! Asks the keeper for what an operator wants of the certificates that authorities issue: new ones, a revocation, another
//! account key. Must not know: how it is done, who may ask.

use std::collections::HashMap;
use std::time::Duration;

use hyper::StatusCode;
use serde_json::json;
use tokio::time::timeout;

use crate::acme::keeper::{Handle, Outcome, Refused, Which};
use crate::acme::reason::Reason;
use crate::admin::request::answer::Answer;
use crate::admin::view::acme;
use crate::words::Words;

/// Orders certificates now.
pub(in crate::admin) async fn renew(keeper: &Handle, body: &[u8]) -> Answer {
    let asked = fields(body, &["name", "authority", "key"], &[]).and_then(|mut fields| which(&mut fields));
    match asked {
        Ok(which) => outcomes(timeout(PATIENCE, keeper.renew(which)).await),
        Err(refusal) => refusal,
    }
}

/// Revokes certificates. The name is required, so that an empty body does not revoke everything.
pub(in crate::admin) async fn revoke(keeper: &Handle, body: &[u8]) -> Answer {
    let asked = fields(body, &["name", "authority", "key", "reason"], &["name"]).and_then(|mut fields| {
        let reason: Option<Reason> = word("reason", &mut fields)?;
        Ok((which(&mut fields)?, reason.map(Reason::code)))
    });
    match asked {
        Ok((which, reason)) => outcomes(timeout(PATIENCE, keeper.revoke(which, reason)).await),
        Err(refusal) => refusal,
    }
}

/// Replaces the key of the account with an authority.
pub(in crate::admin) async fn roll_over(keeper: &Handle, body: &[u8]) -> Answer {
    let authority = match fields(body, &["authority"], &["authority"]) {
        Ok(mut fields) => fields.remove("authority").unwrap_or_default(),
        Err(refusal) => return refusal,
    };
    match timeout(PATIENCE, keeper.rollover(&authority)).await {
        Ok(Ok(())) => Answer::ok(&json!({ "authority": authority })),
        Ok(Err(refused)) => refusal(&refused),
        Err(_) => under_way(),
    }
}

type Fields = HashMap<String, String>;

/// The fields of the body: some of `known`, all of `needed`, each a string.
fn fields(body: &[u8], known: &[&str], needed: &[&str]) -> Result<Fields, Answer> {
    let fields = serde_json::from_slice::<Fields>(body).ok();
    let fields = fields.filter(|fields| fields.keys().all(|key| known.contains(&&**key)));
    fields.filter(|fields| needed.iter().all(|key| fields.contains_key(*key))).ok_or_else(|| {
        let needed = if needed.is_empty() { String::new() } else { format!(", {} among them", needed.join(", ")) };
        let message = format!("unexpected body (expected JSON: strings under any of {}{needed})", known.join(", "));
        Answer::error(StatusCode::BAD_REQUEST, &message)
    })
}

/// The certificates that are meant. What is missing fits all.
fn which(fields: &mut Fields) -> Result<Which, Answer> {
    let key = word("key", fields)?;
    Ok(Which { name: fields.remove("name"), authority: fields.remove("authority"), key })
}

fn word<W: Words>(field: &str, fields: &mut Fields) -> Result<Option<W>, Answer> {
    let Some(found) = fields.remove(field) else { return Ok(None) };
    W::from_word(&found).map(Some).ok_or_else(|| {
        let message = format!("{field}: found {found:?}, expected {}", W::EXPECTED);
        Answer::error(StatusCode::BAD_REQUEST, &message)
    })
}

/// How the orders have ended, or that they have not.
fn outcomes(answered: Result<Result<Vec<Outcome>, Refused>, tokio::time::error::Elapsed>) -> Answer {
    let outcomes = match answered {
        Ok(Ok(outcomes)) => outcomes,
        Ok(Err(refused)) => return refusal(&refused),
        Err(_) => return under_way(),
    };
    let all_well = outcomes.iter().all(|outcome| outcome.result.is_ok());
    let shown: Vec<_> = outcomes.iter().map(shown).collect();
    match all_well {
        true => Answer::ok(&json!({ "finished": true, "certificates": shown })),
        false => Answer::json(
            StatusCode::BAD_GATEWAY,
            &json!({ "error": "not all of them succeeded", "finished": true, "certificates": shown }),
        ),
    }
}

fn shown(outcome: &Outcome) -> serde_json::Value {
    json!({
        "authority": outcome.wanted.authority,
        "names": outcome.wanted.identifiers.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "key": outcome.wanted.key.word(),
        "failure": outcome.result.as_ref().err().map(acme::failure),
    })
}

fn under_way() -> Answer {
    Answer::json(StatusCode::ACCEPTED, &json!({ "finished": false, "certificates": [] }))
}

fn refusal(refused: &Refused) -> Answer {
    let status = match refused {
        Refused::NoSuchCertificate(_) | Refused::NoSuchAuthority(_) => StatusCode::NOT_FOUND,
        Refused::Locked(_) | Refused::Led(_) | Refused::Nothing(_) => StatusCode::CONFLICT,
        Refused::Failed(_) => StatusCode::BAD_GATEWAY,
        Refused::Ended => StatusCode::SERVICE_UNAVAILABLE,
    };
    Answer::error(status, &refused.to_string())
}

/// How long to wait for orders: less than a connection to the admin server lives.
const PATIENCE: Duration = Duration::from_secs(50);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acme::settings::KeyKind;

    #[test]
    fn a_body_names_certificates_and_nothing_else() {
        let read =
            |body: &str| fields(body.as_bytes(), &["name", "authority", "key"], &[]).and_then(|mut f| which(&mut f));
        let (name, authority) = (Some("a.test".to_owned()), Some("inside".to_owned()));
        let all = r#"{"name":"a.test","authority":"inside","key":"rsa-2048"}"#;
        assert_eq!(read(all).unwrap(), Which { name, authority, key: Some(KeyKind::Rsa2048) });
        assert_eq!(read("{}").unwrap(), Which::default());
        let wrong = [
            "",
            "[]",
            "null",
            "{\"name\":null}",
            "{\"name\":[]}",
            "{\"names\":\"a.test\"}",
            "{\"key\":\"rsa\"}",
            "{} {}",
        ];
        for body in wrong {
            assert_eq!(read(body).unwrap_err().status, StatusCode::BAD_REQUEST, "{body}");
        }
        let refused = |body: &str| fields(body.as_bytes(), &["name", "reason"], &["name"]).is_err();
        assert!(refused("{}") && refused("{\"reason\":\"superseded\"}") && !refused("{\"name\":\"a.test\"}"));
    }

    #[test]
    fn a_reason_is_a_word() {
        let reason = |word: &str| self::word::<Reason>("reason", &mut Fields::from([("reason".into(), word.into())]));
        assert_eq!(reason("key-compromise").unwrap().map(Reason::code), Some(1));
        assert_eq!(reason("cessation-of-operation").unwrap().map(Reason::code), Some(5));
        assert_eq!(reason("2").unwrap_err().status, StatusCode::BAD_REQUEST);
    }
}
