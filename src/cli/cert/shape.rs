//! Certificates → the JSON of `tlsgate cert`. Must not know: where they come from.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cli::cert::shown::Shown;
use crate::tls::certificate::chain::{Chain, End};
use crate::tls::certificate::inspect::Facts;
use crate::tls::certificate::inventory::Key;
use crate::tls::certificate::x509::rfc3339;
use crate::tls::crypto::Verified;

pub(super) fn shown(shown: &Shown, now: i64) -> Value {
    let mut value = facts(shown.item.leaf(), now);
    let more = json!({
        "path": shown.path,
        "listener": shown.served.as_ref().and_then(|served| served.listener.as_ref()),
        "served_names": shown.served.as_ref().map(|served| &served.names),
        "private_key": key(&shown.item.key),
        "not_read": shown.item.unread.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "chain": chain(&shown.item.chain, &shown.item.facts, now),
    });
    if let (Some(value), Value::Object(more)) = (value.as_object_mut(), more) {
        value.extend(more);
    }
    value
}

fn facts(facts: &Facts, now: i64) -> Value {
    let (scts, fault) = match &facts.scts {
        Ok(scts) => (scts.as_slice(), None),
        Err(error) => (&[][..], Some(error.to_string())),
    };
    json!({
        "names": facts.names,
        "subject": facts.subject,
        "issuer": facts.issuer,
        "key_type": facts.key,
        "key_bits": facts.key_bits,
        "signature_algorithm": facts.signature,
        "not_before": rfc3339(facts.not_before),
        "not_after": rfc3339(facts.not_after),
        "days_left": facts.days_left(now),
        "valid": facts.is_valid_at(now),
        "serial_number": facts.serial,
        "sha256": hex(&facts.sha256),
        "spki_sha256": hex(&facts.spki_sha256),
        "is_ca": facts.is_ca,
        "issuer_urls": facts.issuer_urls,
        "scts": scts
            .iter()
            .map(|sct| json!({ "log_id": hex(&sct.log), "timestamp": milliseconds(sct.timestamp) }))
            .collect::<Vec<_>>(),
        "scts_error": fault,
    })
}

fn chain(chain: &Chain, all: &[Facts], now: i64) -> Value {
    let issuers = chain.order.iter().skip(1).zip(&chain.links).map(|(at, link)| {
        let mut value = facts(&all[*at], now);
        if let Some(value) = value.as_object_mut() {
            value.insert("verifies_previous".into(), verified(*link));
        }
        value
    });
    json!({
        "length": chain.order.len(),
        "in_order": chain.in_order,
        "to_other_roots": chain.others.iter().map(|at| &all[*at].subject).collect::<Vec<_>>(),
        "not_part_of_it": chain.strangers.iter().map(|at| &all[*at].subject).collect::<Vec<_>>(),
        "end": match chain.end {
            End::SelfSigned => "self_signed",
            End::Root => "root_included",
            End::Anchored(_) => "complete",
            End::Open => "open",
        },
        "issuers": issuers.collect::<Vec<_>>(),
    })
}

fn key(key: &Key) -> Value {
    match key {
        Key::None => json!({ "found": false }),
        Key::Matches(path) => json!({ "found": true, "path": path.display().to_string(), "matches": true }),
        Key::Strange(path) => json!({ "found": true, "path": path.display().to_string(), "matches": false }),
        Key::Unusable(path, reason) => {
            json!({ "found": true, "path": path.display().to_string(), "matches": null, "error": reason })
        }
    }
}

/// `null` where the algorithm is not one that is verified here.
fn verified(verified: Verified) -> Value {
    match verified {
        Verified::Yes => json!(true),
        Verified::No => json!(false),
        Verified::Unknown => Value::Null,
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn milliseconds(since_1970: u64) -> Option<String> {
    // The unit of an SCT's timestamp (RFC 6962 section 3.2). It may be out of range, since anyone can write one.
    i64::try_from(since_1970)
        .ok()
        .and_then(|since| Timestamp::from_millisecond(since).ok())
        .map(|time| time.to_string())
}
