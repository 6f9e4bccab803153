//! Certificates of authorities in a fleet: the node that leads orders, and every node has what was ordered and answers challenges.
//!
//! What those who order write is put into the store before an authority hears of it, so that another node can go on where this
//! one has stopped. The other nodes write it into the same files, from which they are served as ever.
//!
//! Must not know: how certificates are ordered, who serves them.

use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::acme::share::{Others, Role};
use crate::etcd::Etcd;
use crate::fleet::drive::drive;
use crate::fleet::mirror::Mirror;
use crate::fleet::seal::Seal;
use crate::member::leading::Leading;
use crate::member::status::Handle;
use disk::Disk;
use hands::Own;
use up::Up;

mod asked;
mod disk;
mod hands;
mod job;
mod up;

pub use up::Places;

/// What it takes part with.
pub(super) struct Means<'m> {
    pub(super) state: PathBuf,
    pub(super) node: String,
    pub(super) seal: Arc<Seal>,
    pub(super) board: Handle,
    pub(super) leading: Leading,
    pub(super) places: Places,
    pub(super) others: &'m mut Others,
}

/// Takes part until `stop` is ready.
pub(super) async fn share(means: Means<'_>, etcd: &Etcd, stop: impl Future<Output = ()>) {
    let Means { state, node, seal, board, leading, places, others } = means;
    let mut stop = pin!(stop);
    let opening = async {
        loop {
            let state = state.clone();
            let opened = spawn_blocking(move || {
                let disk = Disk::open(&state)?;
                let all = disk.all()?;
                Ok::<_, String>((disk, all))
            });
            match opened.await.unwrap_or_else(|error| Err(error.to_string())) {
                Ok(opened) => return opened,
                Err(reason) => {
                    tracing::warn!(%reason, "certificates of authorities cannot be shared with the fleet yet")
                }
            }
            sleep(AGAIN).await;
        }
    };
    let (disk, here) = tokio::select! {
        () = stop.as_mut() => return,
        opened = opening => opened,
    };
    let mut machine = Mirror::new(seal, node, here);
    {
        let mut own = Own::new(Arc::new(disk), others, leading, board, Up::new(places));
        drive(&mut machine, &etcd.for_collections(), &mut own, stop).await;
    }
    others.role.send_replace(Role::default());
}

/// How long it waits for a disk.
const AGAIN: Duration = Duration::from_secs(5);
