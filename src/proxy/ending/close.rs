//! The one place that sends the last bytes to the peers of a connection and closes it. Must not know: why it ends.

use std::pin::Pin;

use crate::net::close::{self, Unfinished};
use crate::proxy::ending::{Closing, Farewell};
use crate::tls::wire::alert;

/// Closes the client's connection, and the backend's where there is one.
pub async fn close(closing: Closing, client: Unfinished, backend: Option<Unfinished>) {
    // The backend goes first where that takes no time, since the client may take some.
    let backend = backend.and_then(|backend| leave(backend, closing.backend));
    match (leave(client, closing.client), backend) {
        (None, None) => {}
        (Some(client), None) => client.await,
        (None, Some(backend)) => backend.await,
        (Some(client), Some(backend)) => drop(tokio::join!(client, backend)),
    }
}

type Goodbye = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Closes the connection now, where that takes no time. What takes time is boxed: a relay that lives long would have
/// room for it all the while.
fn leave(peer: Unfinished, farewell: Farewell) -> Option<Goodbye> {
    match farewell {
        Farewell::Close => peer.finish(),
        Farewell::Reset => peer.reset(),
        Farewell::Finish => return Some(Box::pin(peer.finish_after_delivery())),
        Farewell::Shut => return Some(Box::pin(last_words(peer, []))),
        Farewell::Alert(description) => return Some(Box::pin(last_words(peer, alert::plaintext(description)))),
        Farewell::Notice(description) => {
            // Whether it arrives or not, the end follows.
            let _ = peer.as_ref().try_write(&alert::plaintext(description));
            peer.finish();
        }
        Farewell::Words(words) => return Some(Box::pin(last_words(peer, words))),
        Farewell::Deliver(words) => return Some(Box::pin(deliver(peer, words))),
    }
    None
}

async fn last_words(mut peer: Unfinished, words: impl AsRef<[u8]>) {
    close::with_last_words(peer.as_mut(), words.as_ref()).await;
    peer.finish();
}

async fn deliver(peer: Unfinished, words: Vec<u8>) {
    if !words.is_empty() {
        // Whether it arrives or not, a reset follows.
        let _ = peer.as_ref().try_write(&words);
    }
    peer.reset_after_delivery().await;
}
