//! `client_auth` of a listener or a route, as written. Must not know: how keys depend on each other.

use crate::config::decode::Table;
use crate::config::file::revocation::Revocation;
use crate::config::located::Located;
use crate::config::values::Demanded;
use crate::config::values::health::Pinned;
use crate::tls::trust::clients::settings::Live;

/// `client_auth`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientAuth {
    pub here: Located<()>,
    pub mode: Located<Demanded>,
    pub ca: Option<Vec<Located<String>>>,
    pub revocation: Revocation,
    pub names: Option<Vec<Located<String>>>,
    pub pins: Option<Vec<Located<Pinned>>>,
    pub pins_file: Option<Vec<Located<String>>>,
    /// `None` where open connections are never judged again.
    pub live: Option<Live>,
}

impl ClientAuth {
    pub(super) fn read(table: &mut Table<'_>) -> Self {
        let live = table.or("live", Live::Keep).value;
        Self { live: Some(live), ..Self::of_admin(table) }
    }

    /// The same without `live`: the connections of the admin server are short.
    pub(super) fn of_admin(table: &mut Table<'_>) -> Self {
        Self {
            here: table.here(),
            mode: table.or("mode", Demanded(None)),
            ca: table.list("ca"),
            revocation: Revocation::read(table),
            names: table.list("names"),
            pins: table.list("pins"),
            pins_file: table.list("pins_file"),
            live: None,
        }
    }
}
