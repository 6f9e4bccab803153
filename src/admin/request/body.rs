//! Reads a request's body, within a size and a time, or passes over it. Must not know: what it means.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_TYPE, EXPECT};
use hyper::{HeaderMap, StatusCode};
use tokio::time::timeout;

use crate::admin::request::answer::{Answer, JSON};

/// Whether the body is needed. A body that is not takes no memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::admin) enum Wanted {
    Yes,
    No,
}

/// The whole body, or why not. It is empty where it is not needed, and has to be of the right size all the same.
pub(in crate::admin) async fn read(body: Incoming, headers: &HeaderMap, wanted: Wanted) -> Result<Vec<u8>, Answer> {
    let too_long = || {
        let message = format!("the body is longer than {} MiB", LONGEST >> 20);
        Answer::error(StatusCode::PAYLOAD_TOO_LARGE, &message)
    };
    if body.size_hint().lower() > LONGEST as u64 {
        discard(body, headers).await;
        return Err(too_long());
    }
    let mut body = body;
    let (mut bytes, mut length) = (Vec::new(), 0);
    let gathered = timeout(PATIENCE, async {
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame?.into_data() else { continue };
            length += data.len();
            if length > LONGEST {
                return Ok::<_, hyper::Error>(false);
            }
            if wanted == Wanted::Yes {
                bytes.extend_from_slice(&data);
            }
        }
        Ok(true)
    });
    match gathered.await {
        Ok(Ok(true)) => Ok(bytes),
        Ok(Ok(false)) => {
            discard(body, headers).await;
            Err(too_long())
        }
        Ok(Err(_)) => Err(Answer::error(StatusCode::BAD_REQUEST, "the body did not arrive whole")),
        Err(_) => Err(Answer::error(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time")),
    }
}

/// Takes what is sent and forgets it, for a while: a client that still sends when the connection is closed would lose the
/// answer. A client that waits for leave to send (`Expect: 100-continue`) gets none.
pub(in crate::admin) async fn discard(mut body: Incoming, headers: &HeaderMap) {
    if headers.contains_key(EXPECT) {
        return;
    }
    // However that ends, the answer follows.
    let _ = timeout(PATIENCE, async { while let Some(Ok(_)) = body.frame().await {} }).await;
}

/// Whether the Content-Type is JSON. A web page cannot have a browser send that here without asking first.
pub(in crate::admin) fn is_json(headers: &HeaderMap) -> bool {
    let declared = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = declared.map(|declared| declared.split(';').next().unwrap_or_default().trim());
    essence.is_some_and(|essence| essence.eq_ignore_ascii_case(JSON))
}

/// Bytes. A chain and a key take some ten thousand.
const LONGEST: usize = 1 << 20;
/// For the whole body to arrive.
const PATIENCE: Duration = Duration::from_secs(10);
