//! `[crl]`, and the keys about lists of revoked certificates → what is shown of them.

use crate::config::shown::table::Table;
use crate::config::shown::values::{files, path, time};
use crate::config::validate::revocation::{Fetched, Lists};
use crate::lists::settings::Settings;
use crate::tls::trust::lists::rules::Rules;

pub(super) fn table(settings: &Settings) -> Table {
    let Settings { state: _, proxy, ca, refresh, timeout, wanted: _ } = settings;
    Table::default()
        .key("proxy", proxy.as_ref().map(ToString::to_string))
        .key("ca", ca.as_ref().map(|file| path(file)))
        .key("refresh", time(*refresh))
        .key("timeout", time(*timeout))
}

/// `crl`, `crl_expired` and `crl_missing`
pub(super) fn keys(lists: &Lists) -> Table {
    let Lists { files: named, fetched, rules } = lists;
    // The others follow from `crl`.
    let Rules { asked: _, expired, missing, points: _, awaited: _ } = rules;
    let fetched = fetched.iter().map(|one| Fetched::text(&one.value));
    Table::default()
        .key("crl", files(named).into_iter().chain(fetched).collect::<Vec<_>>())
        .key("crl_expired", expired.word())
        .key("crl_missing", missing.word())
}
