//! The keys of a listener or a route that limit its clients → what is shown of them.

use serde_json::Value;

use crate::config::shown::table::{Shown, Table};
use crate::config::shown::values::{files, most, rate, texts, time};
use crate::config::validate::limits::Limits;
use crate::limit::counts::{self, Failures};
use crate::limit::rate::Rate;

pub(super) fn table(limits: &Limits) -> Table {
    let Limits {
        allow,
        deny,
        deny_ja4,
        allow_file,
        deny_file,
        deny_ja4_file,
        counts:
            counts::Limits {
                max_connections,
                max_connections_per_client,
                rate: connection_rate,
                rate_per_client: connection_rate_per_client,
                handshake_failures,
            },
    } = limits;
    Table::default()
        .key("allow", texts(allow))
        .key("allow_file", files(allow_file))
        .key("deny", texts(deny))
        .key("deny_file", files(deny_file))
        .key("deny_ja4", texts(deny_ja4))
        .key("deny_ja4_file", files(deny_ja4_file))
        .key("max_connections", most(*max_connections))
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
