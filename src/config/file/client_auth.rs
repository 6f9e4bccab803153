//! `client_auth` of a listener or a route, as written. Must not know: how keys depend on each other.

use crate::config::decode::Table;
use crate::config::located::Located;
use crate::config::values::Demanded;
use crate::config::values::health::Pinned;
use crate::tls::trust::clients::settings::ExpiredCrl;

/// `client_auth`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientAuth {
    pub here: Located<()>,
    pub mode: Located<Demanded>,
    pub ca: Option<Vec<Located<String>>>,
    pub crl: Option<Vec<Located<String>>>,
    pub crl_expired: Located<ExpiredCrl>,
    pub names: Option<Vec<Located<String>>>,
    pub pins: Option<Vec<Located<Pinned>>>,
}

impl ClientAuth {
    pub(super) fn read(table: &mut Table<'_>) -> Self {
        Self {
            here: table.here(),
            mode: table.or("mode", Demanded(None)),
            ca: table.list("ca"),
            crl: table.list("crl"),
            crl_expired: table.or("crl_expired", ExpiredCrl::Refuse),
            names: table.list("names"),
            pins: table.list("pins"),
        }
    }
}
