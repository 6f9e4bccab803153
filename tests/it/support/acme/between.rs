//! A proxy between the program and the authority, over HTTPS on both sides. It passes on what comes, counts it, and does
//! to it what the test has scripted. `Host` stays as it is, since the authority makes its URLs from it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_LENGTH, HOST, HeaderName, HeaderValue, LOCATION, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ServerConfig};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::faults::{Answer, Fault, Gate, Moment, Script};
use super::kinds::{DIRECTORY, Kind, Paths};
use super::offers::Offers;
use super::pebble::Pebble;
use crate::support::PATIENCE;
use crate::support::pki::{Extra, Key, Pki};

/// The running proxy. It ends with the test's process.
pub(crate) struct Between {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

/// A request that came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) kind: Kind,
    /// What the client has signed; for a GET, its path.
    pub(crate) payload: Value,
    /// The authority's answer; `None` if it has not answered, or was not asked.
    pub(crate) status: Option<u16>,
    /// The URL of what the authority has made.
    pub(crate) location: Option<String>,
}

struct Shared {
    pebble: SocketAddr,
    client: Arc<ClientConfig>,
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Default)]
struct State {
    paths: Paths,
    seen: Vec<Seen>,
    script: Script,
    offers: Offers,
}

impl Between {
    /// Starts one on that address. Its CA's certificate is in the file `between.pem` of that folder.
    pub(crate) fn start(pebble: &Pebble, ip: Ipv4Addr, folder: &Path) -> Self {
        let pki = Pki::new();
        std::fs::copy(pki.ca(), folder.join("between.pem")).unwrap();
        // Tests go years ahead.
        let extra = Extra { validity: Some((-1, 36_500)), ..Extra::default() };
        let (certificate, key) = pki.pair(&[&ip.to_string()], Key::P256, &extra);
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let listener = std::net::TcpListener::bind((ip, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            pebble: pebble.address,
            client: Arc::clone(&pebble.client),
            state: Mutex::default(),
            news: Condvar::new(),
        });
        let ours = Arc::clone(&shared);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(accept(listener, TlsAcceptor::from(Arc::new(config)), ours));
        });
        Self { address, shared }
    }

    /// The URL of the directory.
    pub(crate) fn directory(&self) -> String {
        format!("https://{}{DIRECTORY}", self.address)
    }

    /// Applies a fault to all requests of that kind from now on.
    pub(crate) fn always(&self, kind: Kind, fault: Fault) {
        self.shared.state.lock().unwrap().script.add(kind, None, fault);
    }

    /// Applies a fault to the next request of that kind.
    pub(crate) fn once(&self, kind: Kind, fault: Fault) {
        self.shared.state.lock().unwrap().script.add(kind, Some(1), fault);
    }

    /// Holds the next request of that kind.
    pub(crate) fn hold(&self, kind: Kind, moment: Moment) -> Arc<Gate> {
        let gate = Gate::new();
        self.once(kind, Fault::Hold(moment, Arc::clone(&gate)));
        gate
    }

    /// Ends all faults. Requests that are held stay so.
    pub(crate) fn mend(&self) {
        self.shared.state.lock().unwrap().script.clear();
    }

    /// Changes what the authority offers.
    pub(crate) fn offer(&self, change: impl FnOnce(&mut Offers)) {
        change(&mut self.shared.state.lock().unwrap().offers);
    }

    /// All requests of that kind so far.
    pub(crate) fn seen(&self, kind: Kind) -> Vec<Seen> {
        self.shared.state.lock().unwrap().of(kind).cloned().collect()
    }

    /// How many requests of that kind the authority has accepted: those that it rejected for their nonce do not count.
    pub(crate) fn count(&self, kind: Kind) -> usize {
        self.shared.state.lock().unwrap().count(kind)
    }

    /// How many requests there were, of any kind.
    pub(crate) fn total(&self) -> usize {
        self.shared.state.lock().unwrap().seen.len()
    }

    /// Waits until the authority has accepted that many requests of that kind.
    pub(crate) fn wait(&self, kind: Kind, count: usize) {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.shared.state.lock().unwrap();
        while state.count(kind) < count {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "not {count} of {kind:?}, but {:#?}", state.seen);
            state = self.shared.news.wait_timeout(state, left).unwrap().0;
        }
    }
}

impl State {
    fn of(&self, kind: Kind) -> impl Iterator<Item = &Seen> {
        self.seen.iter().filter(move |seen| seen.kind == kind)
    }

    fn count(&self, kind: Kind) -> usize {
        self.of(kind).filter(|seen| seen.status.is_some_and(|status| status < 400)).count()
    }
}

async fn accept(listener: std::net::TcpListener, acceptor: TlsAcceptor, shared: Arc<Shared>) {
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (acceptor, shared) = (acceptor.clone(), Arc::clone(&shared));
        // A client that breaks off ends only its own connection.
        tokio::spawn(async move {
            let stream = TokioIo::new(acceptor.accept(stream).await?);
            let service = hyper::service::service_fn(move |request| {
                let shared = Arc::clone(&shared);
                async move { shared.serve(request).await }
            });
            hyper::server::conn::http1::Builder::new().serve_connection(stream, service).await.map_err(io::Error::other)
        });
    }
}

/// One answer.
struct Reply {
    head: hyper::http::response::Parts,
    body: String,
}

impl Shared {
    /// Answers a request. An error ends the connection.
    async fn serve(&self, request: Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let (at, kind, rule) = self.begin(&head, &body);
        match &rule {
            Some((_, Fault::Cut)) => return Err(io::ErrorKind::ConnectionAborted.into()),
            Some((_, Fault::Answer(answer))) => return Ok(own(answer)),
            Some((_, Fault::Hold(Moment::Before, gate))) => gate.pass().await,
            _ => {}
        }
        let mut reply = match self.renewal(kind, head.uri.path()) {
            Some(answer) => answer,
            None => self.forward(&head, body).await?,
        };
        self.end(at, &head, &mut reply);
        match rule {
            // The client asks again with another nonce; what was scripted is for that request.
            Some((rule, _)) if reply.body.contains("badNonce") => {
                self.state.lock().unwrap().script.put_back(rule, kind);
            }
            Some((_, Fault::CutAfter)) => return Err(io::ErrorKind::ConnectionAborted.into()),
            Some((_, Fault::Hold(Moment::After, gate))) => gate.pass().await,
            Some((_, Fault::Change(change))) if reply.head.status.is_success() => reply.body = change(&reply.body),
            _ => {}
        }
        Ok(Response::from_parts(reply.head, Full::new(reply.body.into())))
    }

    fn begin(&self, head: &Parts, body: &[u8]) -> (usize, Kind, Option<(usize, Fault)>) {
        let path = head.uri.path();
        let payload = if head.method == Method::POST { payload(body) } else { path.into() };
        let mut state = self.state.lock().unwrap();
        let kind = state.paths.kind(path);
        state.seen.push(Seen { kind, payload, status: None, location: None });
        (state.seen.len() - 1, kind, state.script.next(kind))
    }

    fn end(&self, at: usize, head: &Parts, reply: &mut Reply) {
        let mut state = self.state.lock().unwrap();
        let kind = state.seen[at].kind;
        let location = reply.head.headers.get(LOCATION).and_then(|location| location.to_str().ok());
        state.seen[at].status = Some(reply.head.status.as_u16());
        state.seen[at].location = location.map(str::to_owned);
        if let Ok(mut body) = serde_json::from_str(&reply.body) {
            state.paths.learn(kind, location, &body);
            let host = head.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
            match kind {
                Kind::Directory => state.offers.directory(host, &mut body),
                Kind::Authorization => state.offers.authorization(&mut body),
                _ => {}
            }
            reply.body = body.to_string();
        }
        drop(state);
        self.news.notify_all();
    }

    fn renewal(&self, kind: Kind, path: &str) -> Option<Reply> {
        let ask = || self.state.lock().unwrap().offers.renewal(path);
        let (body, retry_after) = (kind == Kind::RenewalInfo).then(ask).flatten()?;
        let head = Response::builder().header("content-type", "application/json").header("retry-after", retry_after);
        Some(Reply { head: head.body(()).unwrap().into_parts().0, body })
    }

    /// Asks the authority, on a connection of its own.
    async fn forward(&self, head: &Parts, body: Bytes) -> io::Result<Reply> {
        let name = ServerName::from(self.pebble.ip());
        let stream = TcpStream::connect(self.pebble).await?;
        let stream = TlsConnector::from(Arc::clone(&self.client)).connect(name, stream).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        tokio::spawn(connection);
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = head.method.clone();
        *request.uri_mut() = head.uri.clone();
        *request.headers_mut() = head.headers.clone();
        let (mut head, body) = sender.send_request(request).await.map_err(io::Error::other)?.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        // The body may get another length.
        head.headers.remove(CONTENT_LENGTH);
        head.headers.remove(TRANSFER_ENCODING);
        Ok(Reply { head, body: String::from_utf8(body.into()).map_err(io::Error::other)? })
    }
}

/// What a JWS has signed (RFC 7515 section 7.2.1). Nothing in a POST-as-GET.
fn payload(jws: &[u8]) -> Value {
    let jws: Value = serde_json::from_slice(jws).unwrap_or_default();
    let payload = jws["payload"].as_str().and_then(|payload| URL_SAFE_NO_PAD.decode(payload).ok());
    payload.and_then(|payload| serde_json::from_slice(&payload).ok()).unwrap_or_default()
}

fn own(answer: &Answer) -> Response<Full<Bytes>> {
    // Every answer has a new nonce (RFC 8555 section 6.5); the authority does not know this one.
    let mut response = Response::builder().status(answer.status).header("replay-nonce", "bm9uY2Ugb2YgdGhlIHRlc3Q");
    for (name, value) in &answer.headers {
        let value = HeaderValue::from_str(value).unwrap();
        response = response.header(HeaderName::from_static(name), value);
    }
    response.body(Full::new(Bytes::from(answer.body.clone()))).unwrap()
}
