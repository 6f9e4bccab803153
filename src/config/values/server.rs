//! A server in the list of a backend, and how it is written. Must not know: which keys stand beside the list.

use toml::de::DeValue;

use crate::backend::pool::Entry;
use crate::config::decode::Value;
use crate::net::address::Address;

impl Value for Entry {
    const EXPECTED: &'static str = EXPECTED;

    fn read(value: &DeValue<'_>) -> Option<Self> {
        if let Some(text) = value.as_str() {
            return Some(Self {
                address: Address::parse(text)?,
                weight: 1,
                backup: false,
                max_connections: usize::MAX,
            });
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
            address: Address::parse(table.get("address")?.get_ref().as_str()?)?,
            weight: u32::try_from(number("weight", 1, HEAVIEST)?).ok()?,
            backup,
            max_connections: number("max_connections", usize::MAX, usize::MAX)?,
        })
    }
}

/// What a server may look like.
pub const EXPECTED: &str = "an IP address and a port, such as \"10.0.1.10:389\", the path of a Unix socket, such as \"unix:/run/x.sock\", or a table such as { address = \"10.0.1.10:389\", weight = 2, backup = true, max_connections = 100 } (a weight from 1 to 1000)";

const KEYS: [&str; 4] = ["address", "weight", "backup", "max_connections"];
const HEAVIEST: usize = 1000;
