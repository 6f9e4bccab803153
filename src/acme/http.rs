//! HTTPS requests to an authority: each with a time limit and a size limit, and the last answer is kept for who has to explain
//! it. Must not know: what is asked for.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, RETRY_AFTER, USER_AGENT};
use hyper::{HeaderMap, Method, Request, Response};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use instant_acme::{BodyWrapper, BytesResponse, HttpClient};
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use tokio::time::Instant;

use crate::acme::answer::Answer;
use crate::acme::clock::Clock;
use crate::acme::settings::Authority;
use crate::acme::share::Share;
use crate::acme::trouble::Trouble;
use crate::causes;
use crate::tls::crypto;
use crate::tls::trust::roots;
use crate::tls::trust::servers::Trust;

/// A client of one authority.
#[derive(Clone)]
pub struct Http {
    inner: Arc<Inner>,
    /// After this, nothing more is sent.
    until: Option<Instant>,
}

struct Inner {
    client: Client<HttpsConnector<HttpConnector>, BodyWrapper<Bytes>>,
    roots: Vec<CertificateDer<'static>>,
    timeout: Duration,
    clock: Clock,
    requests: Arc<AtomicU64>,
    share: Option<Share>,
    last: Mutex<Option<Answer>>,
}

impl Http {
    /// A client that trusts whom the settings say. Each request is counted in `requests`, and waits until what was written
    /// before is shared: the authority must not have anything that only this process knows.
    pub fn new(
        authority: &Authority,
        clock: Clock,
        requests: Arc<AtomicU64>,
        share: Option<Share>,
    ) -> Result<Self, Trouble> {
        let roots = roots::of(authority.ca.as_deref());
        let roots = roots.map_err(|none| Trouble::new(none.under(&format!("acme.{}.ca", authority.name))))?;
        let tls = config(roots.clone()).map_err(Trouble::new)?;
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(authority.timeout));
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_only().enable_http1().wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(1)
            .build(connector);
        let last = Mutex::new(None);
        let inner = Inner { client, roots, timeout: authority.timeout, clock, requests, share, last };
        Ok(Self { inner: Arc::new(inner), until: None })
    }

    /// The same client, which sends nothing more after that moment: everything that goes on asking ends then.
    pub fn until(self, end: Instant) -> Self {
        Self { until: Some(end), ..self }
    }

    /// The certificates that are trusted at the authority's address.
    pub fn roots(&self) -> &[CertificateDer<'static>] {
        &self.inner.roots
    }

    /// The last answer; `None` where the last request had none.
    pub fn last(&self) -> Option<Answer> {
        self.inner.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// When the last answer asks to come again, in seconds since 1970.
    pub fn retry_after(&self) -> Option<i64> {
        self.inner.last.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?.retry_after
    }

    /// A request without the library. The answer may have any status.
    pub async fn ask(&self, method: Method, url: &str, body: Option<String>) -> Result<Answer, Trouble> {
        let mut request = Request::builder().method(method).uri(url);
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/jose+json");
        }
        let body = body.map_or_else(BodyWrapper::default, |body| BodyWrapper::from(body.into_bytes()));
        let request = request.body(body).map_err(|error| Trouble::new(format!("{url}: {error}")))?;
        Arc::clone(&self.inner).exchange(request, self.until).await.map(|(_, answer)| answer).map_err(Trouble::new)
    }
}

impl HttpClient for Http {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, instant_acme::Error>> + Send>> {
        let (inner, until) = (Arc::clone(&self.inner), self.until);
        Box::pin(async move {
            let (parts, answer) =
                inner.exchange(request, until).await.map_err(|text| instant_acme::Error::Other(text.into()))?;
            Ok(BytesResponse { parts, body: Box::new(answer.body) })
        })
    }
}

impl Inner {
    async fn exchange(
        self: Arc<Self>,
        mut request: Request<BodyWrapper<Bytes>>,
        until: Option<Instant>,
    ) -> Result<(hyper::http::response::Parts, Answer), String> {
        if until.is_some_and(|until| Instant::now() >= until) {
            self.keep(None);
            return Err(format!(
                "{} {}: not sent, since this attempt has taken too long",
                request.method(),
                request.uri()
            ));
        }
        if let Some(share) = &self.share {
            share.settled().await.map_err(|why| format!("{} {}: {why}", request.method(), request.uri()))?;
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        // An answer to an earlier request must not explain this one.
        self.keep(None);
        // RFC 8555 section 6.1 asks for the name of the client.
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(NAME));
        let (method, url) = (request.method().clone(), request.uri().to_string());
        let failed = |why: String| format!("{method} {url}: {why}");
        let whole = async {
            let response = self.client.request(request).await.map_err(|error| causes::of(&error))?;
            collect(response).await
        };
        let (parts, body) = match tokio::time::timeout(self.timeout, whole).await {
            Ok(result) => result.map_err(failed)?,
            Err(_) => return Err(failed(format!("no whole answer within {} s", self.timeout.as_secs_f32()))),
        };
        let header = |name: HeaderName| text(&parts.headers, name);
        let answer = Answer {
            status: parts.status.as_u16(),
            retry_after: header(RETRY_AFTER).and_then(|value| retry_after(&value, self.clock.now())),
            location: header(LOCATION),
            content_type: header(CONTENT_TYPE),
            nonce: header(NONCE),
            method,
            url,
            body,
        };
        tracing::debug!(method = %answer.method, url = %answer.url, status = answer.status, "an authority has answered");
        self.keep(Some(answer.clone()));
        Ok((parts, answer))
    }

    fn keep(&self, answer: Option<Answer>) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = answer;
    }
}

async fn collect(response: Response<Incoming>) -> Result<(hyper::http::response::Parts, Bytes), String> {
    let (parts, body) = response.into_parts();
    let body = Limited::new(body, LARGEST).collect().await;
    let body = body.map_err(|error| match error.downcast_ref::<http_body_util::LengthLimitError>() {
        Some(_) => format!("found more than {LARGEST} bytes, expected less"),
        None => causes::of(error.as_ref()),
    })?;
    Ok((parts, body.to_bytes()))
}

fn config(roots: Vec<CertificateDer<'static>>) -> Result<ClientConfig, String> {
    let provider = Arc::new(crypto::provider());
    let trust = Trust { roots, ..Trust::default() };
    let verifier = trust.verifier(Arc::clone(&provider)).map_err(|error| error.to_string())?;
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let versions = versions.map_err(|error| error.to_string())?;
    // The verifier is ours, so that an authority's own certificate can be trusted like a root; it is as strict as rustls's.
    Ok(versions.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

/// Seconds, or a date (RFC 9110 section 10.2.3).
fn retry_after(value: &str, now: i64) -> Option<i64> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u32>() {
        return Some(now.saturating_add(i64::from(seconds)));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
    Some(date.as_second())
}

const NAME: &str = concat!("tlsgate/", env!("CARGO_PKG_VERSION"));

/// RFC 8555 section 6.5.1
const NONCE: HeaderName = HeaderName::from_static("replay-nonce");

/// The largest answers are chains of certificates and lists of problems: some 10 KiB.
const LARGEST: usize = 1 << 20;

/// An order makes its requests within seconds of each other.
const IDLE: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_is_sent_once_the_time_for_an_attempt_is_over() {
        let (folder, nobody) = (tempfile::tempdir().unwrap(), std::net::TcpListener::bind("127.0.0.1:0").unwrap());
        nobody.set_nonblocking(true).unwrap();
        let ca = folder.path().join("ca.pem");
        let signed = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        std::fs::write(&ca, signed.cert.pem()).unwrap();
        let url = format!("https://{}/dir", nobody.local_addr().unwrap());
        let authority = Authority { ca: Some(ca), ..authority(&url) };
        let requests = Arc::<AtomicU64>::default();
        let http = Http::new(&authority, Clock::default(), Arc::clone(&requests), None).unwrap().until(Instant::now());
        let answer = http.ask(Method::GET, &url, None).await;
        assert!(answer.unwrap_err().message.contains("this attempt has taken too long"));
        let (parts, body) = (Request::get(&url).body(()).unwrap().into_parts().0, BodyWrapper::default());
        // The library's way, too.
        let answer = HttpClient::request(&http, Request::from_parts(parts, body)).await;
        let error = answer.err().unwrap();
        let trouble = Trouble::library(&error, http.last());
        assert!(trouble.message.contains("this attempt has taken too long") && trouble.status.is_none(), "{trouble:?}");
        assert_eq!(requests.load(Ordering::Relaxed), 0);
        assert_eq!(nobody.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "nobody was asked");
    }

    fn authority(directory: &str) -> Authority {
        Authority {
            name: "a".into(),
            directory: directory.to_owned(),
            contact: Vec::new(),
            accept_terms: true,
            ca: None,
            eab: None,
            profile: None,
            challenges: Vec::new(),
            dns: None,
            http: Vec::new(),
            tls_port: 443,
            http_port: 80,
            check: false,
            timeout: Duration::from_secs(20),
            fallback: Vec::new(),
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(retry_after("120", 1000), Some(1120));
        assert_eq!(retry_after(" 0 ", 1000), Some(1000));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT", 1000), Some(784_111_777));
        for wrong in ["", "soon", "-5", "1e9", "99999999999999999999", "Sun, 99 Nov 1994 08:49:37 GMT"] {
            assert_eq!(retry_after(wrong, 1000), None, "{wrong:?}");
        }
    }
}
