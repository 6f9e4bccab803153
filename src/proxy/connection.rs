//! The life of one connection, top to bottom: PROXY header, where one is due → ClientHello → route → terms and
//! certificate → handshake → backend → relay (or, passed through: backend → relay) → one access-log record.
//! Must not know: listeners' sockets, configuration.

use std::pin::{Pin, pin};
use std::sync::Arc;

use jiff::Timestamp;
use rustls::AlertDescription;
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, timeout_at};

use crate::backend::connect::{Client, Connected, Failure, connect};
use crate::backend::failure::FailureKind;
use crate::backend::pool::{OnDown, Pool};
use crate::net::close::{self, Unfinished};
use crate::net::stream::Stream;
use crate::observe::outcome::Outcome;
use crate::proxy::admission::Admitted;
use crate::proxy::entry::{Entry, NoHello, agreed, outcome_of, seconds};
use crate::proxy::proxied;
use crate::relay::patience::Patience;
use crate::relay::peer::{Peer, Wire};
use crate::relay::{self, End};
use crate::route::index::Mode;
use crate::route::ways::{Chosen, Route, Termination, Way};
use crate::snapshot::Listener;
use crate::starttls;
use crate::tls::handshake::Terminated;
use crate::tls::record::Finished;
use crate::tls::wire::alert;
use crate::tls::wire::hello::{Hello, HelloError, HelloReader};

/// An accepted connection, and what is held for it to its end. It is dropped in this order: who reads the record finds the
/// place free, and who waits for all connections to end finds all records written.
pub struct Accepted<K> {
    pub admitted: Admitted,
    pub entry: Entry,
    pub listener: Arc<Listener>,
    pub kept: K,
}

/// Serves an accepted connection to its end, whatever that is.
pub async fn serve<K: Send>(client: Stream, mut accepted: Box<Accepted<K>>) {
    let Accepted { admitted, entry, listener, .. } = &mut *accepted;
    // Most connections are idle most of the time: what only the beginning needs is gone, and what a relay does not need it
    // does not have, since each has a box of its own size.
    let begun = Box::pin(begin(client, listener, entry, admitted)).await;
    let outcome = match begun.map(|begun| begun.relay(patience(listener), entry)) {
        Ok(relay) => relay.await,
        Err(outcome) => outcome,
    };
    if let Some(address) = entry.record.client.ip().filter(|_| outcome.is_failed_handshake()) {
        listener.admission.failed(address);
    }
    entry.record.outcome = outcome;
}

fn patience(listener: &Listener) -> Patience {
    Patience { idle: listener.idle_timeout, half_closed: listener.half_close_timeout }
}

/// A client that has a server, and bytes to be relayed between them.
enum Begun<'l> {
    Terminated(Terminating<'l>),
    PassedThrough(PassingThrough<'l>),
}

type Relay<'l> = Pin<Box<dyn Future<Output = Outcome> + Send + 'l>>;

impl<'l> Begun<'l> {
    fn relay(self, patience: Patience, entry: &'l mut Entry) -> Relay<'l> {
        match self {
            Self::Terminated(begun) => Box::pin(begun.relay(patience, entry)),
            Self::PassedThrough(begun) => Box::pin(begun.relay(patience, entry)),
        }
    }
}

struct Terminating<'l> {
    client: Stream,
    session: Finished,
    tickets: Vec<u8>,
    connected: Connected,
    pool: &'l Pool,
}

struct PassingThrough<'l> {
    client: Stream,
    /// What came so far.
    first: Vec<u8>,
    connected: Connected,
    pool: &'l Pool,
}

/// Everything up to where bytes can be relayed, or how it ended before that.
async fn begin<'l>(
    mut client: Stream,
    listener: &'l Listener,
    entry: &mut Entry,
    admitted: &mut Admitted,
) -> Result<Begun<'l>, Outcome> {
    let deadline = Instant::now() + listener.handshake_timeout;

    let mut reader = HelloReader::default();
    if listener.trusted_proxies.is_some() {
        let read = tokio::select! {
            read = timeout_at(deadline, Box::pin(proxied::read(&mut client))) => read,
            () = admitted.called() => return Err(Outcome::HelloPreempted),
        };
        let header = match read {
            Ok(Ok((header, rest))) => {
                reader.raw.extend_from_slice(&rest);
                header
            }
            Ok(Err(failure)) => return Err(entry.no_header(failure, &listener.admission)),
            Err(_) => return Err(Outcome::ProxyHeaderTimeout),
        };
        entry.believe(header);
        // A client without an IP address that a proxy speaks for is limited as the proxy is.
        let (named, peer) = (&entry.record.client, &entry.record.peer);
        let limited = if named.ip().is_some() { named } else { peer };
        if let Err(outcome) = admitted.client(listener, limited) {
            entry.refused(outcome, &listener.admission);
            return Err(outcome);
        }
    }

    if let Some(protocol) = listener.starttls {
        let early = std::mem::take(&mut reader.raw);
        let begun = tokio::select! {
            begun = timeout_at(deadline, Box::pin(starttls::begin(protocol, &mut client, early))) => begun,
            () = admitted.called() => return Err(Outcome::HelloPreempted),
        };
        reader.raw = match begun {
            Ok(Ok(early)) => early,
            Ok(Err(end)) => {
                // Its place is not free before it has gone.
                admitted.heard();
                return Err(entry.no_starttls(&mut client, end).await);
            }
            Err(_) => return Err(Outcome::StarttlsTimeout),
        };
    }
    let read = tokio::select! {
        read = timeout_at(deadline, Box::pin(read_hello(&mut client, &mut reader))) => read,
        () = admitted.called() => return Err(Outcome::HelloPreempted),
    };
    admitted.heard();
    let hello = match read {
        Ok(Ok(hello)) => hello,
        Ok(Err(failure)) => {
            // Who was granted StartTLS must not go on in the clear.
            let not_tls = listener.ways.not_tls().filter(|_| listener.starttls.is_none());
            return match (&failure, not_tls) {
                (NoHello::Bad(HelloError::NotTls), Some(Route { name, way: Way::Passthrough(pool) })) => {
                    entry.routed(name, Mode::Passthrough);
                    pass_through(client, reader.raw, pool, entry).await
                }
                _ => Err(entry.no_hello(&mut client, failure).await),
            };
        }
        Err(_) => return Err(Outcome::HelloTimeout),
    };
    entry.greeted(&hello);

    let route = match listener.ways.choose(&hello) {
        Chosen::Route(route) => route,
        Chosen::Challenge => {
            entry.record.reason = Some("a challenge of a certificate authority (acme-tls/1)".into());
            close::with_last_words(&mut client, &alert::plaintext(AlertDescription::NoApplicationProtocol)).await;
            return Err(Outcome::NoCommonProtocol);
        }
    };
    entry.routed(&route.name, route.way.mode());
    match &route.way {
        Way::Terminate(termination) => terminate(client, termination, hello, deadline, entry).await,
        Way::Passthrough(pool) => pass_through(client, hello.raw, pool, entry).await,
        Way::Reject => {
            close::with_last_words(&mut client, &alert::plaintext(AlertDescription::UnrecognisedName)).await;
            match std::ptr::eq(route, listener.ways.default()) {
                true => Err(Outcome::NoRoute),
                false => Err(Outcome::RouteRejected),
            }
        }
    }
}

async fn terminate<'l>(
    mut client: Stream,
    termination: &'l Termination,
    hello: Hello,
    deadline: Instant,
    entry: &mut Entry,
) -> Result<Begun<'l>, Outcome> {
    let terminator = &termination.terminator;
    if let Some(error) = hello.unacceptable {
        return Err(entry.no_hello(&mut client, NoHello::Bad(error)).await);
    }
    let began = Instant::now();
    // To ask the kernel for it costs a system call.
    let needed = hello.server_name.is_none() && terminator.certificates.knows_addresses();
    let address = if needed { entry.address(&client) } else { None };
    let choice = match terminator.choose(&hello, address, Timestamp::now().as_second(), &mut ()) {
        Ok(choice) => choice,
        Err(refusal) => {
            close::with_last_words(&mut client, &alert::plaintext(refusal.alert())).await;
            return Err(outcome_of(refusal));
        }
    };
    entry.chosen(&choice);
    let terminated = match timeout_at(deadline, Box::pin(terminator.accept(&mut client, hello, choice))).await {
        Ok(Ok(terminated)) => terminated,
        Ok(Err(error)) => return Err(entry.no_handshake(&mut client, error).await),
        Err(_) => return Err(Outcome::HandshakeTimeout),
    };
    entry.record.tls = Some(agreed(&terminated));
    entry.showed(terminated.client.as_ref(), true);
    entry.record.tls_handshake_time = Some(seconds(began.elapsed()));
    entry.handshake(began.elapsed());

    let pool = &termination.backend;
    let preface = entry.preface(pool.settings.proxy_protocol, &client, Some(&terminated));
    let alpn = terminated.finished.negotiated.alpn.as_deref();
    let about = Client { address: entry.record.client.ip(), preface: &preface, alpn };
    let connected = match Box::pin(reach(pool, about, entry)).await {
        Ok(connected) => connected,
        Err(outcome) => {
            // Without close_notify: the client must not take this for an answer that is empty.
            close::with_last_words(&mut client, &[]).await;
            return Err(outcome);
        }
    };
    let Terminated { finished: session, tickets, .. } = terminated;
    Ok(Begun::Terminated(Terminating { client, session, tickets, connected, pool }))
}

impl<'l> Terminating<'l> {
    /// Taken apart out here: an async fn would keep its arguments beside what becomes of them.
    fn relay(self, patience: Patience, entry: &'l mut Entry) -> impl Future<Output = Outcome> + use<'l> {
        let Self { client, session, tickets, connected, pool } = self;
        let Connected { stream, lease, session: inner, .. } = connected;
        let mut outside = Wire::tls(session, tickets);
        let mut inside = inner.map_or_else(Wire::plain, |session| Wire::tls(session, Vec::new()));
        async move {
            let end = {
                let outside = Peer { stream: &client, wire: &mut outside };
                let inside = Peer { stream: stream.as_ref(), wire: &mut inside };
                let mut relay = pin!(relay::terminated::relay(outside, inside, patience, &mut entry.traffic));
                match pool.settings.on_down {
                    OnDown::Keep => relay.as_mut().await,
                    OnDown::Close => tokio::select! {
                        end = relay.as_mut() => end,
                        // As they are dropped the server's side is reset, and the client's ends without close_notify.
                        () = Box::pin(lease.down()) => return Outcome::BackendDown,
                    },
                }
            };
            if let (End::BackendAlert(_), 0, Some(address)) =
                (&end, entry.traffic.sent(), &entry.record.backend_address)
            {
                // In TLS 1.3 a server that wants another certificate, or any, says so when the client thinks that all is done.
                let refused = Failure { address: address.clone(), kind: FailureKind::TlsAlert, reason: String::new() };
                entry.connect_failures(pool.name(), &[refused]);
            }
            let outcome = entry.ended(&end);
            Box::pin(relay::close_both(&end, client, stream)).await;
            drop(lease);
            outcome
        }
    }
}

async fn pass_through<'l>(
    mut client: Stream,
    first: Vec<u8>,
    pool: &'l Pool,
    entry: &mut Entry,
) -> Result<Begun<'l>, Outcome> {
    let preface = entry.preface(pool.settings.proxy_protocol, &client, None);
    let about = Client { address: entry.record.client.ip(), preface: &preface, alpn: None };
    match reach(pool, about, entry).await {
        Ok(connected) => Ok(Begun::PassedThrough(PassingThrough { client, first, connected, pool })),
        Err(outcome) => {
            close::with_last_words(&mut client, &[]).await;
            Err(outcome)
        }
    }
}

impl PassingThrough<'_> {
    /// Hands on what came so far, and then everything, as it is.
    async fn relay(self, patience: Patience, entry: &mut Entry) -> Outcome {
        let Self { client, first, connected, pool } = self;
        let (mut client, mut backend, lease) = (Unfinished::new(client), connected.stream, connected.lease);
        let end = {
            let (from, to) = (client.as_mut(), backend.as_mut());
            let mut relay = pin!(relay::passthrough::relay(from, to, first, patience, &mut entry.traffic));
            match pool.settings.on_down {
                OnDown::Keep => relay.as_mut().await,
                OnDown::Close => tokio::select! {
                    end = relay.as_mut() => end,
                    // As they are dropped both sides are reset.
                    () = Box::pin(lease.down()) => return Outcome::BackendDown,
                },
            }
        };
        let outcome = entry.ended(&end);
        relay::passthrough::close_both(&end, client, backend).await;
        drop(lease);
        outcome
    }
}

/// Connects to a server of the backend, and tells the log how that went.
async fn reach(pool: &Pool, client: Client<'_>, entry: &mut Entry) -> Result<Connected, Outcome> {
    entry.record.backend = Some(Arc::clone(pool.name()));
    let began = Instant::now();
    let mut failures = Vec::new();
    let connected = connect(pool, client, &mut failures).await;
    entry.connect_failures(pool.name(), &failures);
    let connected = connected.map_err(|reason| entry.no_server(reason, failures))?;
    entry.record.backend_address = Some(connected.address.clone());
    entry.record.connect_time = Some(seconds(began.elapsed()));
    entry.metrics.connected(pool.name(), began.elapsed());
    Ok(connected)
}

/// The reader may have something already.
async fn read_hello(client: &mut Stream, reader: &mut HelloReader) -> Result<Hello, NoHello> {
    if !reader.raw.is_empty()
        && let Some(hello) = reader.advance().map_err(NoHello::Bad)?
    {
        return Ok(hello);
    }
    loop {
        match client.read_buf(&mut reader.raw).await {
            Ok(0) => return Err(NoHello::Closed),
            Ok(_) => {}
            Err(error) => return Err(NoHello::Io(error)),
        }
        if let Some(hello) = reader.advance().map_err(NoHello::Bad)? {
            return Ok(hello);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NONE: Patience = Patience { idle: Duration::ZERO, half_closed: Duration::ZERO };

    /// What [`listener`](crate::proxy::listener) has it keep.
    type Kept = (usize, usize, usize, usize);

    fn size<A, F: Future>(_: impl FnOnce(A) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn what_an_idle_connection_keeps_is_small() {
        let serve = size(|(client, accepted): (_, Box<Accepted<Kept>>)| serve(client, accepted));
        let relay = size(|(begun, entry): (Terminating<'static>, &'static mut Entry)| begun.relay(NONE, entry));
        let accepted = size_of::<Accepted<Kept>>();
        assert!(serve <= 128 && relay <= 1024 && accepted <= 640, "serve {serve}, relay {relay}, accepted {accepted}");
    }
}
