//! The one place that sends the last bytes to the peers of a connection and closes it. Must not know: why it ends.

use crate::net::close::{self, Unfinished};
use crate::proxy::ending::{Closing, Farewell};
use crate::tls::wire::alert;

/// Closes the client's connection, and the backend's where there is one.
pub async fn close(closing: Closing, client: Unfinished, backend: Option<Unfinished>) {
    let Some(backend) = backend else { return leave(client, closing.client).await };
    match closing.backend {
        // The backend first, since that takes no time: its connection must not stay open while the client takes its time.
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
                // A failure does not matter: a reset follows in any case.
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
