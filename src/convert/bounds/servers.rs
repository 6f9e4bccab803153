//! The servers of a backend, and TLS to them, within tlsgate's bounds. Must not know: listeners, health.

use std::collections::BTreeSet;

use rustls::pki_types::ServerName;

use super::values::{COUNT, LONGEST_PATH, is_count, is_file_of_pem, protocols};
use crate::convert::job::{Backend, Said, ServerTls};
use crate::convert::list::List;

pub(super) fn within(backend: &mut Backend, list: &mut List) {
    let mut seen = BTreeSet::new();
    backend.servers.retain(|Said { value, line }| {
        if value.address.strip_prefix("unix:").is_some_and(|path| path.len() > LONGEST_PATH) {
            list.lost(line, &*value.address, format!("the path of a socket has at most {LONGEST_PATH} bytes"));
            return false;
        }
        let is_new = seen.insert(value.address.clone());
        if !is_new {
            list.lost(line, &*value.address, "the backend has this server already; write a weight to give it more");
        }
        is_new
    });
    for Said { value, line } in &mut backend.servers {
        if let Some(most) = value.max_connections.take_if(|most| !is_count(*most)) {
            list.lost(line, format!("{most} connections"), COUNT);
        }
    }
    if let Some(attempts) = &mut backend.connect_attempts {
        attempts.value = attempts.value.min(MOST_ATTEMPTS);
    }
    if let Some(tls) = &mut backend.tls
        && !verifiable(tls, list)
    {
        backend.unusable = true;
    }
}

/// Whether the servers can be verified as the peer does.
fn verifiable(tls: &mut ServerTls, list: &mut List) -> bool {
    let ServerTls { line, ca, server_name, cert, key, alpn } = tls;
    let is_trusted = ca.as_ref().is_none_or(|file| is_file_of_pem(file, line, list));
    for file in [&mut *cert, &mut *key] {
        file.take_if(|file| !is_file_of_pem(file, line, list));
    }
    if cert.is_some() != key.is_some() {
        list.security(line, "", "a certificate for servers needs its key: none is presented to them");
        (*cert, *key) = (None, None);
    }
    protocols(alpn, line, list);
    let wrong = server_name.as_ref().filter(|name| ServerName::try_from(name.as_str()).is_err());
    if let Some(name) = wrong {
        list.security(line, &**name, "expected a DNS name or an IP address that the servers' certificates have");
    }
    is_trusted && wrong.is_none()
}

/// Nobody waits for more servers than that.
const MOST_ATTEMPTS: u64 = 10;
