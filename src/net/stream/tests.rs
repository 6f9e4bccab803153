use std::future::poll_fn;
use std::net::TcpListener;
use std::os::unix::net::UnixStream;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// Two ends of a connection of either kind.
async fn pairs() -> [(Stream, Stream); 2] {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = Stream::connect(&listener.local_addr().unwrap().into()).await.unwrap();
    let there = listener.accept().unwrap().0;
    let unix = UnixStream::pair().unwrap();
    for socket in [&unix.0, &unix.1] {
        socket.set_nonblocking(true).unwrap();
    }
    there.set_nonblocking(true).unwrap();
    [(here, Stream::tcp(there).unwrap()), (Stream::unix(unix.0).unwrap(), Stream::unix(unix.1).unwrap())]
}

#[tokio::test]
async fn what_came_while_it_was_not_watched_is_there_when_it_is_again() {
    for (mut here, mut there) in pairs().await {
        here.unwatch();
        here.unwatch();
        assert_eq!(here.try_write(b"x").unwrap_err().kind(), ErrorKind::NotConnected);
        there.write_all(b"mean").await.unwrap();
        let mut came = [0; 9];
        assert_eq!(here.read(&mut came).await.unwrap_err().kind(), ErrorKind::NotConnected);
        for _ in 0..2 {
            here.watch().unwrap();
        }
        there.write_all(b"while").await.unwrap();
        here.read_exact(&mut came).await.unwrap();
        assert_eq!(&came, b"meanwhile");
        here.unwatch();
        here.shutdown_write().unwrap();
        assert_eq!(there.read(&mut came).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn to_be_forgotten_and_watched_again_takes_no_descriptor() {
    for (mut here, _there) in pairs().await {
        let number = here.as_fd().as_raw_fd();
        here.unwatch();
        assert_eq!(here.as_fd().as_raw_fd(), number);
        here.watch().unwrap();
        assert_eq!(here.as_fd().as_raw_fd(), number);
    }
}

#[tokio::test]
async fn what_is_behind_urgent_data_is_read_without_waiting_for_more() {
    let [(here, mut there), _] = pairs().await;
    for round in 0..3 {
        there.write_all(b"before").await.unwrap();
        SockRef::from(&there).send_out_of_band(b"!").unwrap();
        there.write_all(b"behind").await.unwrap();
        let mut came = Vec::new();
        while came.len() < 12 {
            let mut buffer = [0; 64];
            let count = poll_fn(|cx| here.poll_read_pieces(cx, &mut [IoSliceMut::new(&mut buffer)])).await.unwrap();
            came.extend_from_slice(&buffer[..count]);
        }
        assert_eq!(came, b"beforebehind", "round {round}");
        let mut cx = Context::from_waker(Waker::noop());
        assert!(here.poll_read_pieces(&mut cx, &mut [IoSliceMut::new(&mut [0; 64])]).is_pending());
        assert!(!here.is_urgent(), "it is empty");
    }
}

#[tokio::test]
async fn who_cannot_be_reached_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = listener.local_addr().unwrap();
    drop(listener);
    let refused = Stream::connect(&gone.into()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    let folder = tempfile::tempdir().unwrap();
    let nowhere = Stream::connect(&Address::Unix(folder.path().join("s"))).await.unwrap_err();
    assert_eq!(nowhere.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_full_queue_of_a_unix_socket_is_waited_for_and_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("busy");
    let listener = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    listener.bind(&SockAddr::unix(&path).unwrap()).unwrap();
    listener.listen(0).unwrap();
    let address = Address::Unix(path);
    let _first = Stream::connect(&address).await.unwrap();
    let mut second = pin!(Stream::connect(&address));
    assert!(poll_fn(|cx| Poll::Ready(second.as_mut().poll(cx).is_pending())).await);
    listener.accept().unwrap();
    second.await.unwrap();
}
