//! A job → the job with values that tlsgate accepts: what is outside of its bounds goes to the list, so that what is written
//! passes `check`. Must not know: the peers, which word of a peer a value comes from, files.

use std::collections::BTreeSet;

use hyper::http::uri::PathAndQuery;

use super::job::{Certificate, ClientAuth, Health, Job, Listener, Maybe, Mode, Route, Said};
use super::list::List;
use super::time;
use crate::tls::trust::clients::identity::Allowed;
use values::{COUNT, LONGEST_PATH, is_count, is_file_of_pem, lost, protocols, unreadable};

mod servers;
mod values;

/// The job within tlsgate's bounds.
pub(super) fn within(mut job: Job, list: &mut List) -> Job {
    let mut taken = BTreeSet::new();
    for listener in &mut job.listeners {
        addresses(listener, &mut taken, list);
        settings(listener, list);
        sources(listener, list);
        routes(&mut listener.routes, list);
        clients(listener, list);
    }
    job.listeners.retain(|listener| !listener.listen.is_empty());
    for backend in &mut job.backends {
        servers::within(backend, list);
        backend.health.iter_mut().for_each(|health| self::health(health, list));
    }
    job
}

/// Each address once: a peer's sections may share one, listeners of tlsgate do not.
fn addresses(listener: &mut Listener, taken: &mut BTreeSet<String>, list: &mut List) {
    let mut own = BTreeSet::new();
    listener.listen.retain(|Said { value, line }| {
        if value.strip_prefix("unix:").is_some_and(|path| path.len() > LONGEST_PATH) {
            list.lost(line, value, format!("the path of a socket has at most {LONGEST_PATH} bytes"));
            return false;
        }
        if !own.insert(value.clone()) {
            list.note(line, value, "the address is listed twice");
            return false;
        }
        let is_free = taken.insert(value.clone());
        if !is_free {
            list.lost(line, value, "another listener has this address already");
        }
        is_free
    });
}

fn settings(listener: &mut Listener, list: &mut List) {
    let is_mode =
        |mode: &String| (1..=4).contains(&mode.len()) && u32::from_str_radix(mode, 8).is_ok_and(|mode| mode <= 0o777);
    kept(&mut listener.socket_mode, is_mode, "socket_mode", "expected permissions in octal digits", list);
    kept(&mut listener.max_connections, |most| is_count(*most), "max_connections", COUNT, list);
    if let Some(Said { value, line }) = &mut listener.ticket_lifetime
        && time::length(value) > LONGEST_LIFETIME
    {
        list.note(line, &*value, "tickets are valid for seven days at most (RFC 8446 section 4.6.1)");
        "7d".clone_into(value);
    }
    let named = listener.routes.iter().any(|route| route.client_alpn.iter().any(|name| name == CHALLENGE));
    if let Some(Said { value, line }) = &mut listener.alpn {
        protocols(value, line, list);
        if !named && value.iter().any(|name| name == CHALLENGE) {
            list.lost(
                line,
                CHALLENGE,
                "certificate authorities check a name by it: only a route of its own can have it",
            );
            value.retain(|name| name != CHALLENGE);
        }
    }
    listener.alpn.take_if(|alpn| alpn.value.is_empty());
}

/// Certificates that tlsgate can read. Nothing is terminated without one.
fn sources(listener: &mut Listener, list: &mut List) {
    let mut is_lost = |certificates: &mut Vec<Said<Certificate>>| {
        let before = certificates.len();
        certificates.retain(|Said { value, line }| {
            let files = [Some(&value.path), value.key.as_ref()];
            let wrong = files.into_iter().flatten().find_map(|file| Some((file, unreadable(file)?)));
            if let Some((file, why)) = wrong {
                list.lost(line, file, why);
            }
            wrong.is_none()
        });
        certificates.is_empty() && before > 0
    };
    if is_lost(&mut listener.certificates) {
        refuse(listener);
    }
    listener
        .routes
        .iter_mut()
        .filter_map(|route| is_lost(&mut route.certificates).then_some(route))
        .for_each(refuse_route);
}

/// Nothing is let through that no route takes.
fn refuse(listener: &mut Listener) {
    (listener.mode, listener.backend, listener.client_auth) = (Mode::Reject, None, None);
}

fn refuse_route(route: &mut Route) {
    (route.mode, route.backend, route.client_auth, route.tls) = (Mode::Reject, None, None, None);
    route.certificates.clear();
}

/// Routes without those that an earlier one leaves nothing for. Names are already distinct.
fn routes(routes: &mut Vec<Route>, list: &mut List) {
    let mut seen: Vec<(Vec<String>, Vec<String>, bool)> = Vec::new();
    routes.retain(|route| {
        let key = (route.server_names.clone(), route.client_alpn.clone(), route.nameless);
        let is_new = !seen.contains(&key);
        match is_new {
            true => seen.push(key),
            false => list.note(&route.line, route.client_alpn.join(" "), "an earlier route takes these connections"),
        }
        is_new
    });
}

/// Clients whose certificates have none of the right names are refused: all of them, if no name is right. So they are where
/// the CAs, or a list of revoked certificates, cannot be read.
fn clients(listener: &mut Listener, list: &mut List) {
    let mut is_nobody = |auth: &mut Option<ClientAuth>| {
        auth.as_mut().is_some_and(|auth| !identities(auth, list) || !authorities(auth, list))
    };
    if is_nobody(&mut listener.client_auth) {
        refuse(listener);
    }
    listener
        .routes
        .iter_mut()
        .filter_map(|route| is_nobody(&mut route.client_auth).then_some(route))
        .for_each(refuse_route);
}

/// Leaves out names of clients that no certificate has. Whether there are others, or there were none.
fn identities(auth: &mut ClientAuth, list: &mut List) -> bool {
    let ClientAuth { names, line, .. } = auth;
    let wrong: Vec<String> = names.iter().filter(|name| Allowed::parse(name).is_err()).cloned().collect();
    names.retain(|name| !wrong.contains(name));
    if !wrong.is_empty() {
        list.security(line, wrong.join(" "), "a certificate of a client cannot have this name");
    }
    wrong.is_empty() || !names.is_empty()
}

/// Leaves out files of CAs that tlsgate cannot read. Whether there are others, and each list of revoked certificates can be read.
fn authorities(auth: &mut ClientAuth, list: &mut List) -> bool {
    let ClientAuth { ca, crl, line, .. } = auth;
    ca.retain(|file| is_file_of_pem(file, line, list));
    let before = crl.len();
    crl.retain(|file| is_file_of_pem(file, line, list));
    !ca.is_empty() && crl.len() == before
}

fn health(health: &mut Health, list: &mut List) {
    let Health { line, rise, fall, port, method, path, host, status, .. } = health;
    for (key, number) in [("rise", rise), ("fall", fall)] {
        number.take_if(|number| lost(!is_count(*number), line, format!("{key} {number}"), COUNT, list));
    }
    port.take_if(|port| lost(!(1..=65535).contains(port), line, format!("port {port}"), "expected a port", list));
    let is_token = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    method.take_if(|method| lost(!is_token(method), line, method.clone(), "expected a method such as GET", list));
    let is_graphic = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
    let is_path = |path: &str| path.starts_with('/') && is_graphic(path) && path.parse::<PathAndQuery>().is_ok();
    path.take_if(|path| lost(!is_path(path), line, path.clone(), "expected a path such as /health", list));
    host.take_if(|host| lost(!is_graphic(host), line, host.clone(), "expected a host name", list));
    // As numbers: a number of TOML has no zeros before it.
    *status = std::mem::take(status)
        .into_iter()
        .filter_map(|text| {
            let number = self::status(&text);
            lost(number.is_none(), line, text, "expected a status of HTTP, or a range", list);
            number
        })
        .collect();
}

/// `200` or `200-299`.
fn status(text: &str) -> Option<String> {
    // The classes of RFC 9110 section 15.
    let code = |code: &str| code.parse::<u16>().ok().filter(|code| (100..=599).contains(code));
    match text.split_once('-') {
        Some((first, last)) => {
            let (first, last) = code(first).zip(code(last)).filter(|(first, last)| first <= last)?;
            Some(format!("{first}-{last}"))
        }
        None => code(text).map(|code| code.to_string()),
    }
}

/// Leaves out a value that is none for tlsgate.
fn kept<T: std::fmt::Display>(
    value: &mut Maybe<T>,
    is_right: impl Fn(&T) -> bool,
    key: &str,
    why: &str,
    list: &mut List,
) {
    value.take_if(|Said { value, line }| lost(!is_right(value), line, format!("{key} {value}"), why, list));
}

/// Seven days in milliseconds (RFC 8446 section 4.6.1).
const LONGEST_LIFETIME: u64 = 604_800_000;

/// The protocol of tls-alpn-01 (RFC 8737).
const CHALLENGE: &str = "acme-tls/1";

#[cfg(test)]
mod tests;
