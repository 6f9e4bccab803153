//! Watches the nodes that serve a release before the others do. Must not know: what happens to the release then.
//!
//! What counts is what nodes register: that they are there, that they serve it, that they have no trouble. How handshakes end
//! is judged by each canary itself, and what it finds is its trouble.

use std::time::{Duration, Instant};

use super::interrupted::interrupted;
use super::place::Store;
use super::releases;
use crate::fleet::key;
use crate::fleet::record::{Canary, Record, Registration};

/// What has become of it.
pub(super) enum Verdict {
    Good,
    /// Why they are to go back.
    Bad(String),
    /// Another release counts.
    Overtaken(Record),
}

/// Watches the nodes for so long.
pub(super) async fn watch(store: &Store, record: &Record, time: Duration) -> Verdict {
    let Some(canary) = &record.canary else { return Verdict::Good };
    let begun = Instant::now();
    // When etcd has answered last.
    let mut seen = begun;
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK.min(time)) => {}
            () = interrupted() => return Verdict::Bad("interrupted".into()),
        }
        match look(store, record, canary, begun.elapsed()).await {
            Ok(Some(verdict)) => return verdict,
            Ok(None) => seen = Instant::now(),
            Err(trouble) if seen.elapsed() >= PATIENCE => return Verdict::Bad(trouble),
            Err(_) => continue,
        }
        if begun.elapsed() >= time {
            return Verdict::Good;
        }
    }
}

/// `None`: nothing is wrong so far.
async fn look(store: &Store, record: &Record, canary: &Canary, since: Duration) -> Result<Option<Verdict>, String> {
    if let Some(other) = releases::current(store).await?.filter(|current| current.attempt != record.attempt) {
        return Ok(Some(Verdict::Overtaken(other)));
    }
    let nodes = store.all::<Registration>(key::NODES).await?;
    let found = canary.nodes.iter().find_map(|name| {
        let node = nodes.iter().find(|(node, _)| node == name).map(|(_, node)| node.as_ref());
        fault(node, record, since).map(|fault| format!("node {name:?} {fault}"))
    });
    Ok(found.map(Verdict::Bad))
}

/// What is wrong with a node that is to serve the release.
fn fault(node: Option<Result<&Registration, &String>>, record: &Record, since: Duration) -> Option<String> {
    let node = match node {
        None => return Some("is gone".into()),
        Some(Err(error)) => return Some(format!("cannot be read: {error}")),
        Some(Ok(node)) => node,
    };
    if let Some(trouble) = &node.trouble {
        return Some(format!("has trouble: {trouble}"));
    }
    let serves = node.serving.as_ref().is_some_and(|served| served.stamp == record.stamp);
    (!serves && since >= GRACE).then(|| "does not serve it".into())
}

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// How long a node may take to serve what it was ready for.
const GRACE: Duration = Duration::from_secs(30);

/// How long etcd may be away before the nodes go back.
const PATIENCE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::record::{Root, Served};

    #[test]
    fn a_canary_that_is_gone_or_has_trouble_or_serves_something_else_is_a_fault() {
        let record = Record {
            number: 7,
            stamp: 70,
            attempt: "a".into(),
            root: Root("r".into()),
            canary: None,
            by: String::new(),
            note: String::new(),
        };
        let node = |stamp, trouble: Option<&str>| Registration {
            machine: String::new(),
            process: String::new(),
            session: 1,
            serving: Some(Served { number: 7, stamp, root: Root("r".into()) }),
            trouble: trouble.map(str::to_owned),
        };
        let told = |node: Option<&Registration>, since| fault(node.map(Ok), &record, Duration::from_secs(since));
        assert_eq!(told(Some(&node(70, None)), 100), None);
        assert_eq!(told(None, 0).unwrap(), "is gone");
        assert_eq!(told(Some(&node(70, Some("x"))), 0).unwrap(), "has trouble: x");
        assert_eq!(told(Some(&node(60, None)), 29), None);
        assert_eq!(told(Some(&node(60, None)), 30).unwrap(), "does not serve it");
    }
}
