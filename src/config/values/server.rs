//! An entry in a backend's list of servers, an address or a name to look up, and how it is written. Must not know: the
//! other keys of the backend.

use toml::de::DeValue;

use crate::backend::discover::Source;
use crate::backend::pool::outgoing::Outgoing;
use crate::backend::pool::{Entry, Place};
use crate::config::decode::Value;
use crate::net::address::Address;

impl Value for Entry {
    const EXPECTED: &'static str = EXPECTED;

    const TYPES: &'static [&'static str] = &["string", "object"];

    fn read(value: &DeValue<'_>) -> Option<Self> {
        if let Some(text) = value.as_str() {
            return Some(Self { place: place(text)?, weight: 1, backup: false, max_connections: usize::MAX });
        }
        let table = value.as_table()?;
        if table.keys().any(|key| !KEYS.contains(&key.get_ref().as_ref())) {
            return None;
        }
        let number = |key, default, most| match table.get(key) {
            None => Some(default),
            Some(value) => usize::read(value.get_ref()).filter(|number| *number <= most),
        };
        let backup = match table.get("backup") {
            None => false,
            Some(value) => value.get_ref().as_bool()?,
        };
        Some(Self {
            place: place(table.get("address")?.get_ref().as_str()?)?,
            weight: u32::try_from(number("weight", 1, HEAVIEST)?).ok()?,
            backup,
            max_connections: number("max_connections", usize::MAX, usize::MAX)?,
        })
    }
}

impl Value for Outgoing {
    const EXPECTED: &'static str = "\"client\" or an address of this machine";

    const TYPES: &'static [&'static str] = &["string"];

    fn read(value: &DeValue<'_>) -> Option<Self> {
        value.as_str()?.parse().ok()
    }
}

fn place(text: &str) -> Option<Place> {
    if let Some(rest) = text.strip_prefix("dns:") {
        let (name, port) = rest.rsplit_once(':')?;
        let port = port.parse().ok().filter(|port| *port != 0)?;
        // One form for all spellings: names that differ only in case are one source, looked up once.
        return is_name(name).then(|| Place::Source(Source::Dns { name: name.to_ascii_lowercase(), port }));
    }
    if let Some(name) = text.strip_prefix("srv:") {
        return is_name(name).then(|| Place::Source(Source::Srv { name: name.to_ascii_lowercase() }));
    }
    Address::parse(text).map(Place::Address)
}

/// Letters, digits, hyphens and underscores in labels of up to 63 (RFC 1035, RFC 2782); a trailing dot turns
/// search domains off.
fn is_name(name: &str) -> bool {
    let labels = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    labels.len() <= 253 && labels.split('.').all(is_label)
}

/// What an entry may be, for errors.
pub const EXPECTED: &str = "an IP address and a port, such as \"10.0.1.10:389\", a name to be looked up, such as \"dns:web.internal:8443\" or \"srv:_ldap._tcp.corp.example.com\", the path of a Unix socket, such as \"unix:/run/x.sock\", or a table such as { address = \"10.0.1.10:389\", weight = 2, backup = true, max_connections = 100 } (a weight from 1 to 1000)";

const KEYS: [&str; 4] = ["address", "weight", "backup", "max_connections"];
const HEAVIEST: usize = 1000;
