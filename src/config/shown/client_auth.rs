//! `client_auth` of a listener or a route → what is shown of it.

use crate::config::shown::crl;
use crate::config::shown::table::Table;
use crate::config::shown::values::{files, pin, texts};
use crate::config::validate::client_auth::ClientAuth;
use crate::config::values::Demanded;
use crate::tls::trust::clients::settings::Settings;

/// Only the mode where clients are not asked for a certificate: the other keys then have no effect.
pub(super) fn table(auth: Option<&ClientAuth>) -> Table {
    let mode = Demanded(auth.map(|auth| auth.settings.demand));
    let table = Table::default().key("mode", mode.word());
    let Some(auth) = auth else { return table };
    let ClientAuth { here: _, settings, ca, lists, pins_file, live } = auth;
    // `lists` in the settings is that of the lists.
    let Settings { demand: _, lists: _, names, pins } = settings;
    table
        .key("ca", files(ca))
        .and(crl::keys(lists))
        .key("names", texts(names))
        .key("pins", texts(pins.iter().map(pin)))
        .key("pins_file", files(pins_file))
        .and(live.map(|live| Table::default().key("live", live.word())).unwrap_or_default())
}
