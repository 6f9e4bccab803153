//! Messages through a relay, one after the other. The instructions of the two ends and of the runtime are counted too,
//! since they run in the same process; those of the kernel are not.

use std::pin::pin;
use std::time::Duration;

use rustls::CipherSuite;
use tlsgate::gate::Gate;
use tlsgate::live::call::Call;
use tlsgate::net::stream::Stream;
use tlsgate::observe::metrics::Metrics;
use tlsgate::pressure::Pressure;
use tlsgate::relay::patience::Patience;
use tlsgate::relay::peer::{Peer, Wire};
use tlsgate::relay::{Watched, passthrough, terminated};
use tlsgate::tls::record::Layer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::runtime::Builder;

use crate::single::sealed;
use crate::{MOST, handshake, measured};

pub(crate) fn terminated_64(count: usize) {
    terminate(64, count);
}

pub(crate) fn terminated_16384(count: usize) {
    terminate(16_384, count);
}

pub(crate) fn passed_64(count: usize) {
    pass(64, count);
}

pub(crate) fn passed_131072(count: usize) {
    pass(128 * 1024, count);
}

fn terminate(length: usize, count: usize) {
    let (server, client) = handshake::shaken(CipherSuite::TLS13_AES_128_GCM_SHA256);
    let sealed = sealed(&mut client.finish(Layer::Tlsgate).unwrap().records, length);
    let finished = server.finish(Layer::Tlsgate).unwrap();
    relay(sealed.chunks(sealed.len() / MOST).take(count), length, async |client, backend| {
        let (traffic, call) = (Metrics::new().unwrap().traffic("bench"), Call::default());
        let watched = Watched { traffic: &traffic, call: &call };
        let (mut outside, mut inside) = (Wire::tls(finished, Vec::new()), Wire::plain());
        let client = Peer { stream: client, wire: &mut outside };
        let backend = Peer { stream: backend, wire: &mut inside };
        terminated::relay(client, backend, patience(), &Gate::default(), &Pressure::default(), watched).await;
    });
}

fn pass(length: usize, count: usize) {
    let message = vec![0; length];
    relay(std::iter::repeat_n(&message[..], count), length, async |client, backend| {
        let (traffic, call) = (Metrics::new().unwrap().traffic("bench"), Call::default());
        let watched = Watched { traffic: &traffic, call: &call };
        let (gate, pressure) = (Gate::default(), Pressure::default());
        passthrough::relay(client, backend, Vec::new(), patience(), &gate, &pressure, watched).await;
    });
}

/// Sends each message after the one before has arrived.
fn relay<'a>(
    messages: impl Iterator<Item = &'a [u8]>,
    length: usize,
    relay: impl AsyncFnOnce(&mut Stream, &mut Stream),
) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let all = async {
        let (mut source, client) = UnixStream::pair().unwrap();
        let (mut sink, backend) = UnixStream::pair().unwrap();
        let [mut client, mut backend] =
            [client, backend].map(|socket| Stream::unix(socket.into_std().unwrap()).unwrap());
        let relaying = pin!(relay(&mut client, &mut backend));
        let mut came = vec![0; length];
        let driving = pin!(async {
            for message in messages {
                source.write_all(message).await.unwrap();
                sink.read_exact(&mut came).await.unwrap();
            }
        });
        tokio::select! {
            () = driving => {}
            () = relaying => unreachable!("a relay that ends by itself"),
        }
    };
    measured(|| runtime.block_on(all));
}

fn patience() -> Patience {
    Patience::new(Duration::from_secs(3600), Duration::from_secs(60))
}
