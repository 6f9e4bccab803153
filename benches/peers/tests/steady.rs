//! A load without pause counts what it did, and reports what went wrong.

use super::scene::{Scene, Wrong, run};
use crate::load::Fault;
use crate::load::steady::{Pressing, Steady};

const MIB: u64 = 1 << 20;

/// Waits until it has done so much.
async fn reached(pressing: &Pressing, units: u64) {
    while pressing.done() < units {
        tokio::task::yield_now().await;
    }
}

#[test]
fn what_was_done_is_what_arrived() {
    run(async {
        let scene = Scene::new(Wrong::Nothing, Wrong::Nothing).await;
        let target = scene.passthrough();
        let mut seen = [0; 3];
        for (load, enough) in [
            (Steady::Connections { at_once: 4 }, 20),
            (Steady::Downloads { connections: 2 }, 16 * MIB),
            (Steady::Uploads { connections: 2 }, 16 * MIB),
        ] {
            let pressing = load.start(&target).await.unwrap();
            reached(&pressing, enough).await;
            let done = pressing.stop().await.unwrap();
            assert!(done >= enough);
            let before = std::mem::replace(&mut seen, scene.counted());
            let new: Vec<u64> = seen.iter().zip(before).map(|(now, before)| now - before).collect();
            let [connections, to_backend, to_client] = new[..] else { unreachable!() };
            match load {
                // A hello that is not completed is for a proxy; the crowd's row is run as a whole.
                Steady::Slow { .. } => unreachable!(),
                Steady::Connections { .. } => assert_eq!([connections, to_client], [done, done]),
                Steady::Downloads { .. } => assert_eq!([connections, to_client], [2, done]),
                Steady::Uploads { .. } => {
                    assert_eq!(connections, 2);
                    // An order and a ClientHello are little.
                    assert!((done..done + MIB).contains(&to_backend), "{to_backend} for {done}");
                }
            }
        }
        assert_eq!(scene.backend.fault(), None);
    });
}

#[test]
fn a_fault_of_one_client_is_reported_at_the_end() {
    run(async {
        let scene = Scene::new(Wrong::Nothing, Wrong::Changes(5 * MIB)).await;
        let pressing = Steady::Downloads { connections: 1 }.start(&scene.passthrough()).await.unwrap();
        reached(&pressing, 4 * MIB).await;
        while scene.counted()[2] < 6 * MIB {
            tokio::task::yield_now().await;
        }
        let fault = pressing.stop().await.unwrap_err();
        assert!(matches!(fault, Fault::Corrupt(_)), "{fault}");
    });
}
