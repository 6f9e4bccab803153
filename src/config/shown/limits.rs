//! The keys of a listener that limit its clients → what is shown of them.

use serde_json::Value;

use crate::config::shown::table::{Shown, Table};
use crate::config::shown::values::{rate, texts, time};
use crate::config::validate::limits::Limits;
use crate::limit::admission::{self, Failures};
use crate::limit::rate::Rate;

pub(super) fn table(limits: &Limits) -> Table {
    let Limits {
        allow,
        deny,
        deny_ja4,
        counts:
            admission::Limits {
                max_connections,
                max_connections_per_client,
                rate: connection_rate,
                rate_per_client: connection_rate_per_client,
                handshake_failures,
            },
    } = limits;
    Table::default()
        .key("allow", texts(allow))
        .key("deny", texts(deny))
        .key("deny_ja4", texts(deny_ja4))
        .key("max_connections", *max_connections)
        .key("max_connections_per_client", *max_connections_per_client)
        .key("connection_rate", rate(*connection_rate))
        .key("connection_rate_per_client", rate(*connection_rate_per_client))
        .key("handshake_failures", failures(*handshake_failures))
}

fn failures(failures: Option<Failures>) -> Shown {
    let Some(failures) = failures else { return Value::Null.into() };
    let Failures { rate: Rate { count, per, burst: _ }, block } = failures;
    Shown::Inline(Table::default().key("limit", count.get()).key("window", time(per)).key("block", time(block)))
}
