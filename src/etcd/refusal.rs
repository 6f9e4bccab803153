//! What an answer of etcd that is an error means, in words, and whether something may have been done. Pure.
//!
//! The codes are those of gRPC; etcd's own texts are needed where it has one code for several things.

use super::message::{ErrorResponse, NO_REASON, Streamed};

/// What follows from an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing was done, and no member will do it.
    Refused(String),
    /// The same: the database is full.
    NoSpace(String),
    LeaseEnded,
    /// What was asked for is of a revision that is gone.
    Compacted(String),
    /// Nothing was done: the token is not known, or is not known any more.
    Token(String),
    /// Nothing was done here, and another member may do it.
    Elsewhere(String),
    /// The same: what answers there is no etcd.
    Foreign(String),
    /// It may have been done, or may still be.
    Unclear(String),
}

/// Judges an answer whose status is not one of success.
pub(super) fn of_answer(status: u16, body: &[u8]) -> Verdict {
    let Ok(error) = serde_json::from_slice::<ErrorResponse>(body) else {
        let why = format!("found the status {status}, expected an answer of etcd 3.4 or newer (its gateway for JSON)");
        return if status < 500 { Verdict::Foreign(why) } else { Verdict::Unclear(why) };
    };
    let inner = error.error.0;
    let text = if error.message.0.is_empty() { inner.reason() } else { &error.message.0 };
    of(if error.code == 0 { inner.grpc_code } else { error.code }, text)
}

/// The error in an answer that is a stream of one message.
pub(super) fn of_stream(body: &[u8]) -> Option<Verdict> {
    let line = body.split(|byte| *byte == b'\n').next().unwrap_or_default();
    match serde_json::from_slice::<Streamed<serde::de::IgnoredAny>>(line) {
        Ok(Streamed::Error(error)) => Some(of(error.grpc_code, error.reason())),
        Ok(Streamed::Result(_)) | Err(_) => None,
    }
}

/// Judges an error by its code and text.
pub(super) fn of(code: u32, text: &str) -> Verdict {
    let has = |part: &str| text.contains(part);
    let text = text.strip_prefix("etcdserver: ").unwrap_or(text);
    let text = if text.is_empty() { NO_REASON } else { text }.to_owned();
    if code == 16 || has("invalid auth token") || has("revision of auth store is old") || has("user name is empty") {
        return Verdict::Token(text);
    }
    match code {
        _ if has("database space exceeded") => Verdict::NoSpace(
            "its database is full (alarm NOSPACE): expected it to be compacted and defragmented, and the alarm disarmed".into(),
        ),
        _ if has("lease not found") => Verdict::LeaseEnded,
        _ if has("has been compacted") => Verdict::Compacted(text),
        _ if has("no leader") || has("too many requests") || has("proposal dropped") || has("rpc not supported for learner") => {
            Verdict::Elsewhere(text)
        }
        7 => Verdict::Refused("permission denied: expected a user with the right to this".into()),
        3 if has("authentication failed") => Verdict::Refused("found a wrong user or password".into()),
        // InvalidArgument, NotFound, AlreadyExists, PermissionDenied, ResourceExhausted, FailedPrecondition, OutOfRange,
        // Unimplemented
        3 | 5..=9 | 11 | 12 => Verdict::Refused(text),
        _ => Verdict::Unclear(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_both_forms_are_understood() {
        let old = br#"{"error":"etcdserver: permission denied","message":"etcdserver: permission denied","code":7}"#;
        let new = br#"{"code":7,"message":"etcdserver: permission denied","details":[]}"#;
        for body in [&old[..], new] {
            assert!(matches!(of_answer(403, body), Verdict::Refused(why) if why.starts_with("permission denied")));
        }
        let streamed = br#"{"error":{"grpc_code":14,"http_code":503,"message":"etcdserver: no leader"}}"#;
        assert_eq!(of_stream(streamed), Some(Verdict::Elsewhere("no leader".into())));
        let silent = [
            r#"{"error":{"grpc_code":14}}"#,
            r#"{"error":{"grpc_code":14,"message":"etcdserver: "}}"#,
            r#"{"error":{}}"#,
        ];
        for body in silent.map(str::as_bytes) {
            assert_eq!(of_stream(body), Some(Verdict::Unclear("no reason given".into())));
            assert_eq!(of_answer(503, body), Verdict::Unclear("no reason given".into()));
        }
        assert_eq!(of_stream(b"{\"result\":{\"ID\":\"1\"}}\n"), None);
        assert!(matches!(of_answer(404, b"<html>"), Verdict::Foreign(_)));
        assert!(matches!(of_answer(400, br#"{"error":[0,0]}"#), Verdict::Foreign(why) if why.contains("status 400")));
        let inner = br#"{"error":{"grpc_code":14,"message":"etcdserver: no leader"}}"#;
        assert_eq!(of_answer(503, inner), Verdict::Elsewhere("no leader".into()));
        let long = format!(r#"{{"code":3,"message":"\u001b[2J{}"}}"#, "A".repeat(50_000));
        let Verdict::Refused(why) = of_answer(400, long.as_bytes()) else { panic!() };
        assert!(why.len() < 400 && !why.contains('\u{1b}'), "{why}");
        assert!(matches!(of_answer(502, b""), Verdict::Unclear(_)));
    }

    #[test]
    fn what_may_have_been_done_is_told_from_what_was_not() {
        assert!(matches!(of(14, "etcdserver: request timed out"), Verdict::Unclear(_)));
        assert!(matches!(of(14, "etcdserver: leader changed"), Verdict::Unclear(_)));
        assert!(matches!(of(2, "something"), Verdict::Unclear(_)));
        assert!(matches!(of(14, "etcdserver: no leader"), Verdict::Elsewhere(_)));
        assert!(matches!(of(8, "etcdserver: mvcc: database space exceeded"), Verdict::NoSpace(_)));
        assert!(matches!(of(3, "etcdserver: request is too large"), Verdict::Refused(_)));
        assert_eq!(of(5, "etcdserver: requested lease not found"), Verdict::LeaseEnded);
        assert!(matches!(of(16, "etcdserver: invalid auth token"), Verdict::Token(_)));
        assert!(matches!(of(3, "etcdserver: user name is empty"), Verdict::Token(_)));
        assert!(matches!(of(11, "etcdserver: mvcc: required revision has been compacted"), Verdict::Compacted(_)));
    }
}
