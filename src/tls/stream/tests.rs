//! Sessions against the library's server, in either record layer: data in pieces of every size, key updates, tickets, and
//! each way in which a session ends.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ProtocolVersion, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream as Server;

use super::*;
use crate::gate::{Gate, Pace};
use crate::tls::crypto;
use crate::tls::handshake::connect::{Alpn, Connector, Terms};
use crate::tls::record::Layer;
use crate::tls::trust::servers::Trust;

type Client = TlsStream<DuplexStream>;

const EVERY: [(ProtocolVersion, Layer); 4] = [
    (ProtocolVersion::TLSv1_2, Layer::Tlsgate),
    (ProtocolVersion::TLSv1_2, Layer::Rustls),
    (ProtocolVersion::TLSv1_3, Layer::Tlsgate),
    (ProtocolVersion::TLSv1_3, Layer::Rustls),
];

/// Both ends of a session over a pipe with room for `pipe` bytes.
async fn session(version: ProtocolVersion, layer: Layer, pipe: usize) -> (Client, Server<DuplexStream>) {
    let (near, finished, server) = connected(version, layer, pipe).await;
    (TlsStream::new(near, finished), server)
}

/// The same before it is a stream.
async fn connected(
    version: ProtocolVersion,
    layer: Layer,
    pipe: usize,
) -> (DuplexStream, Finished, Server<DuplexStream>) {
    let made = rcgen::generate_simple_self_signed(vec!["peer.test".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let versions: Vec<_> = rustls::ALL_VERSIONS.iter().copied().filter(|known| known.version == version).collect();
    let config = ServerConfig::builder_with_provider(Arc::new(crypto::provider()))
        .with_protocol_versions(&versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let connector = Connector::new(Terms {
        policy: None,
        trust: &Trust::default(),
        server_name: Some(ServerName::try_from("peer.test").unwrap()),
        certificate: None,
        alpn: Alpn::Fixed(Vec::new()),
        layer,
    });
    let connector = connector.unwrap();
    let (mut near, far) = duplex(pipe);
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let gate = Gate::default();
    let (client, server) =
        tokio::join!(connector.connect(&mut near, None, None, Pace::alone(&gate)), acceptor.accept(far));
    let client = client.unwrap();
    assert_eq!(client.negotiated.version, version);
    (near, client, server.unwrap())
}

fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|place| (place.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

#[tokio::test]
async fn bytes_go_both_ways_even_if_the_wire_takes_few_at_a_time() {
    for (version, layer) in EVERY {
        for pipe in [700, 1 << 16] {
            let (mut client, mut server) = session(version, layer, pipe).await;
            let sent = bytes(100_000);
            let (echoed, ()) = tokio::join!(
                async {
                    client.write_all(&sent).await.unwrap();
                    client.shutdown().await.unwrap();
                    let mut echoed = Vec::new();
                    client.read_to_end(&mut echoed).await.unwrap();
                    echoed
                },
                async {
                    let mut came = Vec::new();
                    // The library reports a missing close_notify as an error.
                    server.read_to_end(&mut came).await.unwrap();
                    server.write_all(&came).await.unwrap();
                    server.shutdown().await.unwrap();
                }
            );
            assert!(echoed == sent, "{version:?} {layer:?} {pipe}: {} bytes", echoed.len());
        }
    }
}

#[tokio::test]
async fn a_read_takes_what_there_is_and_leaves_the_rest() {
    let (mut client, mut server) = session(ProtocolVersion::TLSv1_3, Layer::Tlsgate, 1 << 16).await;
    server.write_all(b"one two").await.unwrap();
    server.flush().await.unwrap();
    let mut three = [0; 3];
    client.read_exact(&mut three).await.unwrap();
    assert_eq!(&three, b"one");
    let mut more = [0; 100];
    let count = client.read(&mut more).await.unwrap();
    assert_eq!(&more[..count], b" two");
}

#[tokio::test]
async fn a_stream_that_is_taken_apart_loses_nothing() {
    for (version, layer) in EVERY {
        let (mut near, finished, mut server) = connected(version, layer, 1 << 16).await;
        let negotiated = finished.negotiated.clone();
        server.write_all(b"greeting and more").await.unwrap();
        server.flush().await.unwrap();
        let mut client = TlsStream::new(&mut near, finished);
        let mut greeting = [0; 8];
        client.read_exact(&mut greeting).await.unwrap();
        client.flush().await.unwrap();
        let finished = client.into_session(negotiated.clone()).unwrap();
        assert_eq!((&*finished.plain, &finished.negotiated, finished.closed), (&b" and more"[..], &negotiated, false));
        let mut client = TlsStream::new(near, finished);
        server.write_all(b", then the end").await.unwrap();
        server.shutdown().await.unwrap();
        let mut rest = String::new();
        client.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, " and more, then the end");
        assert!(client.into_session(negotiated).unwrap().closed);
    }
}

#[tokio::test]
async fn a_stream_that_was_cut_off_is_no_session() {
    for (version, layer) in EVERY {
        let (near, finished, server) = connected(version, layer, 1 << 16).await;
        let negotiated = finished.negotiated.clone();
        drop(server);
        let mut client = TlsStream::new(near, finished);
        assert!(client.read(&mut [0; 1]).await.is_err());
        assert!(client.into_session(negotiated).is_err(), "{version:?} {layer:?}");
    }
}

#[tokio::test]
async fn tickets_and_key_updates_are_no_data() {
    for layer in [Layer::Tlsgate, Layer::Rustls] {
        // The server has sent two tickets with its handshake.
        let (mut client, mut server) = session(ProtocolVersion::TLSv1_3, layer, 1 << 16).await;
        let mut came = [0; 5];
        assert!(timeout(Duration::from_millis(20), client.read(&mut came)).await.is_err());
        for round in 0..3_u8 {
            // It also requests new keys of the other side.
            server.get_mut().1.refresh_traffic_keys().unwrap();
            server.write_all(&[round; 5]).await.unwrap();
            server.flush().await.unwrap();
            client.read_exact(&mut came).await.unwrap();
            assert_eq!(came, [round; 5]);
            client.write_all(&[round + 100; 5]).await.unwrap();
            client.flush().await.unwrap();
            server.read_exact(&mut came).await.unwrap();
            assert_eq!(came, [round + 100; 5], "{layer:?}");
        }
    }
}

#[tokio::test]
async fn a_peer_that_has_ended_its_data_still_takes_ours() {
    for (version, layer) in EVERY {
        let (mut client, mut server) = session(version, layer, 1 << 16).await;
        server.write_all(b"last").await.unwrap();
        server.shutdown().await.unwrap();
        let mut came = Vec::new();
        client.read_to_end(&mut came).await.unwrap();
        assert_eq!(came, b"last");
        client.write_all(b"thanks").await.unwrap();
        client.shutdown().await.unwrap();
        let mut thanks = [0; 6];
        server.read_exact(&mut thanks).await.unwrap();
        assert_eq!(&thanks, b"thanks");
    }
}

#[tokio::test]
async fn nothing_is_sent_behind_close_notify() {
    for (version, layer) in EVERY {
        let (mut client, mut server) = session(version, layer, 1 << 16).await;
        client.write_all(b"last").await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(client.write(b"more").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        client.shutdown().await.unwrap();
        assert!(client.sealed.is_empty(), "{version:?} {layer:?}");
        let mut came = Vec::new();
        server.read_to_end(&mut came).await.unwrap();
        assert_eq!(came, b"last");
    }
}

#[tokio::test]
async fn a_cut_connection_is_not_the_end_of_the_data() {
    for (version, layer) in EVERY {
        let (mut client, mut server) = session(version, layer, 1 << 16).await;
        server.write_all(b"half").await.unwrap();
        server.flush().await.unwrap();
        // Without close_notify, and in the middle of a record.
        server.get_mut().0.write_all(&[23, 3, 3, 0, 40, 1, 2]).await.unwrap();
        drop(server);
        let mut came = Vec::new();
        let error = client.read_to_end(&mut came).await.unwrap_err();
        assert_eq!((&came[..], error.kind()), (&b"half"[..], ErrorKind::UnexpectedEof));
        assert_eq!(error.to_string(), "the connection was closed without close_notify");
        assert_eq!(client.read(&mut [0]).await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }
}

#[tokio::test]
async fn a_peer_that_breaks_the_protocol_gets_an_alert_and_nothing_more() {
    for (version, layer) in EVERY {
        let (mut client, mut server) = session(version, layer, 1 << 16).await;
        server.get_mut().0.write_all(&[23, 3, 3, 0, 40]).await.unwrap();
        server.get_mut().0.write_all(&[7; 40]).await.unwrap();
        for _ in 0..2 {
            let error = client.read(&mut [0; 9]).await.unwrap_err();
            assert!(error.kind() == ErrorKind::InvalidData && error.to_string().starts_with("TLS: "), "{error}");
        }
        assert_eq!(client.write(b"more").await.unwrap_err().kind(), ErrorKind::InvalidData);
        client.shutdown().await.unwrap();
        let error = server.read(&mut [0; 9]).await.unwrap_err();
        assert!(error.to_string().contains("BadRecordMac"), "{version:?} {layer:?}: {error}");
    }
}

#[tokio::test]
async fn an_alert_of_the_peer_is_the_reason() {
    for (version, layer) in EVERY {
        let (mut client, mut server) = session(version, layer, 1 << 16).await;
        client.stream.write_all(&[23, 3, 3, 0, 40]).await.unwrap();
        client.stream.write_all(&[7; 40]).await.unwrap();
        server.read(&mut [0; 9]).await.unwrap_err();
        let error = client.read(&mut [0; 9]).await.unwrap_err();
        assert!(error.to_string().contains("bad_record_mac"), "{version:?} {layer:?}: {error}");
    }
}
