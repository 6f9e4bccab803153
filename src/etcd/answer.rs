//! The bytes of a member's answer → the answer, or why it is none of etcd's. Pure. Must not know: what was asked for, whom.

use serde::de::DeserializeOwned;

use super::message::{Header, LeaseResponse, PlainResponse, RangeResponse, Streamed, TxnResponse};
use crate::fleet::store::{Revision, Written};

/// An answer that tells how new it is.
pub(super) trait Answered: DeserializeOwned {
    /// Whether it contains all that was done before it was asked for.
    const IS_CURRENT: bool;

    fn header(&self) -> &Header;

    /// Whether it has what every answer of etcd's of its kind has.
    fn is_whole(&self) -> bool {
        !Self::IS_CURRENT || self.header().cluster_id.0 != 0 && self.header().revision.0 > 0
    }
}

/// Reads an answer.
pub(super) fn read<A: Answered>(body: &[u8]) -> Result<A, String> {
    let answer: A = serde_json::from_slice(body).map_err(|_| FOREIGN.to_owned())?;
    plausible(answer.header())?;
    if !answer.is_whole() {
        return Err(FOREIGN.into());
    }
    Ok(answer)
}

/// Reads an answer that is a stream of one message.
pub(super) fn streamed<A: Answered>(body: &[u8]) -> Result<A, String> {
    let line = body.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let Ok(Streamed::Result(answer)) = serde_json::from_slice::<Streamed<A>>(line) else { return Err(FOREIGN.into()) };
    plausible(answer.header())?;
    Ok(answer)
}

/// What has become of a transaction. What is not certainly etcd's answer to one is an error, and says nothing about it.
pub(super) fn written(body: &[u8]) -> Result<(Written, Header), String> {
    let TxnResponse { header, succeeded, .. } = read(body)?;
    Ok((if succeeded { Written::Done(header.revision.0) } else { Written::Refused }, header))
}

/// Revisions are counted from 1, one for each change; 0 where an answer has none.
pub(super) fn plausible(header: &Header) -> Result<(), String> {
    match header.revision.0 {
        0..=LAST_REVISION => Ok(()),
        found => Err(format!("found the revision {found}, expected one from 1 to {LAST_REVISION}")),
    }
}

impl Answered for RangeResponse {
    const IS_CURRENT: bool = true;

    fn header(&self) -> &Header {
        &self.header
    }
}

impl Answered for TxnResponse {
    const IS_CURRENT: bool = true;

    fn header(&self) -> &Header {
        &self.header
    }
}

impl Answered for PlainResponse {
    const IS_CURRENT: bool = false;

    fn header(&self) -> &Header {
        &self.header
    }
}

/// The renewal of a lease does not wait for what a member has not caught up with.
impl Answered for LeaseResponse {
    const IS_CURRENT: bool = false;

    fn header(&self) -> &Header {
        &self.header
    }

    fn is_whole(&self) -> bool {
        self.lease.0 != 0
    }
}

const FOREIGN: &str = "found an answer that is not etcd's";

/// With a million changes in each second it takes 146,000 years. What follows can be counted without an overflow.
const LAST_REVISION: Revision = 1 << 62;

#[cfg(test)]
mod tests {
    use super::*;

    fn header(revision: &str) -> String {
        format!(r#""header":{{"cluster_id":"7","member_id":"1","revision":"{revision}"}}"#)
    }

    #[test]
    fn an_answer_without_a_cluster_and_a_revision_says_nothing_about_a_transaction() {
        let of = |text: &str| written(text.as_bytes()).map(|(written, _)| written).ok();
        assert_eq!(of(&format!(r#"{{{},"succeeded":true}}"#, header("5"))), Some(Written::Done(5)));
        assert_eq!(of(&format!(r"{{{}}}", header("5"))), Some(Written::Refused));
        let none = r#"{"header":{"revision":"5"},"succeeded":true}"#;
        for text in ["{}", "", "[]", r#"{"header":{"cluster_id":"7"}}"#, none] {
            assert_eq!(of(text), None, "{text}");
        }
        for revision in ["-1", "0", "9223372036854775807"] {
            assert_eq!(of(&format!(r"{{{}}}", header(revision))), None);
        }
    }

    #[test]
    fn absurd_revisions_are_refused() {
        for revision in ["-1", "9223372036854775807"] {
            let text = format!(r"{{{}}}", header(revision));
            for error in [
                read::<RangeResponse>(text.as_bytes()).err().unwrap(),
                read::<PlainResponse>(text.as_bytes()).err().unwrap(),
                streamed::<LeaseResponse>(format!(r#"{{"result":{text}}}"#).as_bytes()).err().unwrap(),
            ] {
                assert!(error.contains(&format!("found the revision {revision}, expected")), "{error}");
            }
        }
        assert!(read::<RangeResponse>(b"{}").is_err() && read::<PlainResponse>(b"{}").is_ok());
    }
}
