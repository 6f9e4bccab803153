//! The messages of etcd's JSON gateway: bytes in base64, 64-bit numbers as texts, what is zero or empty left out. Must not
//! know: what they are for.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes, as base64.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Blob(pub(super) Vec<u8>);

/// A number, as text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Int(pub(super) i64);

/// An identifier, as text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Uint(pub(super) u64);

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        // The text is not shown: it may be a value.
        STANDARD.decode(text.as_bytes()).map(Self).map_err(|_| D::Error::custom("a text that is not base64"))
    }
}

impl Serialize for Int {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}

/// Texts from etcd; numbers too, in case that another gateway writes them.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number<T> {
    Text(String),
    Plain(T),
}

impl<'de> Deserialize<'de> for Int {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match Number::deserialize(from)? {
            Number::Plain(number) => Ok(Self(number)),
            Number::Text(text) => text.parse().map(Self).map_err(D::Error::custom),
        }
    }
}

impl<'de> Deserialize<'de> for Uint {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match Number::deserialize(from)? {
            Number::Plain(number) => Ok(Self(number)),
            Number::Text(text) => text.parse().map(Self).map_err(D::Error::custom),
        }
    }
}

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
    pub(super) kvs: Vec<KeyValue>,
    pub(super) more: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct KeyValue {
    pub(super) key: Blob,
    pub(super) value: Blob,
    pub(super) mod_revision: Int,
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
    pub(super) responses: Vec<OperationResponse>,
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
    pub(super) cancel_reason: String,
    pub(super) events: Vec<Event>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Event {
    /// `DELETE`, or nothing.
    #[serde(rename = "type")]
    pub(super) kind: String,
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
    pub(super) message: String,
}

/// What is answered instead of what was asked for.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ErrorResponse {
    pub(super) code: u32,
    pub(super) message: String,
    /// A text, which is that of `message`, or the same as an object.
    pub(super) error: serde_json::Value,
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
    pub(super) version: String,
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
    pub(super) alarms: Vec<Alarm>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Alarm {
    #[serde(rename = "memberID")]
    pub(super) member: Uint,
    pub(super) alarm: String,
}

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
        assert!(!read.more && read.kvs[0].key.0 == b"k" && read.kvs[0].value.0.is_empty());

        for error in
            [r#"{"error":{"grpc_code":14,"message":"m"}}"#, r#"{"error":{"code":14,"message":"m","details":[]}}"#]
        {
            let Streamed::<WatchResponse>::Error(error) = serde_json::from_str(error).unwrap() else { panic!() };
            assert_eq!((error.grpc_code, error.message.as_str()), (14, "m"));
        }
        let wrong = serde_json::from_str::<RangeResponse>(r#"{"kvs":[{"value":"secret!"}]}"#).err().unwrap();
        assert!(!wrong.to_string().contains("secret"), "{wrong}");
    }
}
