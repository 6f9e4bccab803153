//! The certificates that authorities issue, and the authorities → JSON. Must not know: HTTP, how they are ordered.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::acme::status::{Failure, Next, OfAuthority, OfCertificate, Status};

/// Everything that is known.
pub(in crate::admin) fn acme(status: &Status) -> Value {
    json!({
        "authorities": status.authorities.iter().map(authority).collect::<Vec<_>>(),
        "certificates": status.certificates.iter().map(certificate).collect::<Vec<_>>(),
        "locked_by": status.locked_by,
        "ordered_here": status.locked_by.is_none() && !status.is_led,
        "leader": status.leader,
        "trouble": status.trouble,
    })
}

fn authority(of: &OfAuthority) -> Value {
    let count = |result: &str| of.renewals.get(result).copied().unwrap_or_default();
    json!({
        "name": of.authority.name,
        "directory": of.authority.directory,
        "account": of.account,
        "terms_of_service": of.terms,
        "requests": of.requests,
        "renewals": { "issued": count("issued"), "failed": count("failed") },
        "paused_until": of.paused_until.and_then(time),
    })
}

/// One certificate.
pub(in crate::admin) fn certificate(of: &OfCertificate) -> Value {
    json!({
        "authority": of.wanted.authority,
        "names": of.wanted.identifiers.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "key": of.wanted.key.word(),
        "folder": of.wanted.folder(),
        "state": of.state.word(),
        "issued_by": of.issued_by,
        "serial_number": of.serial,
        "not_before": of.not_before.and_then(time),
        "not_after": of.not_after.and_then(time),
        "next": of.next.and_then(next),
        "failures": of.failures,
        "last_failure": of.last_failure.as_ref().map(failure),
        "explanation_url": of.explanation,
    })
}

fn next(next: Next) -> Option<Value> {
    Some(json!({ "time": time(next.at)?, "reason": next.why.word() }))
}

/// An attempt that failed.
pub(in crate::admin) fn failure(failure: &Failure) -> Value {
    json!({
        "time": time(failure.at),
        "authority": failure.authority,
        "message": failure.message,
        "problem": failure.problem,
    })
}

/// `None` for a year that a calendar does not have.
fn time(seconds: i64) -> Option<String> {
    Timestamp::from_second(seconds).ok().map(|time| time.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::acme::settings::{Identifier, KeyKind, Wanted};
    use crate::acme::status::{State, Why};
    use crate::tls::certificate::name::Name;

    #[test]
    fn a_certificate_is_shown_with_what_is_known_and_null_for_what_is_not() {
        let wanted = Wanted {
            authority: "inside".into(),
            identifiers: [
                Identifier::Dns(Name::parse("*.a.test").unwrap()),
                Identifier::Ip("192.0.2.1".parse().unwrap()),
            ]
            .into(),
            key: KeyKind::Rsa2048,
        };
        let mut of = OfCertificate {
            wanted: Arc::new(wanted),
            state: State::Pending,
            issued_by: None,
            serial: None,
            not_before: None,
            not_after: None,
            next: None,
            failures: 0,
            last_failure: None,
            explanation: None,
        };
        let shown = certificate(&of);
        assert_eq!(shown["names"], json!(["*.a.test", "192.0.2.1"]));
        assert_eq!((&shown["state"], &shown["key"]), (&json!("pending"), &json!("rsa-2048")));
        assert!(shown["folder"].as_str().unwrap().starts_with("acme/inside/certificates/192.0.2.1-"), "{shown}");
        let unknown =
            ["issued_by", "serial_number", "not_before", "not_after", "next", "last_failure", "explanation_url"];
        assert!(unknown.iter().all(|key| shown[*key].is_null()), "{shown}");
        of.not_after = Some(86_400);
        of.next = Some(Next { at: 0, why: Why::Retry });
        let problem = Some(json!({ "type": "urn:ietf:params:acme:error:dns" }));
        of.last_failure = Some(Failure { at: i64::MAX, message: "m".into(), problem, authority: "other".into() });
        let shown = certificate(&of);
        assert_eq!(shown["not_after"], "1970-01-02T00:00:00Z");
        assert_eq!(shown["next"], json!({ "time": "1970-01-01T00:00:00Z", "reason": "retry" }));
        assert_eq!(shown["last_failure"]["problem"]["type"], "urn:ietf:params:acme:error:dns");
        assert!(shown["last_failure"]["time"].is_null(), "a time that no calendar has");
    }
}
