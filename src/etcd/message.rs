//! The messages of etcd's JSON gateway: bytes in base64, 64-bit numbers as texts, what is zero or empty left out. Must not
//! know: what they are for.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::value::{Blob, Few, Int, Uint, Words};

/// Of every answer.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub(super) struct Header {
    pub(super) cluster_id: Uint,
    pub(super) member_id: Uint,
    pub(super) revision: Int,
}

#[derive(Clone, Default, Serialize)]
pub(super) struct RangeRequest {
    pub(super) key: Blob,
    /// Empty: only `key`.
    pub(super) range_end: Blob,
    pub(super) limit: Int,
    pub(super) revision: Int,
    pub(super) min_mod_revision: Int,
    pub(super) keys_only: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RangeResponse {
    pub(super) header: Header,
    pub(super) kvs: Few<KeyValue, MOST_KEYS>,
    pub(super) more: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct KeyValue {
    pub(super) key: Blob,
    pub(super) value: Blob,
    pub(super) mod_revision: Int,
    /// 0: none.
    pub(super) lease: Int,
}

#[derive(Default, Serialize)]
pub(super) struct TxnRequest {
    pub(super) compare: Vec<Compare>,
    pub(super) success: Vec<Operation>,
}

/// That the last change of a key was this one.
#[derive(Serialize)]
pub(super) struct Compare {
    pub(super) target: &'static str,
    pub(super) result: &'static str,
    pub(super) key: Blob,
    pub(super) mod_revision: Int,
}

#[derive(Serialize)]
pub(super) enum Operation {
    #[serde(rename = "request_range")]
    Range(RangeRequest),
    #[serde(rename = "request_put")]
    Put(PutRequest),
    #[serde(rename = "request_delete_range")]
    Delete(DeleteRequest),
}

#[derive(Serialize)]
pub(super) struct PutRequest {
    pub(super) key: Blob,
    pub(super) value: Blob,
    pub(super) lease: Int,
}

#[derive(Serialize)]
pub(super) struct DeleteRequest {
    pub(super) key: Blob,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct TxnResponse {
    pub(super) header: Header,
    pub(super) succeeded: bool,
    pub(super) responses: Few<OperationResponse, MOST_OPERATIONS>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct OperationResponse {
    pub(super) response_range: RangeResponse,
}

/// An answer of which only the header counts.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct PlainResponse {
    pub(super) header: Header,
}

#[derive(Serialize)]
pub(super) struct GrantRequest {
    #[serde(rename = "TTL")]
    pub(super) seconds: Int,
}

#[derive(Serialize)]
pub(super) struct LeaseRequest {
    #[serde(rename = "ID")]
    pub(super) lease: Int,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct LeaseResponse {
    pub(super) header: Header,
    #[serde(rename = "ID")]
    pub(super) lease: Int,
    /// 0: it has ended.
    #[serde(rename = "TTL")]
    pub(super) seconds: Int,
}

#[derive(Serialize)]
pub(super) struct WatchRequest {
    pub(super) create_request: WatchCreate,
}

#[derive(Serialize)]
pub(super) struct WatchCreate {
    pub(super) key: Blob,
    pub(super) range_end: Blob,
    pub(super) start_revision: Int,
    pub(super) progress_notify: bool,
    pub(super) fragment: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct WatchResponse {
    pub(super) header: Header,
    pub(super) created: bool,
    pub(super) canceled: bool,
    pub(super) compact_revision: Int,
    pub(super) cancel_reason: Words,
    pub(super) events: Few<Event, MOST_EVENTS>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Event {
    /// `DELETE`, or nothing.
    #[serde(rename = "type")]
    pub(super) kind: Words,
    pub(super) kv: KeyValue,
}

/// One message of a stream.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Streamed<T> {
    Result(T),
    Error(Failure),
}

/// What a stream ends with.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Failure {
    #[serde(alias = "code")]
    pub(super) grpc_code: u32,
    pub(super) message: Words,
}

impl Failure {
    /// Its text, which an error can lack.
    pub(super) fn reason(&self) -> &str {
        if self.message.0.is_empty() { NO_REASON } else { &self.message.0 }
    }
}

/// For an error without a text.
pub(super) const NO_REASON: &str = "no reason given";

/// What is answered instead of what was asked for.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ErrorResponse {
    pub(super) code: u32,
    pub(super) message: Words,
    pub(super) error: Inner,
}

/// A text, which is that of the answer's `message`, or the same as an object.
#[derive(Default)]
pub(super) struct Inner(pub(super) Failure);

impl<'de> Deserialize<'de> for Inner {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(TextOrObject).map(Self)
    }
}

struct TextOrObject;

impl<'de> Visitor<'de> for TextOrObject {
    type Value = Failure;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or an object")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Failure, E> {
        Ok(Failure { grpc_code: 0, message: Words::of(text) })
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Failure, A::Error> {
        Failure::deserialize(MapAccessDeserializer::new(object))
    }
}

#[derive(Serialize)]
pub(super) struct AuthenticateRequest<'a> {
    pub(super) name: &'a str,
    pub(super) password: &'a str,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct AuthenticateResponse {
    pub(super) token: String,
}

#[derive(Serialize)]
pub(super) struct Empty {}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct StatusResponse {
    pub(super) header: Header,
    pub(super) version: Words,
    #[serde(rename = "dbSize")]
    pub(super) size: Int,
    pub(super) leader: Uint,
}

#[derive(Serialize)]
pub(super) struct AlarmRequest {
    pub(super) action: &'static str,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct AlarmResponse {
    pub(super) alarms: Few<Alarm, MOST_ALARMS>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Alarm {
    #[serde(rename = "memberID")]
    pub(super) member: Uint,
    pub(super) alarm: Words,
}

/// Of an answer: it is asked for no more.
pub(super) const MOST_KEYS: usize = 1_000;

/// etcd's limit for the operations of a transaction (`--max-txn-ops`).
pub(super) const MOST_OPERATIONS: usize = 128;

/// Of one message. etcd cuts messages at 1.5 MiB if it is asked to, and an event has 30 bytes at least.
const MOST_EVENTS: usize = 65_536;

/// There are two kinds of them, for each member.
const MOST_ALARMS: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_what_the_gateway_reads_and_writes() {
        let put = PutRequest { key: Blob(b"k".to_vec()), value: Blob(vec![0, 255]), lease: Int(i64::MAX) };
        let text = serde_json::to_string(&Operation::Put(put)).unwrap();
        assert_eq!(text, r#"{"request_put":{"key":"aw==","value":"AP8=","lease":"9223372036854775807"}}"#);

        let text = r#"{"header":{"cluster_id":"18446744073709551615","revision":"-1","raft_term":"2"},
            "kvs":[{"key":"aw==","version":"3"}],"count":"1"}"#;
        let read: RangeResponse = serde_json::from_str(text).unwrap();
        assert_eq!((read.header.cluster_id, read.header.revision), (Uint(u64::MAX), Int(-1)));
        assert!(!read.more && read.kvs.0[0].key.0 == b"k" && read.kvs.0[0].value.0.is_empty());

        for error in
            [r#"{"error":{"grpc_code":14,"message":"m"}}"#, r#"{"error":{"code":14,"message":"m","details":[]}}"#]
        {
            let Streamed::<WatchResponse>::Error(error) = serde_json::from_str(error).unwrap() else { panic!() };
            assert_eq!((error.grpc_code, error.message.0.as_str()), (14, "m"));
        }
        let wrong = serde_json::from_str::<RangeResponse>(r#"{"kvs":[{"value":"secret!"}]}"#).err().unwrap();
        assert!(!wrong.to_string().contains("secret"), "{wrong}");
    }
}
