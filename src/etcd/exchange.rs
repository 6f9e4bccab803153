//! One HTTP request to one member and its answer, over connections that are kept open. Tells whether a request that has
//! failed may have been received. Must not know: which member is asked, what for.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::dial::dial;
use super::settings::{Endpoint, Settings};
use crate::causes;

/// Connections that are open and not in use.
#[derive(Default)]
pub(super) struct Pool(Mutex<Vec<Connection>>);

/// One to a member.
pub(super) struct Connection {
    member: usize,
    sender: http1::SendRequest<Full<Bytes>>,
    driver: Driver,
}

/// Drives the connection until it is dropped.
struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What is sent.
pub(super) struct Question<'a> {
    pub(super) path: &'a str,
    pub(super) body: Bytes,
    pub(super) token: Option<&'a str>,
    /// Whether it does no harm if it is received twice.
    pub(super) may_repeat: bool,
    /// Whether a member without a leader must refuse it, instead of waiting for one.
    pub(super) needs_leader: bool,
    pub(super) limit: Duration,
    /// In bytes, of the answer.
    pub(super) most: usize,
}

/// An answer with any status.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// Empty if it is an error of more than some bytes.
    pub(super) body: Bytes,
}

/// Why there is no answer.
pub(super) struct Lost {
    /// Whether the member may have received the request.
    pub(super) is_sent: bool,
    /// Whether it would be the same on another connection.
    is_final: bool,
    pub(super) why: String,
}

/// An answer whose body is still arriving.
pub(super) struct Arriving {
    pub(super) response: Response<Incoming>,
    _driver: Driver,
}

impl Pool {
    /// Asks a member, on a connection that is open if there is one.
    pub(super) async fn ask(
        &self,
        settings: &Settings,
        (member, endpoint): (usize, &Endpoint),
        question: &Question<'_>,
    ) -> Result<Answer, Lost> {
        while let Some(mut connection) = self.take(member) {
            let ready = timeout(question.limit, connection.sender.ready()).await;
            if !matches!(ready, Ok(Ok(()))) {
                continue;
            }
            match self.send(connection, endpoint, question).await {
                // It was closed meanwhile, which says nothing about the next one.
                Err(lost) if !lost.is_final && (question.may_repeat || !lost.is_sent) => {}
                result => return result,
            }
        }
        let connection = connect(settings, (member, endpoint), question.limit).await?;
        self.send(connection, endpoint, question).await
    }

    async fn send(
        &self,
        mut connection: Connection,
        endpoint: &Endpoint,
        question: &Question<'_>,
    ) -> Result<Answer, Lost> {
        let request = request(endpoint, question).map_err(|why| lost(false, why))?;
        let whole = async {
            let sent = connection.sender.try_send_request(request).await;
            let response = sent.map_err(|error| lost(error.message().is_none(), causes::of(error.error())))?;
            let status = response.status();
            let most = if status.is_success() { question.most } else { SMALL };
            match Limited::new(response.into_body(), most).collect().await {
                Ok(body) => Ok((Answer { status, body: body.to_bytes() }, true)),
                Err(error) if !error.is::<LengthLimitError>() => Err(lost(true, causes::of(error.as_ref()))),
                Err(_) if status.is_success() => Err(large(most)),
                Err(_) => Ok((Answer { status, body: Bytes::new() }, false)),
            }
        };
        let answer = timeout(question.limit, whole).await.unwrap_or_else(|_| Err(late(question.limit, true)));
        let (answer, is_whole) = answer?;
        if is_whole && !connection.sender.is_closed() {
            self.put(connection);
        }
        Ok(answer)
    }

    fn take(&self, member: usize) -> Option<Connection> {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = idle.iter().rposition(|connection| connection.member == member)?;
        Some(idle.remove(at))
    }

    fn put(&self, connection: Connection) {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() >= MOST_IDLE {
            idle.remove(0);
        }
        idle.push(connection);
    }
}

/// Asks a member on a connection of its own, whose answer may arrive for ever. Returns when its head is there.
pub(super) async fn open(
    settings: &Settings,
    (member, endpoint): (usize, &Endpoint),
    question: &Question<'_>,
) -> Result<Arriving, Lost> {
    let Connection { mut sender, driver, .. } = connect(settings, (member, endpoint), question.limit).await?;
    let mut request = request(endpoint, question).map_err(|why| lost(false, why))?;
    // Go's server (net/http) drops what it has not read of a body as soon as it begins to answer, unless the connection ends
    // with the answer: of several watches that are asked for, some would be lost.
    request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    let sent = timeout(question.limit, sender.send_request(request)).await;
    let sent = sent.map_err(|_| late(question.limit, true))?;
    let response = sent.map_err(|error| lost(true, causes::of(&error)))?;
    Ok(Arriving { response, _driver: driver })
}

/// The body of an answer that is an error; empty if it does not come.
pub(super) async fn rest(arriving: Arriving, limit: Duration) -> Bytes {
    let body = Limited::new(arriving.response.into_body(), SMALL).collect();
    match timeout(limit, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(_)) | Err(_) => Bytes::new(),
    }
}

async fn connect(
    settings: &Settings,
    (member, endpoint): (usize, &Endpoint),
    limit: Duration,
) -> Result<Connection, Lost> {
    let dialled = timeout(limit, dial(settings, endpoint)).await;
    let stream = dialled.map_err(|_| late(limit, false))?.map_err(|why| lost(false, why))?;
    let mut builder = http1::Builder::new();
    builder.max_buf_size(BUFFER);
    let shaken = builder.handshake(TokioIo::new(stream)).await;
    let (sender, connection) = shaken.map_err(|error| lost(false, causes::of(&error)))?;
    let driver = Driver(tokio::spawn(async move {
        // The request gets the error.
        let _ = connection.await;
    }));
    Ok(Connection { member, sender, driver })
}

fn request(endpoint: &Endpoint, question: &Question<'_>) -> Result<Request<Full<Bytes>>, String> {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(question.path)
        .header(HOST, endpoint.authority())
        .header(USER_AGENT, HeaderValue::from_static(NAME))
        .header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if question.needs_leader {
        request = request.header(HAS_LEADER, HeaderValue::from_static("true"));
    }
    if let Some(token) = question.token {
        let mut token = HeaderValue::from_str(token).map_err(|_| "found a token that is no header".to_owned())?;
        token.set_sensitive(true);
        request = request.header(AUTHORIZATION, token);
    }
    request.body(Full::new(question.body.clone())).map_err(|error| error.to_string())
}

fn lost(is_sent: bool, why: String) -> Lost {
    Lost { is_sent, is_final: false, why }
}

fn late(limit: Duration, is_sent: bool) -> Lost {
    Lost { is_sent, is_final: true, why: format!("no answer within {} s", limit.as_secs_f32()) }
}

fn large(most: usize) -> Lost {
    Lost { is_sent: true, is_final: true, why: format!("found an answer of more than {most} bytes, expected less") }
}

const NAME: &str = concat!("tlsgate/", env!("CARGO_PKG_VERSION"));

/// The gateway passes it on to etcd as "hasleader".
const HAS_LEADER: HeaderName = HeaderName::from_static("grpc-metadata-hasleader");

/// In bytes, of an answer that is an error, or that has neither keys nor values.
pub(super) const SMALL: usize = 64 * 1024;

/// In bytes, of a connection.
const BUFFER: usize = 64 * 1024;

const MOST_IDLE: usize = 4;
