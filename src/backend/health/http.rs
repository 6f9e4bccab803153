//! A check over HTTP/1.1: a status, and perhaps a text in the body. Must not know: whether it is over TLS.

use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, USER_AGENT};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::backend::health::error::CheckError;
use crate::backend::health::kind::Http;
use crate::net::address::Address;

pub(super) async fn ask<S>(stream: S, http: &Http, address: &Address) -> Result<(), CheckError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let host = http.host.clone().unwrap_or_else(|| named(address));
    let request = Request::builder()
        .method(http.method.as_str())
        .uri(&http.path)
        .header(HOST, host)
        .header(USER_AGENT, "tlsgate")
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| CheckError::Answer(error.to_string()))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
    // hyper's connection has to be polled for the request to proceed. An error of it is also an error of the answer.
    tokio::pin!(connection);
    let answer = async {
        let response = sender.send_request(request).await.map_err(|error| failed(&error))?;
        judge(http, response).await
    };
    tokio::pin!(answer);
    tokio::select! {
        judged = &mut answer => judged,
        _ = &mut connection => answer.await,
    }
}

async fn judge(http: &Http, response: hyper::Response<Incoming>) -> Result<(), CheckError> {
    let status = response.status().as_u16();
    if !http.status.iter().any(|(from, to)| (*from..=*to).contains(&status)) {
        return Err(CheckError::Answer(format!("status {status}")));
    }
    let Some(wanted) = http.body.as_deref().map(str::as_bytes) else { return Ok(()) };
    let mut body = response.into_body();
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|error| failed(&error))?.into_data() else { continue };
        let new = read.len();
        read.extend_from_slice(&data[..data.len().min(MOST_BODY - new)]);
        // The text may have begun in the piece before this one.
        let from = new.saturating_sub(wanted.len());
        if read[from..].windows(wanted.len()).any(|window| window == wanted) {
            return Ok(());
        }
        if read.len() >= MOST_BODY {
            break;
        }
    }
    Err(CheckError::Answer(format!("status {status}, but the text is not in the body")))
}

fn failed(error: &hyper::Error) -> CheckError {
    // hyper's own message is general; its source has the cause.
    let cause = std::error::Error::source(error).map(ToString::to_string);
    CheckError::Answer(cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}")))
}

/// Bytes that are searched for the text.
const MOST_BODY: usize = 64 * 1024;

/// The default for the Host header. The path of a Unix socket is not a host.
fn named(address: &Address) -> String {
    match address {
        Address::Tcp(address) => address.to_string(),
        Address::Unix(_) => "localhost".to_owned(),
    }
}
