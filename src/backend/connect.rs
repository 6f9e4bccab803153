//! Connects to a backend. Where one server cannot be reached, tries another one, since no byte of the client was sent yet.
//! Must not know: what will be sent.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use tokio::io::AsyncWriteExt;
use tokio::time::{self, timeout_at};

use crate::backend::failure::{Exposure, FailureKind, Fault, reason, tls_reason};
use crate::backend::pool::outgoing::Outgoing;
use crate::backend::pool::{NoServer, Pool, Settings, Tls};
use crate::backend::server::Lease;
use crate::gate::{Gate, Pace};
use crate::net::address::Address;
use crate::net::close::Unfinished;
use crate::net::late;
use crate::net::source::Source;
use crate::net::stream::Stream;
use crate::starttls;
use crate::starttls::asking::{Asking, Unready, ask};
use crate::starttls::protocol::Protocol;
use crate::tls::record::handshaking::Finished;
use crate::tls::stream::TlsStream;

/// A connection to one server.
#[derive(Debug)]
pub struct Connected {
    pub stream: Unfinished,
    pub address: Address,
    /// Counts the connection until it is dropped.
    pub lease: Lease,
    /// The TLS session; `None` where the backend gets plain bytes.
    pub session: Option<Finished>,
}

/// One server that could not be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub address: Address,
    pub kind: FailureKind,
    /// For people.
    pub reason: String,
}

/// The client for which a connection is made.
#[derive(Debug, Clone, Copy)]
pub struct Client<'a> {
    /// `None` over a Unix socket.
    pub address: Option<IpAddr>,
    /// The first bytes for the server: a PROXY header, or nothing.
    pub preface: &'a [u8],
    /// The application protocol that was negotiated with the client.
    pub alpn: Option<&'a [u8]>,
    /// The protocol in which the client was greeted already, before TLS began; otherwise a greeting is for the client.
    pub greeted: Option<Protocol>,
    /// The gate of the thread on which this runs.
    pub gate: &'a Gate,
}

impl Client<'_> {
    /// What a server of the pool learns of it before the first byte.
    fn exposure(&self, pool: &Pool) -> Exposure {
        let comes_from_it = pool.settings.source == Some(Outgoing::Client);
        Exposure {
            is_known: self.address.is_some() && comes_from_it,
            comes_from_it,
            offers_what_it_has: pool.tls.as_ref().is_some_and(|tls| tls.connector.offers_what_the_client_has()),
        }
    }

    /// Whether the PROXY header tells a server its address. One without it (`UNKNOWN`, `LOCAL`) shows nothing.
    fn is_named(&self) -> bool {
        self.address.is_some() && !self.preface.is_empty()
    }
}

/// Why one attempt has failed.
struct Trouble {
    kind: FailureKind,
    reason: String,
    fault: Fault,
}

impl Trouble {
    fn new((kind, reason): (FailureKind, String), exposure: Exposure) -> Self {
        Self { kind, reason, fault: kind.fault(exposure) }
    }

    /// The server did not greet, or did not grant TLS.
    fn unready(kind: FailureKind, unready: &Unready, exposure: Exposure) -> Self {
        let what = if kind == FailureKind::Starttls { "StartTLS" } else { "greeting" };
        let fault = match unready {
            Unready::Refused(_) if exposure.is_known => Fault::Client,
            Unready::Closed if exposure.is_known => Fault::Unclear,
            _ => Fault::Server,
        };
        Self { kind, reason: format!("no {what}: {unready}"), fault }
    }
}

/// Tries servers in the order that the pool chooses, at most `connect_attempts` of them. Adds every failure to `failures`,
/// also those before a success. A server that refuses a client that it knows is the last one: the next one is not asked to admit it.
pub async fn connect(pool: &Pool, client: Client<'_>, failures: &mut Vec<Failure>) -> Result<Connected, NoServer> {
    let settings = &pool.settings;
    // One list for all attempts: `tried` has indexes in it, and a look-up may change the pool meanwhile.
    let members = pool.members_found().await;
    let mut tried = Vec::new();
    while tried.len() < settings.connect_attempts {
        let (index, mut lease) = match pool.pick(&members, client.address.unwrap_or(NOBODY), &tried, Instant::now()) {
            Ok(picked) => picked,
            Err(reason) if tried.is_empty() => return Err(reason),
            Err(_) => return Err(NoServer::Tried),
        };
        tried.push(index);
        let address = lease.server().address.clone();
        let (deadline, mut exposure) = (time::Instant::now() + settings.connect_timeout, client.exposure(pool));
        let attempt = timeout_at(deadline, reach(&address, client, &mut exposure, pool, deadline)).await;
        let Trouble { kind, reason, fault } = match attempt {
            Ok(Ok((stream, session))) => {
                lease.connected();
                return Ok(Connected { stream, address, lease, session });
            }
            Ok(Err(trouble)) => trouble,
            Err(_) if late::was_stopped(deadline.elapsed()) => {
                let why = "this process did not run while the server could answer";
                Trouble::new((FailureKind::Local, why.into()), exposure)
            }
            Err(_) => Trouble::new((FailureKind::Timeout, unanswered(settings)), exposure),
        };
        tracing::debug!(backend = %settings.name, server = %address, %reason, "cannot connect");
        if fault == Fault::Server
            && let Some(pause) = lease.failed(settings.pauses)
        {
            tracing::debug!(backend = %settings.name, server = %address, pause = %humantime::format_duration(pause), "passed over");
        }
        failures.push(Failure { address, kind, reason });
        if fault == Fault::Client {
            return Err(NoServer::Refused);
        }
    }
    Err(NoServer::Tried)
}

fn unanswered(settings: &Settings) -> String {
    let hint = match settings.source {
        Some(Outgoing::Client) => " (source is \"client\": the answer may have no way back to this machine)",
        Some(Outgoing::Address(_)) | None => "",
    };
    format!("no answer within {}{hint}", humantime::format_duration(settings.connect_timeout))
}

/// The address to connect from; `None` where the kernel chooses it.
fn source(outgoing: Option<Outgoing>, client: Client<'_>) -> Result<Option<Source>, (FailureKind, String)> {
    match (outgoing, client.address) {
        (None, _) => Ok(None),
        (Some(Outgoing::Address(address)), _) => Ok(Some(Source::Own(address))),
        (Some(Outgoing::Client), Some(address)) => Ok(Some(Source::Foreign(address))),
        (Some(Outgoing::Client), None) => {
            Err((FailureKind::Source, "source is \"client\", and the client has no IP address".into()))
        }
    }
}

/// Connects, up to where the client's first byte can be sent. `exposure` follows what the server has learnt, also for who
/// gives up waiting.
async fn reach(
    address: &Address,
    client: Client<'_>,
    exposure: &mut Exposure,
    pool: &Pool,
    deadline: time::Instant,
) -> Result<(Unfinished, Option<Finished>), Trouble> {
    let source = source(pool.settings.source, client).map_err(|why| Trouble::new(why, *exposure))?;
    // From the first moment: who stops waiting resets it, since the server may have accepted it before that is known here,
    // and must not take the end for a complete upload of nothing.
    let begun = Stream::begin(source, address).await.map(Unfinished::new);
    let mut stream = begun.map_err(|error| Trouble::new(reason(&error), *exposure))?;
    match introduce(stream.as_mut(), address, client, exposure, pool, deadline).await {
        Ok(session) => Ok((stream, session)),
        Err(trouble) => {
            // A reset could overtake the alert that tells the server why.
            stream.finish();
            Err(trouble)
        }
    }
}

/// Everything between a connection that has begun and the client's first byte. Returns the TLS session, where there is one.
async fn introduce(
    stream: &mut Stream,
    address: &Address,
    client: Client<'_>,
    exposure: &mut Exposure,
    pool: &Pool,
    deadline: time::Instant,
) -> Result<Option<Finished>, Trouble> {
    let open = async {
        stream.established(address).await?;
        stream.prepare()?;
        // The PROXY header comes before TLS, so that a proxy in between can read it.
        stream.write_all(client.preface).await
    };
    open.await.map_err(|error| Trouble::new(reason(&error), *exposure))?;
    exposure.is_known |= client.is_named();
    let exposure = *exposure;
    match (&pool.tls, client.greeted) {
        (Some(tls), _) => secure(stream, address, client, (tls, exposure), deadline).await.map(Some),
        (None, Some(protocol)) => {
            let asked = Box::pin(ask(Asking::for_greeting(protocol), stream)).await;
            asked.map_err(|why| Trouble::unready(FailureKind::Greeting, &why, exposure))?;
            Ok(None)
        }
        (None, None) => Ok(None),
    }
}

/// TLS with the server, up to where it expects the client's first byte: after its greeting, if the client has had one.
async fn secure(
    stream: &mut Stream,
    address: &Address,
    client: Client<'_>,
    (tls, exposure): (&Tls, Exposure),
    deadline: time::Instant,
) -> Result<Finished, Trouble> {
    if let Some(protocol) = tls.starttls {
        let asked = Box::pin(ask(Asking::for_tls(protocol), stream)).await;
        asked.map_err(|why| Trouble::unready(FailureKind::Starttls, &why, exposure))?;
    }
    let pace = Pace { gate: client.gate, deadline };
    let connected = tls.connector.connect(stream, address.ip(), client.alpn, pace).await;
    let mut session = connected.map_err(|error| Trouble::new(tls_reason(&error), exposure))?;
    match (client.greeted, tls.starttls) {
        (Some(protocol), None) => {
            let greeted = Box::pin(greeted(stream, session, protocol)).await;
            greeted.map_err(|why| Trouble::unready(FailureKind::Greeting, &why, exposure))
        }
        // The server does not greet a second time (RFC 3207 section 4.2), and the client waits for a greeting. The server's own
        // came in the clear: whoever is on the way can have written it, and the client would take it for what TLS protects.
        (None, Some(protocol)) => {
            session.plain.splice(0..0, starttls::greeting(protocol));
            Ok(session)
        }
        (Some(_), Some(_)) | (None, None) => Ok(session),
    }
}

/// Receives a server's greeting over TLS.
async fn greeted(stream: &mut Stream, session: Finished, protocol: Protocol) -> Result<Finished, Unready> {
    let negotiated = session.negotiated.clone();
    let mut inside = TlsStream::new(stream, session);
    ask(Asking::for_greeting(protocol), &mut inside).await?;
    let wrong = |error: io::Error| Unready::Wrong(error.to_string());
    inside.flush().await.map_err(wrong)?;
    inside.into_session(negotiated).map_err(|error| Unready::Wrong(error.to_string()))
}

/// Clients without an address share this one, and with `source_ip` the same server.
const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

#[cfg(test)]
mod tests;
