//! One list over HTTP: bounded in time, in size and in redirects. Must not know: what the list is for, whether it is good.

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{
    ACCEPT, CONNECTION, ETAG, HOST, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, LOCATION,
    RETRY_AFTER, USER_AGENT,
};
use hyper::{HeaderMap, Method, Request, Response};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::causes;
use crate::lists::connect::connect;
use crate::lists::settings::Settings;
use crate::lists::trouble::Trouble;
use crate::lists::url::Url;

/// What a server called the list that it sent last, so that it need not send the same again (RFC 9110 section 13.1).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mark {
    pub etag: Option<String>,
    pub modified: Option<String>,
}

/// What a server has answered.
#[derive(Debug)]
pub enum Answer {
    /// What it has sent, which can be anything.
    Sent(Bytes, Mark),
    /// The list is the one that has this mark.
    Unchanged,
}

/// Asks for a list. A list that has this `mark` is there already.
pub async fn fetch(settings: &Settings, url: &Url, mark: &Mark) -> Result<Answer, Trouble> {
    let fetched = timeout(settings.timeout, follow(settings, url, mark)).await;
    fetched.unwrap_or_else(|_| {
        let seconds = settings.timeout.as_secs_f32();
        Err(Trouble::new(format!("{url}: no whole answer within {seconds} s")))
    })
}

/// Follows redirects.
async fn follow(settings: &Settings, url: &Url, mark: &Mark) -> Result<Answer, Trouble> {
    let mut url = url.clone();
    for _ in 0..=MOST_REDIRECTS {
        let response = ask(settings, &url, mark).await?;
        let status = response.response.status().as_u16();
        match status {
            200 => return sent(response).await,
            304 if *mark != Mark::default() => return Ok(Answer::Unchanged),
            301 | 302 | 303 | 307 | 308 => {
                let location = text(response.response.headers(), LOCATION);
                let location = location.ok_or_else(|| Trouble::new(format!("{url} redirects to nowhere")))?;
                url = url.redirected(&location).map_err(|why| Trouble::new(format!("{url} redirects: {why}")))?;
            }
            status => {
                let retry_after = text(response.response.headers(), RETRY_AFTER).and_then(|value| retry_after(&value));
                return Err(Trouble { message: format!("{url} was answered with status {status}"), retry_after });
            }
        }
    }
    Err(Trouble::new(format!("found more than {MOST_REDIRECTS} redirects, the last one to {url}")))
}

/// An answer whose body is still to be read.
struct Arriving {
    response: Response<Incoming>,
    /// Drives the connection until it is dropped.
    _driver: Driver,
}

struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn ask(settings: &Settings, url: &Url, mark: &Mark) -> Result<Arriving, Trouble> {
    let stream = connect(settings, url).await.map_err(Trouble::new)?;
    let failed = |error: hyper::Error| Trouble::new(format!("{url}: {}", causes::of(&error)));
    let mut builder = http1::Builder::new();
    builder.max_buf_size(BUFFER);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(failed)?;
    let driver = Driver(tokio::spawn(async move {
        // The request gets the error.
        let _ = connection.await;
    }));
    // A proxy needs the whole URL (RFC 9112 section 3.2.2).
    let target = match settings.proxy.is_some() && !url.secure {
        true => format!("http://{}{}", url.authority(), url.path),
        false => url.path.clone(),
    };
    let mut request = Request::builder()
        .method(Method::GET)
        .uri(target)
        .header(HOST, url.authority())
        .header(USER_AGENT, HeaderValue::from_static(NAME))
        .header(ACCEPT, HeaderValue::from_static("application/pkix-crl, */*"))
        .header(CONNECTION, HeaderValue::from_static("close"));
    if let Some(etag) = &mark.etag {
        request = request.header(IF_NONE_MATCH, etag);
    }
    if let Some(modified) = &mark.modified {
        request = request.header(IF_MODIFIED_SINCE, modified);
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| Trouble::new(format!("{url}: {error}")))?;
    let response = sender.send_request(request).await.map_err(failed)?;
    Ok(Arriving { response, _driver: driver })
}

async fn sent(Arriving { response, _driver }: Arriving) -> Result<Answer, Trouble> {
    let (parts, body) = response.into_parts();
    let mark = Mark { etag: text(&parts.headers, ETAG), modified: text(&parts.headers, LAST_MODIFIED) };
    let body = Limited::new(body, LARGEST).collect().await;
    let body = body.map_err(|error| match error.downcast_ref::<http_body_util::LengthLimitError>() {
        Some(_) => Trouble::new(format!("found more than {} MiB, expected a list of at most that", LARGEST >> 20)),
        None => Trouble::new(causes::of(error.as_ref())),
    })?;
    Ok(Answer::Sent(body.to_bytes(), mark))
}

/// A header that can be remembered.
fn text(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    (value.len() <= LONGEST_VALUE).then(|| value.to_owned())
}

/// Seconds from now: seconds, or a date (RFC 9110 section 10.2.3).
fn retry_after(value: &str) -> Option<i64> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u32>() {
        return Some(i64::from(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
    Some(date.as_second().saturating_sub(Timestamp::now().as_second()))
}

const NAME: &str = concat!("tlsgate/", env!("CARGO_PKG_VERSION"));

const MOST_REDIRECTS: usize = 3;

/// In bytes. The largest lists of public authorities have some 30 MiB.
pub const LARGEST: usize = 64 << 20;

/// In bytes, of the connection: heads are short.
const BUFFER: usize = 64 * 1024;

/// In bytes, of a header that is remembered.
const LONGEST_VALUE: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(retry_after(" 120 "), Some(120));
        assert!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT").is_some_and(|seconds| seconds < 0));
        for wrong in ["", "soon", "-5", "1e9", "99999999999999999999", "Sun, 99 Nov 1994 08:49:37 GMT"] {
            assert_eq!(retry_after(wrong), None, "{wrong:?}");
        }
    }
}
