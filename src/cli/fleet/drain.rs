//! `tlsgate fleet drain`: takes a server of a backend out of rotation on every node. Must not know: how a node does it.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::place::{Place, Store, wait_for};
use super::releases;
use super::shown::{names, now, who};
use crate::cli::answer::form::{self, Output};
use crate::cli::answer::print::{complain, say};
use crate::config;
use crate::fleet::drained::{Drained, MOST};
use crate::fleet::key;
use crate::fleet::store::{Change, Transaction, Written};

#[derive(Debug, Args)]
pub(in crate::cli) struct Drain {
    #[command(flatten)]
    place: Place,
    /// The backend, and the server's address or the source that leads to it, such as directory/10.0.0.7:389 or
    /// directory/dns:ldap.internal:389.
    #[arg(value_name = "BACKEND/SERVER", value_parser = server)]
    server: (String, String),
    /// Put it back into rotation.
    #[arg(long)]
    undo: bool,
    /// The format of the output.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    format: Output,
}

pub(super) fn drain(what: &Drain) -> Result<ExitCode, String> {
    let store = what.place.open()?;
    let (backend, server) = (what.server.0.as_str(), what.server.1.as_str());
    let changed = wait_for(async {
        known(&store, (backend, server)).await?;
        set(&store, (backend, server), !what.undo).await
    })?;
    let state = if what.undo { "in rotation" } else { "out of rotation" };
    match what.format {
        Output::Text if changed => {
            say(&format!("{backend}/{server} will be {state} on every node; its connections stay\n"))
        }
        Output::Text => say(&format!("{backend}/{server} was {state} already\n")),
        Output::Json => say(&form::json(&json!({
            "backend": backend, "server": server, "drained": !what.undo, "changed": changed,
        }))),
    }
    Ok(ExitCode::SUCCESS)
}

/// Sets it by one transaction, again if somebody else was faster.
async fn set(store: &Store, server: (&str, &str), is_drained: bool) -> Result<bool, String> {
    for _ in 0..ATTEMPTS {
        let there = store.one::<Drained>(key::DRAINED).await?;
        let mut drained = there.value.unwrap_or_default();
        if !drained.set(server, is_drained, now(), &who()) {
            return Ok(false);
        }
        if drained.count() > MOST {
            return Err(format!("found {} servers that were ever taken out, expected at most {MOST}", drained.count()));
        }
        let value = store.seal.close(key::DRAINED, &drained).map_err(|error| error.to_string())?;
        let change = Change::Put { key: key::DRAINED.into(), value, lease: None };
        let transaction = Transaction { when: vec![(key::DRAINED.into(), there.revision)], then: vec![change] };
        match store.etcd.write(&transaction).await.map_err(|trouble| trouble.to_string())? {
            Written::Done(_) => return Ok(true),
            Written::Refused => {}
            // If it was done, it is found to be so.
            Written::Unknown => tokio::time::sleep(PAUSE).await,
        }
    }
    Err("etcd has not confirmed it: tlsgate fleet status shows which servers are out of rotation".into())
}

/// An error if the current release has no such backend, and a warning if the backend has no such server.
async fn known(store: &Store, (backend, server): (&str, &str)) -> Result<(), String> {
    let Some(current) = releases::current(store).await? else {
        return Err("found no release, expected one that has this backend".into());
    };
    let files = releases::files(store, &current.root).await?;
    let Some(entry) = files.get(super::collect::CONFIGURATION) else { return Ok(()) };
    let text = releases::content(store, entry).await?;
    // Whether it can be used is for nodes to say: here it may lack credentials, for example.
    let text = String::from_utf8_lossy(&text).into_owned();
    let Ok(config) = config::parse(&text, Path::new("")) else { return Ok(()) };
    let settings = || config.backends.iter().map(|backend| &backend.settings);
    let Some(found) = settings().find(|settings| *settings.name == *backend) else {
        let all: Vec<&str> = settings().map(|settings| &*settings.name).collect();
        return Err(format!(
            "found no backend {backend:?} in release {}, expected one of {}",
            current.number,
            names(all)
        ));
    };
    let places: Vec<String> = found.servers.iter().map(|entry| entry.place.to_string()).collect();
    if !places.iter().any(|place| place == server) {
        let all = names(places.iter().map(String::as_str));
        complain(&format!(
            "warning: backend {backend:?} has no server {server:?} by that name ({all}); one that is looked up may"
        ));
    }
    Ok(())
}

fn server(text: &str) -> Result<(String, String), String> {
    let read = text.split_once('/').filter(|(backend, server)| !backend.is_empty() && !server.is_empty());
    let (backend, server) =
        read.ok_or_else(|| "expected a backend and a server's address, such as directory/10.0.0.7:389".to_owned())?;
    Ok((backend.to_owned(), server.to_owned()))
}

const ATTEMPTS: usize = 10;

const PAUSE: std::time::Duration = std::time::Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_follows_the_first_slash() {
        assert_eq!(server("b/unix:/run/x"), Ok(("b".to_owned(), "unix:/run/x".to_owned())));
        for wrong in ["", "b", "b/", "/10.0.0.1:389"] {
            assert!(server(wrong).is_err(), "{wrong}");
        }
    }
}
