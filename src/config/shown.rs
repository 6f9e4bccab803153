//! The configuration → what is shown of it: every key under its own name, with the value as it would be written, defaults
//! included. The admin server shows this, and a reload compares two of them. Must not know: what it is used for.
//!
//! Every struct is destructured without `..`: a key that is added but not shown does not compile. Paths of secrets are
//! shown, never the secrets.

mod acme;
mod admin;
mod backend;
mod backend_tls;
mod bounds;
mod client_auth;
mod crl;
mod health;
mod keys;
mod limits;
mod listener;
mod log;
mod policy;
mod process;
mod resolver;
mod route;
mod runtime;
mod state;
pub mod table;
pub mod values;
pub mod written;

use crate::config::validate::Config;
use table::{Form, Table, Tables};

/// The whole configuration.
pub fn config(config: &Config) -> Table {
    let Config {
        admin,
        log,
        process,
        runtime,
        bounds,
        resolver,
        state,
        keys,
        acme,
        authority_files: _,
        crl,
        crl_ca: _,
        listeners,
        backends,
        policies,
        warnings: _,
        // It is not a part of what is served.
        fleet: _,
    } = config;
    let policies = policies.iter().map(|policy| (policy.name.to_string(), policy::table(policy))).collect();
    Table::default()
        .key("admin", admin::table(admin))
        .key("log", log::table(log))
        .key("process", process::table(process))
        .key("runtime", runtime::table(runtime))
        .key("limits", bounds::table(bounds))
        .key("resolver", resolver::table(resolver))
        .key("state", state::table(state))
        .key("keys", keys::table(keys))
        .key("crl", crl::table(crl))
        .key("acme", acme::tables(acme))
        .key("listener", listener::tables(listeners))
        .key("policy", Tables { one: "policy", form: Form::Named, all: policies })
        .key("backend", backend::tables(backends))
}
