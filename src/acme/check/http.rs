//! http-01 from here (RFC 8555 section 8.3): asks as the authority does. Must not know: how the answer is served.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, LOCATION, USER_AGENT};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::acme::check::every;
use crate::acme::check::result::Checked;
use crate::acme::lookup::Lookup;
use crate::acme::settings::Identifier;
use crate::causes;

/// Whether `http://IDENTIFIER/.well-known/acme-challenge/TOKEN` is the expected key authorization, at every address.
pub async fn http(
    lookup: &Lookup,
    identifier: &Identifier,
    port: u16,
    token: &str,
    expected: &str,
    limit: Duration,
) -> Checked {
    // RFC 8555 section 8.3: base64url. An authority must not be able to have another path asked for.
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
        return Checked::Wrong(format!("the authority's token is {token:?}, expected base64url"));
    }
    let host = match (identifier, port) {
        (Identifier::Ip(IpAddr::V6(address)), 80) => format!("[{address}]"),
        (Identifier::Ip(IpAddr::V6(address)), port) => format!("[{address}]:{port}"),
        (identifier, 80) => identifier.to_string(),
        (identifier, port) => format!("{identifier}:{port}"),
    };
    let question =
        Arc::new(Question { host, path: format!("/.well-known/acme-challenge/{token}"), expected: expected.into() });
    let ask = |address| {
        let question = Arc::clone(&question);
        async move { question.check(address).await }
    };
    every::address(lookup, identifier, port, limit, ask).await
}

/// What is asked for, at every address.
struct Question {
    /// As in the Host header.
    host: String,
    path: String,
    expected: String,
}

/// A status, and what belongs to it.
struct Answer {
    status: u16,
    location: Option<String>,
    body: Vec<u8>,
}

impl Question {
    async fn check(&self, address: SocketAddr) -> Checked {
        let mut path = self.path.clone();
        for _ in 0..=MOST_REDIRECTS {
            let answer = match self.get(address, &path).await {
                Ok(answer) => answer,
                Err(error) => return Checked::Unreachable(format!("{address}: {error}")),
            };
            let Some(location) = answer.location.as_ref().filter(|_| (300..400).contains(&answer.status)) else {
                return self.judge(address, &answer);
            };
            match self.same_host(location) {
                Some(next) => path = next,
                None => {
                    return Checked::Unreachable(format!(
                        "{address}: it answers with a redirect to {location:?}, which is not followed from here"
                    ));
                }
            }
        }
        Checked::Wrong(format!(
            "{address}: found more than {MOST_REDIRECTS} redirects in a row for http://{}{}",
            self.host, self.path
        ))
    }

    async fn get(&self, address: SocketAddr, path: &str) -> Result<Answer, String> {
        let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
        let request = Request::builder()
            .uri(path)
            .header(HOST, &self.host)
            .header(USER_AGENT, "tlsgate")
            .header(CONNECTION, "close")
            .body(Empty::<Bytes>::new())
            .map_err(|error| error.to_string())?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| causes::of(&error))?;
        // hyper's connection has to be polled for the request to proceed. An error of it is also an error of the answer.
        tokio::pin!(connection);
        let answer = async {
            let response = sender.send_request(request).await.map_err(|error| causes::of(&error))?;
            read(response).await
        };
        tokio::pin!(answer);
        tokio::select! {
            answer = &mut answer => answer,
            _ = &mut connection => answer.await,
        }
    }

    fn judge(&self, address: SocketAddr, answer: &Answer) -> Checked {
        // RFC 8555 section 8.3: white space at the end does not count.
        let body = String::from_utf8_lossy(&answer.body);
        if answer.status == 200 && body.trim_end() == self.expected {
            return Checked::Passed;
        }
        let begins: String = body.chars().take(SHOWN).collect();
        Checked::Wrong(format!(
            "{address}: found status {} and a body that begins with {begins:?} at http://{}{}, expected status 200 and {:?}. \
             {ELSEWHERE}",
            answer.status, self.host, self.path, self.expected
        ))
    }

    /// The path of a redirect that stays at this host and port, without TLS.
    fn same_host(&self, location: &str) -> Option<String> {
        let uri: Uri = location.parse().ok()?;
        let stays = match (uri.scheme_str(), uri.authority()) {
            // With two slashes it is the name of another host.
            (None, None) => location.starts_with('/') && !location.starts_with("//"),
            (Some("http"), Some(authority)) => authority.as_str().eq_ignore_ascii_case(&self.host),
            _ => false,
        };
        uri.path_and_query().filter(|_| stays).map(ToString::to_string)
    }
}

async fn read(response: Response<Incoming>) -> Result<Answer, String> {
    let status = response.status().as_u16();
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (mut stream, mut body) = (response.into_body(), Vec::new());
    while body.len() < MOST_BODY
        && let Some(frame) = stream.frame().await
    {
        let Ok(data) = frame.map_err(|error| causes::of(&error))?.into_data() else { continue };
        body.extend_from_slice(&data[..data.len().min(MOST_BODY - body.len())]);
    }
    Ok(Answer { status, location, body })
}

/// In bytes. A key authorization has about 90.
const MOST_BODY: usize = 8 * 1024;

/// Characters of a wrong body that are shown.
const SHOWN: usize = 100;

const MOST_REDIRECTS: usize = 5;

/// Inside a network a name can lead elsewhere than outside.
const ELSEWHERE: &str = "If the authority reaches another server than this one, set check = false";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_is_followed_only_to_the_same_host_and_port_without_tls() {
        let question = Question { host: "a.test:8080".into(), path: "/x".into(), expected: String::new() };
        for (location, followed) in [
            ("/y?z", Some("/y?z")),
            ("http://a.test:8080/y", Some("/y")),
            ("http://A.test:8080", Some("/")),
            ("http://a.test/y", None),
            ("https://a.test:8080/y", None),
            ("http://b.test:8080/y", None),
            ("http://u@a.test:8080/y", None),
            ("//b.test/y", None),
            ("y", None),
            ("", None),
        ] {
            assert_eq!(question.same_host(location).as_deref(), followed, "{location}");
        }
    }
}
