use std::future::poll_fn;
use std::io::{ErrorKind, Read};
use std::net::TcpListener;
use std::pin::pin;
use std::task::Poll;

use super::*;
use crate::backend::pool::tests::{entry, pool};

#[tokio::test]
async fn a_server_that_accepted_before_that_was_known_here_sees_a_reset() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let pool = pool(vec![entry(listener.local_addr().unwrap().port())]);
    let (gate, mut failures) = (Gate::default(), Vec::new());
    let client = Client { address: None, preface: &[], alpn: None, greeted: None, gate: &gate };
    let mut server = {
        let mut connecting = pin!(connect(&pool, client, &mut failures));
        // Once: the kernel connects, and the runtime has not seen it yet.
        assert!(poll_fn(|cx| Poll::Ready(connecting.as_mut().poll(cx).is_pending())).await);
        listener.accept().unwrap().0
    };
    assert_eq!(server.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
}
