//! The metrics that say which labels the operator has given to what. Each is 1, so that a query joins the labels to
//! another metric by a multiplication. Must not know: how metrics are requested, what else is measured.

use prometheus::proto::{Gauge, LabelPair, Metric, MetricFamily, MetricType};

use crate::config::validate::Config;
use crate::labels::Labels;

/// One family for listeners, one for routes and one for backends, each with a row for everything that has labels. A family
/// without rows is left out, since the text format has no place for it.
// By hand: a vector of the library has the same labels in each of its rows.
pub(super) fn families(config: &Config) -> Vec<MetricFamily> {
    let listeners = config.listeners.iter();
    let routes = listeners.clone().flat_map(|listener| listener.routes.iter().map(move |route| (listener, route)));
    let backends = config.backends.iter().map(|backend| &backend.settings);
    [
        family(
            "tlsgate_listener_info",
            "Always 1; the other labels are those of the listener in the configuration.",
            listeners.filter_map(|listener| row(&[("listener", &listener.name)], &listener.labels)),
        ),
        family(
            "tlsgate_route_info",
            "Always 1; the other labels are those of the route in the configuration, without its listener's.",
            routes.filter_map(|(listener, route)| {
                row(&[("listener", &listener.name), ("route", &route.name)], &route.labels)
            }),
        ),
        family(
            "tlsgate_backend_info",
            "Always 1; the other labels are those of the backend in the configuration.",
            backends.filter_map(|backend| row(&[("backend", &backend.name)], &backend.labels)),
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn family(name: &str, help: &str, rows: impl Iterator<Item = Metric>) -> Option<MetricFamily> {
    let rows: Vec<Metric> = rows.collect();
    if rows.is_empty() {
        return None;
    }
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(MetricType::GAUGE);
    family.set_metric(rows);
    Some(family)
}

/// What `own` names, with its labels; `None` where it has none. The configuration allows no label that `own` has too.
fn row(own: &[(&str, &str)], labels: &Labels) -> Option<Metric> {
    if labels.is_empty() {
        return None;
    }
    let pairs = own.iter().copied().chain(labels.iter()).map(|(name, value)| {
        let mut pair = LabelPair::default();
        pair.set_name(name.to_owned());
        pair.set_value(value.to_owned());
        pair
    });
    let mut one = Gauge::default();
    one.set_value(1.0);
    let mut metric = Metric::from_label(pairs.collect());
    metric.set_gauge(one);
    Some(metric)
}
