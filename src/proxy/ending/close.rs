//! The one place that says goodbye to the peers of a connection and closes it. Must not know: why it ends.

use crate::net::close::{self, Unfinished};
use crate::proxy::ending::{Closing, Farewell};
use crate::tls::wire::alert;

/// Closes the client's connection, and the backend's where there is one.
pub async fn close(closing: Closing, client: Unfinished, backend: Option<Unfinished>) {
    let Some(backend) = backend else { return leave(client, closing.client).await };
    match closing.backend {
        // It goes first, since it takes no time; the client may take some.
        Farewell::Close | Farewell::Reset => {
            leave(backend, closing.backend).await;
            leave(client, closing.client).await;
        }
        _ => drop(tokio::join!(leave(client, closing.client), leave(backend, closing.backend))),
    }
}

async fn leave(mut peer: Unfinished, farewell: Farewell) {
    match farewell {
        Farewell::Close => return peer.finish(),
        Farewell::Reset => return peer.reset(),
        Farewell::Deliver(words) => {
            if !words.is_empty() {
                // Whether it arrives or not, a reset follows.
                let _ = peer.as_ref().try_write(&words);
            }
            return peer.reset_after_delivery().await;
        }
        Farewell::Shut => close::with_last_words(peer.as_mut(), &[]).await,
        Farewell::Alert(description) => close::with_last_words(peer.as_mut(), &alert::plaintext(description)).await,
        Farewell::Words(words) => close::with_last_words(peer.as_mut(), &words).await,
    }
    peer.finish();
}
