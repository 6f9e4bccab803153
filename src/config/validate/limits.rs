//! The limits of a listener or a route, valid.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use ipnet::IpNet;

use crate::config::file;
use crate::config::located::{ConfigError, Located};
use crate::config::validate::paths::files;
use crate::config::values::limits::ProxyHeader;
use crate::ja4::Ja4;
use crate::limit::counts;
use crate::limit::prefixes::exact;

/// The limits of a listener or a route on its clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    pub allow: Vec<IpNet>,
    pub deny: Vec<IpNet>,
    /// The clients that are refused by their ClientHello.
    pub deny_ja4: BTreeSet<Ja4>,
    /// The files with more of the three.
    pub allow_file: Vec<Located<PathBuf>>,
    pub deny_file: Vec<Located<PathBuf>>,
    pub deny_ja4_file: Vec<Located<PathBuf>>,
    /// How many and how often.
    pub counts: counts::Limits,
}

impl Limits {
    /// The files of lists.
    pub fn files(&self) -> impl Iterator<Item = &Located<PathBuf>> {
        self.allow_file.iter().chain(&self.deny_file).chain(&self.deny_ja4_file)
    }
}

pub(super) fn validated(limits: file::limits::Limits, folder: &Path, errors: &mut Vec<ConfigError>) -> Limits {
    let allow = prefixes(limits.allow.unwrap_or_default(), errors);
    let allowed: HashSet<IpNet> = allow.iter().copied().collect();
    let mut deny = Vec::new();
    for prefix in limits.deny.unwrap_or_default() {
        // The longer prefix decides between the two lists, and these are equally long.
        if allowed.contains(&prefix.value) {
            errors.push(prefix.error(format!("{} is in allow as well (expected in one of the two)", prefix.value)));
        } else {
            deny.push(prefix);
        }
    }
    Limits {
        allow,
        deny: prefixes(deny, errors),
        deny_ja4: limits.deny_ja4.into_iter().flatten().map(|ja4| ja4.value).collect(),
        allow_file: files(limits.allow_file, folder),
        deny_file: files(limits.deny_file, folder),
        deny_ja4_file: files(limits.deny_ja4_file, folder),
        counts: counts::Limits {
            max_connections: limits.max_connections.map_or(usize::MAX, |most| most.value),
            max_connections_per_client: limits.max_connections_per_client.map(|most| most.value),
            rate: limits.connection_rate.map(|rate| rate.value),
            rate_per_client: limits.connection_rate_per_client.map(|rate| rate.value),
            handshake_failures: limits.handshake_failures.map(|failures| failures.value),
        },
    }
}

/// The proxies whose PROXY headers are trusted; `None` where no header is read.
pub(super) fn trusted(
    header: Located<ProxyHeader>,
    proxies: Option<Vec<Located<IpNet>>>,
    errors: &mut Vec<ConfigError>,
) -> Option<Vec<IpNet>> {
    match (header.value, proxies) {
        (ProxyHeader::Require, Some(proxies)) => Some(prefixes(proxies, errors)),
        (ProxyHeader::Require, None) => {
            errors.push(header.error(
                "\"require\" without trusted_proxies (expected the addresses or prefixes of the proxies whose headers are trusted)",
            ));
            None
        }
        (ProxyHeader::Off, Some(proxies)) => {
            // An operator who lists proxies expects that their headers are read.
            if let Some(first) = proxies.first() {
                errors.push(first.error("trusted_proxies without proxy_protocol = \"require\""));
            }
            None
        }
        (ProxyHeader::Off, None) => None,
    }
}

/// Prefixes without repetition. A bit after the prefix is an error: an operator who sets one means another prefix.
pub(super) fn prefixes(written: Vec<Located<IpNet>>, errors: &mut Vec<ConfigError>) -> Vec<IpNet> {
    let (mut prefixes, mut seen) = (Vec::with_capacity(written.len()), HashSet::new());
    for prefix in written {
        match exact(prefix.value) {
            Ok(exact) if seen.insert(exact) => prefixes.push(exact),
            Ok(_) => {}
            Err(reason) => errors.push(prefix.error(reason)),
        }
    }
    prefixes
}
