//! What every test uses: the program, certificates, backends, other tools.

pub(crate) mod acme;
pub(crate) mod attacker;
pub(crate) mod backend;
pub(crate) mod bare;
pub(crate) mod bind;
pub(crate) mod browser;
pub(crate) mod by_hand;
pub(crate) mod cgroup;
pub(crate) mod check;
pub(crate) mod client;
pub(crate) mod clients_pki;
pub(crate) mod clock;
pub(crate) mod dns;
pub(crate) mod dovecot;
pub(crate) mod etcd;
pub(crate) mod exim;
pub(crate) mod forge;
pub(crate) mod haproxy;
pub(crate) mod hello;
pub(crate) mod http;
pub(crate) mod keys;
pub(crate) mod ldap;
pub(crate) mod list_server;
pub(crate) mod middlebox;
pub(crate) mod nginx;
pub(crate) mod node;
pub(crate) mod pki;
pub(crate) mod postgres;
pub(crate) mod procfs;
pub(crate) mod proxy;
pub(crate) mod recorder;
pub(crate) mod reports;
pub(crate) mod slapd;
pub(crate) mod stage;
pub(crate) mod stream;
pub(crate) mod tool;
pub(crate) mod varnish;

use std::time::Duration;

/// The bound of every wait; no test asserts how long anything takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
