//! The life of one connection, top to bottom: PROXY header, where one is expected → StartTLS, where it is configured →
//! ClientHello → (a pending challenge of a certificate authority ends here) → route → terms and certificate → handshake →
//! backend → relay (or, passed through: backend → relay) → one access-log record. Must not know: listeners' sockets,
//! configuration, the outcome that each end is recorded with.

use std::sync::Arc;

use jiff::Timestamp;
use rustls::sign::CertifiedKey;
use tokio::time::{Instant, timeout_at};

use crate::gate::{Gate, Pace, Turn, Work};
use crate::ja4::Ja4;
use crate::live::presented::Judged;
use crate::net::close::Unfinished;
use crate::net::stream::Stream;
use crate::proxy::admission::Admitted;
use crate::proxy::ending::Ending;
use crate::proxy::ending::beginning::Late;
use crate::proxy::ending::close::close;
use crate::proxy::entry::Entry;
use crate::proxy::hello::{self, NoHello};
use crate::proxy::proxied;
use crate::proxy::reaching::{About, destination, reach};
use crate::proxy::relaying::{PassingThrough, Ready, Terminating};
use crate::relay::patience::Patience;
use crate::route::split::Split;
use crate::route::ways::{Chosen, Route, Termination, Way};
use crate::snapshot::Listener;
use crate::starttls;
use crate::starttls::protocol::Protocol;
use crate::tls::handshake::{Terminated, challenge, first_turn};
use crate::tls::wire::hello::reader::HelloReader;
use crate::tls::wire::hello::{Hello, HelloError};

/// An accepted connection, and what is held for it until it ends.
///
/// The fields are dropped in this order: when the record is written, the permit is already free; when all connections
/// have ended, all records are already written.
pub struct Accepted<K> {
    /// The permits of the listener and the client.
    pub admitted: Admitted,
    /// The record; it is written when it is dropped.
    pub entry: Entry,
    /// The listener as it was configured when the connection was accepted.
    pub listener: Arc<Listener>,
    /// The gate of the worker that serves it.
    pub gate: Arc<Gate>,
    /// Guards of the caller, such as the place on a worker.
    pub kept: K,
}

/// Serves an accepted connection until it ends, in whichever way.
pub async fn serve<K: Send>(client: Stream, mut accepted: Box<Accepted<K>>) {
    let Accepted { admitted, entry, listener, gate, .. } = &mut *accepted;
    // Most connections are idle most of the time. Each half has a box of its own size, so an idle relay does not keep
    // the memory that only the beginning needed.
    let ready = Box::pin(begin(client, listener, entry, admitted, gate)).await;
    #[cfg(test)]
    tests::break_down(entry, "relay");
    if let Some(relay) =
        ready.map(|(client, ready)| ready.relay(client, patience(listener, entry), (&**gate, admitted.settle()), entry))
    {
        relay.await;
    }
    // Counted here, where every end passes, and not at each place where a handshake can fail.
    if let Some(address) = entry.failed_client() {
        admitted.failed(listener, address);
    }
    entry.spare_log(&listener.admission);
}

fn patience(listener: &Listener, entry: &Entry) -> Patience {
    let patience = Patience::new(listener.handling.idle_timeout, listener.handling.half_close_timeout);
    patience.leaving(entry.aged(), listener.grace)
}

/// Everything up to the point where bytes can be relayed. `None` if the connection ended before that; it is closed
/// then.
async fn begin<'l>(
    client: Stream,
    listener: &'l Listener,
    entry: &mut Entry,
    admitted: &mut Admitted,
    gate: &Gate,
) -> Option<(Unfinished, Ready<'l>)> {
    let row = Arc::clone(entry.row());
    let mut client = Unfinished::with_marked_end(client);
    let begun = tokio::select! {
        begun = stages(&mut client, listener, entry, admitted, gate) => begun,
        asked = row.call.wait() => Err(asked.into()),
    };
    match begun {
        Ok(ready) => Some((client, ready)),
        Err(ending) => {
            let Ending { cause, closing } = if client.has_marked_end() { ending } else { ending.without_an_answer() };
            entry.end(cause);
            close(closing, client, None, &row.call).await;
            None
        }
    }
}

/// The stages of the beginning, one after the other.
async fn stages<'l>(
    connection: &mut Unfinished,
    listener: &'l Listener,
    entry: &mut Entry,
    admitted: &mut Admitted,
    gate: &Gate,
) -> Result<Ready<'l>, Ending> {
    let client = connection.as_mut();
    // One deadline for all stages: a client cannot gain time by sending each part late.
    let deadline = Instant::now() + listener.handling.handshake_timeout;
    let mut reader = HelloReader::default();
    if listener.trusted_proxies.is_some() {
        let rest = proxy_header(client, listener, deadline, entry, admitted).await?;
        reader.raw.extend_from_slice(&rest);
    }
    if let Some(protocol) = listener.handling.starttls {
        let early = std::mem::take(&mut reader.raw);
        reader.raw = start_tls(client, protocol, early, deadline, admitted).await?;
    }
    let read = in_time(Box::pin(hello::read(client, &mut reader)), deadline, Late::Hello, admitted).await;
    admitted.stop_waiting();
    // Both kinds of pass-through share one await, since a future reserves memory for each await in it.
    let (first, split) = match read? {
        Ok(hello) => {
            let ja4 = greeted(listener, &hello, entry)?;
            let pace = Pace { gate, deadline };
            if let Some(answer) = listener.challenge(&hello) {
                let last = Box::pin(answer_challenge(client, answer, hello, pace, entry)).await?;
                return Err(Ending::challenge_answered(last));
            }
            let route = match listener.ways.choose(&hello) {
                Chosen::Route(route) => route,
                Chosen::Challenge => return Err(Ending::challenge()),
            };
            entry.routed(route, listener.handling.max_age);
            if let Some(own) = &route.portion {
                admitted.route(own, &entry.limited(), ja4)?;
            }
            match &route.way {
                Way::Terminate(termination) => {
                    let greeted = listener.handling.starttls.filter(|protocol| protocol.has_greeting());
                    return terminate((client, greeted), termination, hello, pace, entry).await;
                }
                Way::Passthrough(split) => (hello.raw, split),
                Way::Reject => return Err(Ending::rejected(route, &listener.ways)),
            }
        }
        Err(failure) => {
            entry.fingerprint(&reader.raw, false);
            let (route, split) = not_tls(listener, &failure).ok_or(failure)?;
            entry.routed(route, listener.handling.max_age);
            (reader.raw, split)
        }
    };
    // Whether the bytes mark their own end is not known from here on.
    connection.leave_unmarked();
    pass_through(connection.as_ref(), first, split, gate, entry).await
}

/// Reads the header of the proxy in front, and admits the client that it names. Returns the bytes that follow the
/// header.
async fn proxy_header(
    client: &mut Stream,
    listener: &Listener,
    deadline: Instant,
    entry: &mut Entry,
    admitted: &mut Admitted,
) -> Result<Vec<u8>, Ending> {
    let read = in_time(Box::pin(proxied::read(client)), deadline, Late::ProxyHeader, admitted).await?;
    let (header, rest) = read?;
    entry.believe(header);
    admitted.client(listener, &entry.limited())?;
    Ok(rest)
}

/// Answers in the clear until TLS begins; `early` was read already. Returns the bytes of TLS that were read.
async fn start_tls(
    client: &mut Stream,
    protocol: Protocol,
    early: Vec<u8>,
    deadline: Instant,
    admitted: &mut Admitted,
) -> Result<Vec<u8>, Ending> {
    let begun = Box::pin(starttls::begin(protocol, client, early));
    let begun = in_time(begun, deadline, Late::Starttls, admitted).await?;
    // A refused client no longer waits, so it must not be asked to give way as well: its permit is free only once it is
    // closed.
    Ok(begun.inspect_err(|_| admitted.stop_waiting())?)
}

/// Waits for what the client sends, unless that is too late or the connection has to give way before.
async fn in_time<T>(
    sent: impl Future<Output = T>,
    deadline: Instant,
    late: Late,
    admitted: &Admitted,
) -> Result<T, Ending> {
    tokio::select! {
        sent = timeout_at(deadline, sent) => sent.map_err(|_| late.into()),
        asked = admitted.must_give_way() => Err(asked.into()),
    }
}

/// Records what the hello shows, and refuses a client whose JA4 the listener denies. Returns the JA4 if a route may need it.
fn greeted(listener: &Listener, hello: &Hello, entry: &mut Entry) -> Result<Option<Ja4>, Ending> {
    entry.greeted(hello);
    #[cfg(test)]
    tests::break_down(entry, "hello");
    let needed = !listener.deny_ja4.is_empty() || listener.ways.need_ja4();
    let ja4 = entry.fingerprint(&hello.raw, needed);
    if ja4.is_some_and(|ja4| listener.deny_ja4.has(&ja4)) { Err(Ending::ja4_denied()) } else { Ok(ja4) }
}

/// The route for a client that does not use TLS, if that is the reason why there is no hello.
fn not_tls<'l>(listener: &'l Listener, failure: &NoHello) -> Option<(&'l Route, &'l Split)> {
    // A client that has asked for StartTLS must not continue in the clear.
    match (failure, listener.ways.not_tls(), listener.handling.starttls) {
        (NoHello::Bad(HelloError::NotTls), Some(route @ Route { way: Way::Passthrough(split), .. }), None) => {
            Some((route, split))
        }
        _ => None,
    }
}

async fn terminate<'l>(
    (client, greeted): (&mut Stream, Option<Protocol>),
    termination: &'l Termination,
    mut hello: Hello,
    pace: Pace<'_>,
    entry: &mut Entry,
) -> Result<Ready<'l>, Ending> {
    let terminator = &termination.terminator;
    if let Some(error) = hello.unacceptable {
        return Err(error.into());
    }
    let began = Instant::now();
    // Without a server name the address decides. Asking the kernel for it costs a system call, so only where it is
    // needed.
    let needed = hello.server_name.is_none() && terminator.certificates.knows_addresses();
    let address = if needed { destination(client, entry).ip() } else { None };
    let choice = terminator.choose(&hello, address, Timestamp::now().as_second(), &mut ())?;
    let work = terminator.work(&hello, &choice);
    let turn = turn(client, work, &mut hello, pace).await?;
    entry.chosen(&choice);
    // Boxed here and below: only a few connections are in a handshake at one time, and all futures would reserve the
    // memory.
    let accepting = timeout_at(pace.deadline, Box::pin(terminator.accept(client, hello, choice, turn, pace)));
    let mut terminated = accepting.await.map_err(|_| Late::Handshake)??;
    entry.agreed(&terminated.finished.negotiated, terminated.client.as_ref(), began.elapsed());
    judge_again(termination, &mut terminated, entry);

    // The backend is connected only now: a client that fails the handshake must not cost the backend a connection.
    let about = About { client, terminated: Some(&terminated), greeted, gate: pace.gate };
    let row = Arc::clone(entry.row());
    let connected = tokio::select! {
        connected = Box::pin(reach(&termination.backends, about, entry)) => Ok(connected?),
        distrust = row.call.distrusted() => Err(distrust),
    };
    let Terminated { finished: session, mut tickets, .. } = terminated;
    match connected {
        Ok((pool, connected)) => Ok(Ready::Terminated(Terminating { session, tickets, connected, pool })),
        Err(distrust) => {
            // The tickets come first, since they are sealed already: records are numbered.
            let _ = session.records.seal_alert(distrust.alert, &mut tickets);
            Err(Ending::distrusted(&distrust, tickets))
        }
    }
}

/// From now on the client can be judged again, where its route asks for that.
fn judge_again(termination: &Termination, terminated: &mut Terminated, entry: &Entry) {
    let auth = termination.terminator.client_auth();
    if let (Some(generation), Some(auth)) = (&termination.judged_again, auth) {
        let certificates = std::mem::take(&mut terminated.finished.negotiated.peer_certificates);
        let judged =
            Judged { auth: Arc::clone(auth), good_until: terminated.good_until, generation: generation.number() };
        entry.presented(certificates, judged);
    }
}

/// Answers a certificate authority's challenge. Returns what is left to send; nothing else happens on the connection.
async fn answer_challenge(
    client: &mut Stream,
    answer: Arc<CertifiedKey>,
    mut hello: Hello,
    pace: Pace<'_>,
    entry: &mut Entry,
) -> Result<Vec<u8>, Ending> {
    if let Some(error) = hello.unacceptable {
        return Err(error.into());
    }
    let began = Instant::now();
    challenge::agree(&hello, &answer)?;
    let turn = turn(client, Work::Full, &mut hello, pace).await?;
    let accepting = timeout_at(pace.deadline, challenge::accept(client, hello, answer, turn, pace));
    let answered = accepting.await.map_err(|_| Late::Handshake)??;
    entry.agreed(&answered.negotiated, None, began.elapsed());
    Ok(answered.last)
}

/// Waits for the first turn of a handshake, unless that would take too long.
async fn turn<'g>(client: &mut Stream, work: Work, hello: &mut Hello, pace: Pace<'g>) -> Result<Turn<'g>, Ending> {
    if !pace.has_time_for(work) {
        return Err(Ending::overloaded());
    }
    // Before rustls's state is made: many may wait here. Who waits until the end has not failed.
    let turn = timeout_at(pace.deadline, Box::pin(first_turn(pace, work, client, &mut hello.raw))).await;
    Ok(turn.map_err(|_| Ending::overloaded())??)
}

async fn pass_through<'l>(
    client: &Stream,
    first: Vec<u8>,
    split: &'l Split,
    gate: &Gate,
    entry: &mut Entry,
) -> Result<Ready<'l>, Ending> {
    let about = About { client, terminated: None, greeted: None, gate };
    let (pool, connected) = reach(split, about, entry).await?;
    Ok(Ready::PassedThrough(PassingThrough { first, connected, pool }))
}

#[cfg(test)]
mod tests;
