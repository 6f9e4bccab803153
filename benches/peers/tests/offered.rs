//! An open loop of connections: what became of each is told apart, and its time runs from the moment when it was due.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::scene::{ANY, Scene, TLS13, Wrong, run};
use crate::load::Fault;
use crate::load::arrivals::Arrivals;
use crate::load::offered::{Offer, Offered};
use crate::load::target::Target;

const OFFER: Offer = Offer {
    rate: 200.0,
    patience: Duration::from_secs(20),
    warm_up: Duration::from_millis(50),
    lasts: Duration::from_millis(250),
};

/// How many of its connections are counted.
fn due(offer: Offer) -> u64 {
    let counted = |at: &Duration| (offer.warm_up..offer.warm_up + offer.lasts).contains(at);
    let all = Arrivals::new(offer.rate).take_while(|at| *at < offer.warm_up + offer.lasts);
    all.filter(counted).count() as u64
}

/// Offers them to a server that does the same with each connection.
async fn offered<F>(offer: Offer, serve: fn(TcpStream) -> F) -> Offered
where
    F: Future<Output = std::io::Result<()>> + Send + 'static,
{
    let scene = Scene::new(Wrong::Nothing, Wrong::Nothing).await;
    let listener = TcpListener::bind(ANY).await.unwrap();
    let target = Target { address: listener.local_addr().unwrap(), passthrough: false, ..scene.passthrough() };
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(serve(client));
        }
    });
    offer.run(&target).await.unwrap()
}

#[test]
fn connections_that_are_served_are_counted_with_their_time() {
    run(async {
        let delay = Duration::from_millis(50);
        let scene = Scene::new(Wrong::Nothing, Wrong::Waits(delay)).await;
        let target = scene.target(&scene.material.ecdsa, TLS13).await;
        let found = OFFER.run(&target).await.unwrap();
        assert_eq!((found.in_time.len() as u64, found.arrivals()), (due(OFFER), due(OFFER)));
        assert!(due(OFFER) > 20 && found.in_time.iter().all(|latency| *latency >= delay));
        assert_eq!(found.begun_late.len() as u64, due(OFFER));
        // The relay has also seen those of the warm-up.
        assert!(scene.counted()[0] > due(OFFER), "{:?}", scene.counted());
        assert_eq!(scene.backend.fault(), None);
    });
}

#[test]
fn connections_that_the_proxy_ends_are_refused() {
    run(async {
        let found = offered(OFFER, |client| async move {
            // A reset, since the ClientHello is not read.
            client.readable().await.map(|()| drop(client))
        });
        assert_eq!(found.await.refused, due(OFFER), "by a reset");
        let found = offered(OFFER, |mut client| async move {
            if client.read(&mut [0; 4096]).await? == 0 {
                return Ok(());
            }
            // A fatal alert, internal_error (RFC 8446 section 6).
            client.write_all(&[21, 3, 3, 0, 2, 2, 80]).await
        });
        assert_eq!(found.await.refused, due(OFFER), "by an alert");
        let scene = Scene::new(Wrong::Nothing, Wrong::EndsAt(0)).await;
        let target = scene.target(&scene.material.ecdsa, TLS13).await;
        assert_eq!(OFFER.run(&target).await.unwrap().refused, due(OFFER), "after the handshake");
    });
}

#[test]
fn clients_give_up_when_their_patience_ends() {
    run(async {
        let offer = Offer { patience: Duration::from_millis(30), ..OFFER };
        let found = offered(offer, |mut client| async move {
            // Reads on, but does not answer.
            while client.read(&mut [0; 4096]).await? > 0 {}
            Ok(())
        });
        let found = found.await;
        assert_eq!((found.late, found.arrivals()), (due(offer), due(offer)));
    });
}

#[test]
fn the_delay_of_the_load_itself_is_known_and_part_of_the_latency() {
    run(async {
        let block = Duration::from_millis(20);
        let found = offered(OFFER, |client| async move {
            // The load's own thread.
            client.readable().await.map(|()| std::thread::sleep(Duration::from_millis(20)))
        });
        let found = found.await;
        assert!(found.begun_late.longest().unwrap() >= block / 2, "{:?}", found.begun_late.longest());
    });
}

#[test]
fn a_wrong_byte_is_no_refusal() {
    run(async {
        let scene = Scene::new(Wrong::Nothing, Wrong::Changes(0)).await;
        let target = scene.target(&scene.material.ecdsa, TLS13).await;
        let fault = OFFER.run(&target).await.unwrap_err();
        assert!(matches!(fault, Fault::Corrupt(0)), "{fault}");
        let mut target = scene.target(&scene.material.ecdsa, TLS13).await;
        target.sites = [scene.material.rsa.site.clone()].into();
        let fault = OFFER.run(&target).await.unwrap_err();
        assert!(matches!(fault, Fault::Refused(_)), "{fault}");
    });
}
