//! What orders share with other processes that serve the same certificates: what is written, answers to challenges, and which of
//! them orders. Must not know: who the others are, how they are reached.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use zeroize::Zeroizing;

/// Which of the processes orders certificates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Role {
    /// Whether it is this one, and it has everything that was written before.
    pub orders: bool,
    /// Another one each time that this process leads again: others may have written since.
    pub term: i64,
    /// The name of the one that does.
    pub leader: Option<String>,
    /// Why this one does not, although it leads.
    pub trouble: Option<String>,
}

/// The end of those who order. Cheap to clone.
#[derive(Clone)]
pub struct Share {
    requests: mpsc::UnboundedSender<Request>,
    role: watch::Receiver<Role>,
    last: Arc<AtomicU64>,
}

/// The end of those who reach the others.
#[derive(Debug)]
pub struct Others {
    pub requests: mpsc::UnboundedReceiver<Request>,
    pub role: watch::Sender<Role>,
}

/// What those who order ask for. A reply that is dropped means no.
#[derive(Debug)]
pub enum Request {
    /// A file or a folder below the state was written or removed.
    Changed(PathBuf),
    /// Answers when the others have everything that was written before.
    Settle(oneshot::Sender<Result<(), String>>),
    /// Puts up an answer to a challenge everywhere, under a number; answers when it is.
    PutUp(u64, Post, oneshot::Sender<Result<(), String>>),
    TakeDown(u64),
}

/// An answer to a challenge.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Post {
    /// RFC 8737: the certificate for this server name, and its key (PKCS#8), both in DER and base64.
    TlsAlpn { server_name: String, certificate: String, key: String },
    /// RFC 8555 section 8.3
    Http { token: String, authorization: String },
}

/// An answer that is put up everywhere. Dropping it takes it down.
pub struct Posted {
    number: u64,
    requests: mpsc::UnboundedSender<Request>,
}

/// Both ends.
pub fn pair() -> (Share, Others) {
    let (requests, coming) = mpsc::unbounded_channel();
    let (sender, role) = watch::channel(Role::default());
    (Share { requests, role, last: Arc::default() }, Others { requests: coming, role: sender })
}

impl Share {
    /// Who orders now.
    pub fn role(&self) -> Role {
        self.role.borrow().clone()
    }

    /// Waits until that changes.
    pub async fn role_changed(&mut self) {
        if self.role.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// A file or a folder was written or removed.
    pub fn changed(&self, path: &Path) {
        // Where nobody reaches the others any more, nothing is settled either.
        let _ = self.requests.send(Request::Changed(path.to_owned()));
    }

    /// Waits until the others have everything that was written here. The error is why this process may not go on.
    pub async fn settled(&self) -> Result<(), String> {
        if !self.role.borrow().orders {
            return Err(NOT_LEADING.to_owned());
        }
        let (reply, answer) = oneshot::channel();
        let _ = self.requests.send(Request::Settle(reply));
        within(answer).await
    }

    /// Puts up an answer everywhere.
    pub async fn put_up(&self, post: Post) -> Result<Posted, String> {
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        let (reply, answer) = oneshot::channel();
        let posted = Posted { number, requests: self.requests.clone() };
        let _ = self.requests.send(Request::PutUp(number, post, reply));
        within(answer).await.map(|()| posted)
    }
}

impl Post {
    /// For tls-alpn-01, from DER.
    pub fn tls_alpn(server_name: &str, certificate: &[u8], key: &[u8]) -> Self {
        let (certificate, key) = (STANDARD.encode(certificate), STANDARD.encode(key));
        Self::TlsAlpn { server_name: server_name.to_owned(), certificate, key }
    }

    /// DER from the text.
    pub fn der(text: &str) -> Option<Zeroizing<Vec<u8>>> {
        STANDARD.decode(text).ok().map(Zeroizing::new)
    }
}

async fn within(answer: oneshot::Receiver<Result<(), String>>) -> Result<(), String> {
    match timeout(PATIENCE, answer).await {
        Ok(answer) => answer.unwrap_or_else(|_| Err(NOT_LEADING.to_owned())),
        Err(_) => Err(format!("the fleet has not taken what was written within {} s", PATIENCE.as_secs())),
    }
}

impl Drop for Posted {
    fn drop(&mut self) {
        let _ = self.requests.send(Request::TakeDown(self.number));
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Share(…)")
    }
}

impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Keys must not reach a log.
        f.write_str("Post(…)")
    }
}

const NOT_LEADING: &str = "this node does not lead the fleet any longer";

/// More than a lease: without the others, the lead is lost first.
const PATIENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_asked_for_is_answered_and_without_the_lead_nothing_goes_on() {
        let (share, mut others) = pair();
        assert_eq!(share.settled().await, Err(NOT_LEADING.to_owned()));
        others.role.send_replace(Role { orders: true, ..Role::default() });
        share.changed(Path::new("acme/a/account.json"));
        let answering = async {
            assert!(matches!(others.requests.recv().await, Some(Request::Changed(_))));
            let Some(Request::Settle(reply)) = others.requests.recv().await else { panic!() };
            reply.send(Ok(())).unwrap();
            let Some(Request::PutUp(0, post, reply)) = others.requests.recv().await else { panic!() };
            assert_eq!(post, Post::Http { token: "t".into(), authorization: "t.k".into() });
            reply.send(Ok(())).unwrap();
            assert!(matches!(others.requests.recv().await, Some(Request::TakeDown(0))));
            drop(others);
        };
        let asking = async {
            share.settled().await.unwrap();
            drop(share.put_up(Post::Http { token: "t".into(), authorization: "t.k".into() }).await.unwrap());
        };
        tokio::join!(answering, asking);
        assert!(share.settled().await.is_err());
    }
}
