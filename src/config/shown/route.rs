//! `[[listener.route]]` → what is shown of it.

use crate::config::shown::table::{Form, Table, Tables};
use crate::config::shown::values::{backends, certificates, labels, protocols, texts, time};
use crate::config::shown::{client_auth, limits};
use crate::config::validate::route::Route;
use crate::route::index::{Match, Mode};

/// A list in any order: the order of routes does not decide which one takes a client.
pub(super) fn tables(routes: &[Route]) -> Tables {
    let all = routes.iter().map(|route| (route.name.to_string(), table(route)));
    Tables { one: "route", form: Form::List, all: all.collect() }
}

/// The keys about TLS are shown only where it is terminated: elsewhere they have no effect.
fn table(route: &Route) -> Table {
    let Route {
        here: _,
        name,
        labels: own,
        matching,
        mode,
        policy,
        certificates: sources,
        alpn,
        client_auth: auth,
        max_age,
        limits: limited,
        backends: shares,
    } = route;
    let Match { names, nameless, protocols: matched } = matching;
    let table = Table::default()
        .key("name", &**name)
        .key("labels", labels(own))
        .key("server_names", texts(names))
        .key("no_server_name", *nameless)
        .key("client_alpn", protocols(matched))
        .key("mode", mode.word())
        .and(backends(shares))
        .key("max_connection_age", max_age.map(time))
        .and(limits::table(limited));
    match mode {
        Mode::Terminate => table
            .key("policy", &*policy.name)
            .key("certificates", certificates(sources))
            .key("alpn", protocols(alpn))
            .key("client_auth", client_auth::table(auth.as_ref())),
        Mode::Passthrough | Mode::Reject => table,
    }
}
