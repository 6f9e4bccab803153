//! A check over LDAP (RFC 4511): a simple bind, or the root entry without one; StartTLS before it. Must not know: whether
//! TLS lies below.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::backend::health::ber::{self, BerError, element, number};
use crate::backend::health::{CheckError, Ldap, Password};

/// Binds, or reads the root entry (RFC 4512 section 5.1), and says goodbye.
pub(super) async fn ask<S: AsyncRead + AsyncWrite + Unpin>(stream: S, ldap: &Ldap) -> Result<(), CheckError> {
    let mut stream = stream;
    let mut received = Vec::new();
    match &ldap.bind {
        Some((dn, password)) => {
            send(&mut stream, &bind(dn, password)).await?;
            let (tag, answer) = receive(&mut stream, &mut received).await?;
            expect(tag == BIND_RESPONSE, "is no answer to a bind")?;
            succeeded("bind", &answer)?;
        }
        None => {
            send(&mut stream, &root_entry()).await?;
            let (tag, answer) = receive(&mut stream, &mut received).await?;
            if tag == SEARCH_DONE {
                succeeded("search for the root entry", &answer)?;
            }
            expect(tag == SEARCH_ENTRY, "is not the root entry")?;
            let (tag, answer) = receive(&mut stream, &mut received).await?;
            expect(tag == SEARCH_DONE, "is not the end of a search")?;
            succeeded("search for the root entry", &answer)?;
        }
    }
    // Whether it arrives does not matter any more.
    let _ = send(&mut stream, &element(UNBIND, &[])).await;
    Ok(())
}

/// Asks for TLS (RFC 4511 section 4.14). On success, what comes next is the handshake.
pub(super) async fn start_tls<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> Result<(), CheckError> {
    send(stream, &element(EXTENDED_REQUEST, &element(0x80, START_TLS))).await?;
    let mut received = Vec::new();
    let (tag, answer) = receive(stream, &mut received).await?;
    expect(tag == EXTENDED_RESPONSE, "is no answer to StartTLS")?;
    succeeded("StartTLS", &answer)?;
    // Clear text that was slipped in before the handshake must not be taken for what comes after it.
    expect(received.is_empty(), "goes on in clear text after StartTLS")
}

fn bind(dn: &str, password: &Password) -> Vec<u8> {
    let fields = [number(INTEGER, 3), element(OCTETS, dn.as_bytes()), element(0x80, &password.0)];
    element(BIND_REQUEST, &fields.concat())
}

/// For an attribute that every server has.
fn root_entry() -> Vec<u8> {
    let fields = [
        element(OCTETS, b""),
        // The base object alone; no alias is followed; one entry, no limit of time; values too.
        number(ENUMERATED, 0),
        number(ENUMERATED, 0),
        number(INTEGER, 1),
        number(INTEGER, 0),
        element(BOOLEAN, &[0]),
        element(PRESENT, b"objectClass"),
        element(SEQUENCE, &element(OCTETS, b"supportedLDAPVersion")),
    ];
    element(SEARCH_REQUEST, &fields.concat())
}

async fn send<S: AsyncWrite + Unpin>(stream: &mut S, operation: &[u8]) -> Result<(), CheckError> {
    let message = element(SEQUENCE, &[&number(INTEGER, MESSAGE_ID), operation].concat());
    let sent = async {
        stream.write_all(&message).await?;
        stream.flush().await
    };
    sent.await.map_err(|error| CheckError::Answer(error.to_string()))
}

/// The next message's operation: its tag and its fields. `received` holds what has come beyond it.
async fn receive<S: AsyncRead + Unpin>(stream: &mut S, received: &mut Vec<u8>) -> Result<(u8, Vec<u8>), CheckError> {
    loop {
        if let Some(whole) = ber::length(received).map_err(malformed)?
            && whole <= received.len()
        {
            let message: Vec<u8> = received.drain(..whole).collect();
            return operation(&message);
        }
        match stream.read_buf(received).await {
            Ok(0) => return Err(CheckError::Answer("closed without an answer".into())),
            Ok(_) => {}
            Err(error) => return Err(CheckError::Answer(error.to_string())),
        }
    }
}

fn operation(message: &[u8]) -> Result<(u8, Vec<u8>), CheckError> {
    let (tag, message, _) = ber::first(message).map_err(malformed)?;
    expect(tag == SEQUENCE, "is no LDAP message")?;
    let (tag, id, rest) = ber::first(message).map_err(malformed)?;
    let id = ber::to_number(id).filter(|_| tag == INTEGER);
    let (tag, operation, _) = ber::first(rest).map_err(malformed)?;
    match id {
        Some(MESSAGE_ID) => Ok((tag, operation.to_vec())),
        // Section 4.4.1: the server says that it is about to close.
        Some(0) if tag == EXTENDED_RESPONSE => {
            succeeded("the server ends the connection", operation)?;
            Err(CheckError::Answer("the server ends the connection".into()))
        }
        _ => expect(false, "belongs to no request").map(|()| (tag, Vec::new())),
    }
}

/// Reads an LDAPResult (section 4.1.9).
fn succeeded(what: &str, result: &[u8]) -> Result<(), CheckError> {
    let (tag, code, rest) = ber::first(result).map_err(malformed)?;
    let Some(code) = ber::to_number(code).filter(|_| tag == ENUMERATED) else {
        return expect(false, "has no result code");
    };
    if code == 0 {
        return Ok(());
    }
    let said = ber::first(rest).and_then(|(_, _, rest)| ber::first(rest)).map_or(&[][..], |(_, said, _)| said);
    // A server's words go into a log.
    let said: String = String::from_utf8_lossy(said).chars().filter(|c| !c.is_control()).take(MOST_WORDS).collect();
    let name = name(code);
    Err(CheckError::Answer(match said.is_empty() {
        true => format!("{what}: {name} ({code})"),
        false => format!("{what}: {name} ({code}): {said}"),
    }))
}

fn expect(holds: bool, said: &str) -> Result<(), CheckError> {
    if holds { Ok(()) } else { Err(CheckError::Answer(format!("the answer {said}"))) }
}

fn malformed(error: BerError) -> CheckError {
    CheckError::Answer(format!("the answer is not LDAP: {error}"))
}

/// RFC 4511, appendix A.
fn name(code: u32) -> &'static str {
    match code {
        1 => "operationsError",
        2 => "protocolError",
        7 => "authMethodNotSupported",
        8 => "strongerAuthRequired",
        10 => "referral",
        13 => "confidentialityRequired",
        32 => "noSuchObject",
        34 => "invalidDNSyntax",
        48 => "inappropriateAuthentication",
        49 => "invalidCredentials",
        50 => "insufficientAccessRights",
        51 => "busy",
        52 => "unavailable",
        53 => "unwillingToPerform",
        80 => "other",
        _ => "error",
    }
}

const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";
/// Each request is answered before the next one is sent, so that one number does.
const MESSAGE_ID: u32 = 1;
const MOST_WORDS: usize = 200;

const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const ENUMERATED: u8 = 0x0a;
const SEQUENCE: u8 = 0x30;
const PRESENT: u8 = 0x87;
const BIND_REQUEST: u8 = 0x60;
const BIND_RESPONSE: u8 = 0x61;
const UNBIND: u8 = 0x42;
const SEARCH_REQUEST: u8 = 0x63;
const SEARCH_ENTRY: u8 = 0x64;
const SEARCH_DONE: u8 = 0x65;
const EXTENDED_REQUEST: u8 = 0x77;
const EXTENDED_RESPONSE: u8 = 0x78;

#[cfg(test)]
mod tests;
