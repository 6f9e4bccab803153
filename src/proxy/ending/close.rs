//! The one place that sends the last bytes to the peers of a connection and closes it. Must not know: why it ends.

use std::pin::Pin;

use crate::live::call::Call;
use crate::net::close::{self, Unfinished};
use crate::proxy::ending::{Closing, Farewell};
use crate::tls::wire::alert;

/// Closes the client's connection, and the backend's where there is one. What that takes is broken off when the connection is
/// asked to end immediately.
pub async fn close(closing: Closing, client: Unfinished, backend: Option<Unfinished>, call: &Call) {
    // The backend goes first where that takes no time, since the client may take some.
    let backend = backend.and_then(|backend| leave(backend, closing.backend));
    let goodbyes = match (leave(client, closing.client), backend) {
        (None, None) => return,
        (Some(one), None) | (None, Some(one)) => one,
        (Some(client), Some(backend)) => Box::pin(async move {
            tokio::join!(client, backend);
        }),
    };
    tokio::select! {
        // The last words are tried once in any case.
        biased;
        () = goodbyes => {}
        () = call.wait_for_now() => {}
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

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::net::{TcpListener, TcpStream};
    use std::pin::pin;
    use std::task::Poll;

    use super::*;
    use crate::live::call::Mode;
    use crate::net::stream::Stream;

    /// A connection whose peer does not read, with as many bytes as the kernels take.
    fn stalled() -> (Unfinished, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (far, _) = listener.accept().unwrap();
        near.set_nonblocking(true).unwrap();
        while std::io::Write::write(&mut &near, &[0; 1 << 16]).is_ok() {}
        (Unfinished::with_marked_end(Stream::tcp(near).unwrap()), far)
    }

    #[tokio::test]
    async fn a_farewell_that_takes_time_is_broken_off_by_whoever_wants_the_end_now() {
        for (client, backend) in [
            (Farewell::Finish, Farewell::Deliver(Vec::new())),
            (Farewell::Close, Farewell::Deliver(Vec::new())),
            (Farewell::Shut, Farewell::Reset),
        ] {
            let ((near, _far), (server, _behind), call) = (stalled(), stalled(), Call::default());
            let shown = format!("{client:?} {backend:?}");
            let mut closing = pin!(close(Closing { client, backend }, near, Some(server), &call));
            for mode in [None, Some(Mode::Polite), Some(Mode::Now)] {
                mode.iter().for_each(|mode| call.ask(*mode));
                let is_over = poll_fn(|cx| Poll::Ready(closing.as_mut().poll(cx).is_ready())).await;
                assert_eq!(is_over, mode == Some(Mode::Now), "{shown} {mode:?}");
            }
        }
    }
}
