//! `tls` of a `[backend.NAME]` → what is shown of it.

use crate::config::shown::crl;
use crate::config::shown::table::{Shown, Table};
use crate::config::shown::values::{hex, path, texts};
use crate::config::validate::backend_tls::Tls;
use crate::starttls::protocol::Protocol;
use crate::tls::handshake::connect::Alpn;

pub(super) fn table(tls: &Tls) -> Table {
    let Tls { here: _, starttls, ca, lists, pins, server_name, certificate, policy, alpn } = tls;
    // The other keys of a source cannot be set for a backend.
    let certificate = certificate.as_ref().map(|source| source.value.shown());
    let half = |key| certificate.as_ref().and_then(|shown| shown.get(key)).cloned();
    let alpn: Shown = match alpn {
        Alpn::Client => "client".into(),
        Alpn::Fixed(protocols) => texts(protocols.iter().map(|one| String::from_utf8_lossy(one))).into(),
    };
    Table::default()
        .key("starttls", starttls.map(Protocol::word))
        .key("ca", ca.as_ref().map(|file| path(&file.value)))
        .and(crl::keys(lists))
        .key("pins", texts(pins.iter().map(hex)))
        .key("server_name", server_name.to_str())
        .key("cert", half("cert"))
        .key("key", half("key"))
        .key("passphrase", half("passphrase"))
        .key("policy", &*policy.name)
        .key("alpn", alpn)
}
