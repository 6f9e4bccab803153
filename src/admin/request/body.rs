//! Reads a request's body, or discards it, within a limit of size and time. Must not know: what it means.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_TYPE, EXPECT};
use hyper::{HeaderMap, StatusCode};
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::admin::request::answer::{Answer, JSON};

/// What the body is for. Where it is not needed, it is read without being kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::admin) enum Wanted {
    /// A change, of somebody who may make it: up to 1 MiB.
    Change,
    /// A form with little in it, of somebody who need not be known: up to 16 KiB.
    Form,
    /// Nothing.
    No,
}

impl Wanted {
    /// In bytes.
    fn longest(self) -> usize {
        match self {
            Self::Change | Self::No => LONGEST,
            Self::Form => LONGEST_FORM,
        }
    }
}

/// The whole body, or the answer that refuses it. Where it is not needed, the result is empty, but the limits apply. It is
/// wiped when it is dropped, since it may hold a private key.
pub(in crate::admin) async fn read(
    body: Incoming,
    headers: &HeaderMap,
    wanted: Wanted,
) -> Result<Zeroizing<Vec<u8>>, Answer> {
    let longest = wanted.longest();
    let too_long = || {
        let message = format!("the body is longer than {longest} bytes");
        Answer::error(StatusCode::PAYLOAD_TOO_LARGE, &message)
    };
    if body.size_hint().lower() > longest as u64 {
        discard(body, headers).await;
        return Err(too_long());
    }
    // With room for what a certificate and its key have: a vector that moves leaves its contents behind. None for what is not
    // kept: whoever sends it may be anybody, and may only announce it.
    let room = match wanted {
        Wanted::No => 0,
        _ => usize::try_from(body.size_hint().lower()).unwrap_or_default().max(USUAL).min(longest),
    };
    let mut body = body;
    let (mut bytes, mut length) = (Zeroizing::new(Vec::with_capacity(room)), 0);
    let gathered = timeout(PATIENCE, async {
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame?.into_data() else { continue };
            length += data.len();
            if length > longest {
                return Ok::<_, hyper::Error>(false);
            }
            if wanted != Wanted::No {
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
        Ok(Err(_)) => Err(Answer::error(StatusCode::BAD_REQUEST, "the body did not arrive completely")),
        Err(_) => Err(Answer::error(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time")),
    }
}

/// Reads the body for a while and drops it.
// If the connection were closed while the client still sends, the kernel would send a reset, and the client would lose the
// answer.
pub(in crate::admin) async fn discard(mut body: Incoming, headers: &HeaderMap) {
    // Such a client does not send before it gets a "100 Continue", which reading would make hyper send.
    if headers.contains_key(EXPECT) {
        return;
    }
    // The answer follows in any case.
    let _ = timeout(PATIENCE, async { while let Some(Ok(_)) = body.frame().await {} }).await;
}

/// Whether the Content-Type is JSON.
// It keeps other web sites out: a browser sends this type to another site only after a preflight request, which fails here.
pub(in crate::admin) fn is_json(headers: &HeaderMap) -> bool {
    let declared = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = declared.map(|declared| declared.split(';').next().unwrap_or_default().trim());
    essence.is_some_and(|essence| essence.eq_ignore_ascii_case(JSON))
}

/// Bytes. A chain and a key have some ten thousand.
const LONGEST: usize = 1 << 20;
/// Bytes. A token is short, and as many of these may be held as there are connections.
const LONGEST_FORM: usize = 16 << 10;
/// Bytes that there is room for where the length is not announced.
const USUAL: usize = 64 << 10;
/// How long the whole body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);
