//! How names are resolved, as far as it can be validated without a query.

use crate::backend::discover::settings::Settings;
use crate::config::file;
use crate::config::located::ConfigError;

pub(super) fn validated(resolver: file::resolver::Resolver, errors: &mut Vec<ConfigError>) -> Settings {
    let file::resolver::Resolver { nameservers, timeout, min_ttl, max_ttl } = resolver;
    if max_ttl.value < min_ttl.value {
        let least = humantime::format_duration(min_ttl.value);
        errors.push(max_ttl.error(format!("is shorter than min_ttl, which is {least}")));
    }
    Settings {
        name_servers: nameservers.into_iter().flatten().map(|server| server.value.0).collect(),
        timeout: timeout.value,
        min_ttl: min_ttl.value,
        max_ttl: max_ttl.value,
    }
}
