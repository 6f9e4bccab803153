//! Clients, a TLS server that reports what it saw, a relay that can be faulty, and the backend.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use rustls::{CipherSuite, HandshakeKind, NamedGroup, ProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::load::backend::Backend;
use crate::load::target::{Group, Target, Terms, Version};
use crate::material::{Material, Pair};
use crate::peer::naive;

pub(crate) const TLS13: Terms = Terms { version: Version::Tls13, group: Group::X25519, resumed: false };
pub(crate) const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// What the server saw of a handshake.
pub(crate) type Saw = (ProtocolVersion, CipherSuite, Option<NamedGroup>, HandshakeKind);

/// The fault of a relay in one direction.
#[derive(Clone, Copy)]
pub(crate) enum Wrong {
    Nothing,
    /// Changes the byte at that offset.
    Changes(u64),
    /// Leaves the byte at that offset out.
    Loses(u64),
    /// Ends at that offset.
    EndsAt(u64),
    /// Stops at that offset for so long.
    WaitsAt(u64, Duration),
    /// Keeps each piece for so long.
    Waits(Duration),
}

#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) connections: AtomicU64,
    pub(crate) to_backend: AtomicU64,
    pub(crate) to_client: AtomicU64,
}

/// RSA keys take long to make.
static MATERIAL: LazyLock<(Material, tempfile::TempDir)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    (Material::write(folder.path()).unwrap(), folder)
});

pub(crate) struct Scene {
    pub(crate) material: &'static Material,
    pub(crate) backend: Backend,
    pub(crate) counts: Arc<Counts>,
    pub(crate) saw: Arc<Mutex<Vec<Saw>>>,
    relay: SocketAddr,
}

/// Runs it, for a minute at most.
pub(crate) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), test).await.expect("within a minute") });
}

impl Scene {
    pub(crate) async fn new(to_backend: Wrong, to_client: Wrong) -> Self {
        let backend = Backend::start(ANY).unwrap();
        let counts = Arc::new(Counts::default());
        let listener = TcpListener::bind(ANY).await.unwrap();
        let relay = listener.local_addr().unwrap();
        tokio::spawn(relays(listener, backend.address, [to_backend, to_client], Arc::clone(&counts)));
        Self { material: &MATERIAL.0, backend, counts, saw: Arc::default(), relay }
    }

    /// A TLS server in front of the relay.
    pub(crate) async fn target(&self, pair: &Pair, terms: Terms) -> Target {
        let acceptor = naive::acceptor(&pair.combined).unwrap();
        self.target_with(acceptor, pair, terms).await
    }

    pub(crate) async fn target_with(&self, acceptor: TlsAcceptor, pair: &Pair, terms: Terms) -> Target {
        let listener = TcpListener::bind(ANY).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, acceptor, self.relay, Arc::clone(&self.saw)));
        Target { address, terms, sites: [pair.site.clone()].into(), passthrough: false }
    }

    /// No TLS server: the relay itself.
    pub(crate) fn passthrough(&self) -> Target {
        let sites = [self.material.ecdsa.site.clone()].into();
        Target { address: self.relay, terms: TLS13, sites, passthrough: true }
    }

    /// What was counted: connections, bytes to the backend, bytes to the client.
    pub(crate) fn counted(&self) -> [u64; 3] {
        let Counts { connections, to_backend, to_client } = &*self.counts;
        [connections, to_backend, to_client].map(|count| count.load(Ordering::Relaxed))
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, next: SocketAddr, saw: Arc<Mutex<Vec<Saw>>>) {
    while let Ok((client, _)) = listener.accept().await {
        let (acceptor, saw) = (acceptor.clone(), Arc::clone(&saw));
        tokio::spawn(async move {
            let mut client = acceptor.accept(client).await?;
            let state = client.get_ref().1;
            saw.lock().unwrap().push((
                state.protocol_version().unwrap(),
                state.negotiated_cipher_suite().unwrap().suite(),
                state.negotiated_key_exchange_group().map(|group| group.name()),
                state.handshake_kind().unwrap(),
            ));
            let mut next = TcpStream::connect(next).await?;
            copy_bidirectional(&mut client, &mut next).await
        });
    }
}

async fn relays(listener: TcpListener, backend: SocketAddr, wrong: [Wrong; 2], counts: Arc<Counts>) {
    while let Ok((mut client, _)) = listener.accept().await {
        counts.connections.fetch_add(1, Ordering::Relaxed);
        let counts = Arc::clone(&counts);
        tokio::spawn(async move {
            let mut server = TcpStream::connect(backend).await?;
            let (from_client, to_client) = client.split();
            let (from_server, to_server) = server.split();
            tokio::try_join!(
                one_way(from_client, to_server, wrong[0], &counts.to_backend),
                one_way(from_server, to_client, wrong[1], &counts.to_client),
            )
        });
    }
}

async fn one_way(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    wrong: Wrong,
    count: &AtomicU64,
) -> std::io::Result<()> {
    let (mut offset, mut buffer) = (0, vec![0; 64 * 1024]);
    loop {
        let length = from.read(&mut buffer).await?;
        let mut piece = buffer[..length].to_vec();
        let place = |at: u64| usize::try_from(at.wrapping_sub(offset)).ok().filter(|place| *place < length);
        let mut end = length == 0;
        match wrong {
            Wrong::Nothing => {}
            Wrong::Changes(at) => place(at).into_iter().for_each(|place| piece[place] ^= 1),
            Wrong::Loses(at) => place(at).into_iter().for_each(|place| {
                piece.remove(place);
            }),
            Wrong::EndsAt(at) => place(at).into_iter().for_each(|place| {
                piece.truncate(place);
                end = true;
            }),
            Wrong::WaitsAt(at, time) if place(at).is_some() => tokio::time::sleep(time).await,
            Wrong::WaitsAt(..) => {}
            Wrong::Waits(time) => tokio::time::sleep(time).await,
        }
        offset += length as u64;
        count.fetch_add(piece.len() as u64, Ordering::Relaxed);
        to.write_all(&piece).await?;
        if end {
            return to.shutdown().await;
        }
    }
}
