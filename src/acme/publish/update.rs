//! Updates of a zone (RFC 2136), signed with TSIG (RFC 8945), over TCP. Must not know: what is published.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hickory_resolver::proto::op::{Message, update_message};
use hickory_resolver::proto::rr::rdata::TXT;
use hickory_resolver::proto::rr::rdata::tsig::TsigAlgorithm as Wire;
use hickory_resolver::proto::rr::{Name, RData, Record, TSigner};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::acme::publish::key;
use crate::acme::settings::{Tsig, TsigAlgorithm, Update};
use crate::files;

mod answer;

use answer::Sent;

/// What is done with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Add,
    Remove,
}

/// Adds a TXT record, or removes exactly this one. Success means that the server has confirmed it, with its signature where
/// there is a key.
pub(super) async fn send(
    update: &Update,
    change: Change,
    fqdn: &str,
    value: &str,
    limit: Duration,
) -> Result<(), String> {
    let mut message = written(update, change, fqdn, value)?;
    let signer = update.tsig.as_ref().map(signer).transpose()?;
    let now = now();
    let signed = signer.as_ref().map(|signer| message.finalize(signer, now)).transpose();
    let verifier = signed.map_err(|error| format!("the update cannot be signed: {error}"))?.flatten();
    let bytes = message.to_vec().map_err(|error| format!("the update cannot be written: {error}"))?;
    let at = |error: String| format!("dns.server {}: {error}", update.server);
    let exchanged = timeout(limit, exchange(update.server, &bytes)).await;
    let answer = exchanged.map_err(|_| at("no answer to the update in time".into()))?;
    let answer = answer.map_err(|error| at(trouble(&error)))?;
    answer::judge(&answer, Sent { update, fqdn, id: message.id, now, verifier }).map_err(at)
}

fn written(update: &Update, change: Change, fqdn: &str, value: &str) -> Result<Message, String> {
    let (zone, name) = (absolute("dns.zone", &update.zone)?, absolute("the record's name", fqdn)?);
    if !zone.zone_of(&name) {
        return Err(format!(
            "dns.zone: found {:?}, expected a zone that contains {fqdn}, where the record belongs",
            update.zone
        ));
    }
    let record = Record::from_rdata(name, TTL, RData::TXT(TXT::new(vec![value.to_owned()])));
    Ok(match change {
        // `false`: without a condition, and without EDNS, which an update does not need.
        Change::Add => update_message::append(record.into(), zone, false, false),
        Change::Remove => update_message::delete_by_rdata(record.into(), zone, false),
    })
}

fn absolute(what: &str, name: &str) -> Result<Name, String> {
    let mut parsed =
        Name::from_str_relaxed(name).map_err(|error| format!("{what}: {name:?} is not a DNS name: {error}"))?;
    parsed.set_fqdn(true);
    Ok(parsed)
}

fn signer(tsig: &Tsig) -> Result<TSigner, String> {
    let at = |error: String| format!("dns.tsig_key_file {:?}: {error}", tsig.key_file.display());
    let file = files::read_secret(&tsig.key_file).map_err(|error| at(files::reason(&error)))?;
    let key = key::parse(&file.text, &tsig.name).map_err(at)?;
    let algorithm = match key.algorithm.unwrap_or(tsig.algorithm) {
        TsigAlgorithm::HmacSha256 => Wire::HmacSha256,
        TsigAlgorithm::HmacSha384 => Wire::HmacSha384,
        TsigAlgorithm::HmacSha512 => Wire::HmacSha512,
    };
    let name = absolute("dns.tsig_name", &tsig.name)?;
    // The library keeps a copy, and does not wipe it.
    TSigner::new(key.secret.to_vec(), algorithm, name, FUDGE).map_err(|error| at(error.to_string()))
}

/// One message over TCP (RFC 7766 section 8).
async fn exchange(server: SocketAddr, message: &[u8]) -> io::Result<Vec<u8>> {
    let too_long = |_| io::Error::from(ErrorKind::InvalidInput);
    let length = u16::try_from(message.len()).map_err(too_long)?;
    let mut stream = TcpStream::connect(server).await?;
    // One write, since some servers expect the length and the message in one segment.
    stream.write_all(&[&length.to_be_bytes(), message].concat()).await?;
    let length = usize::from(stream.read_u16().await?);
    if length > MOST_ANSWER {
        return Err(io::Error::new(
            ErrorKind::InvalidData,
            format!("an answer of {length} bytes, expected at most {MOST_ANSWER}"),
        ));
    }
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

fn trouble(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::ConnectionRefused => "connection refused: nothing listens there for DNS over TCP".into(),
        ErrorKind::UnexpectedEof => "it closed the connection without an answer to the update".into(),
        _ => error.to_string(),
    }
}

/// Seconds since 1970. Before 1970 no signature is valid, whatever the number is.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Seconds. The record is needed for minutes; a longer TTL would only keep old values in caches.
const TTL: u32 = 60;

/// Seconds by which the clocks may differ (RFC 8945 section 10 recommends 300).
const FUDGE: u16 = 300;

/// In bytes. An answer repeats at most the update, and has a signature.
const MOST_ANSWER: usize = 4096;
