//! An entry in a list of backends that share connections, and how it is written. Must not know: which backends there are.

use toml::de::DeValue;

use crate::config::decode::Value;

/// The name of a backend, and its weight among the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weighted {
    pub backend: String,
    /// 0 to [`HEAVIEST`].
    pub weight: u32,
}

impl Value for Weighted {
    const EXPECTED: &'static str =
        "the name of a backend, or a table such as { backend = \"blue\", weight = 95 } (a weight from 0 to 1000)";

    const TYPES: &'static [&'static str] = &["string", "object"];

    fn read(value: &DeValue<'_>) -> Option<Self> {
        if let Some(text) = value.as_str() {
            return Some(Self { backend: text.to_owned(), weight: 1 });
        }
        let table = value.as_table()?;
        if table.keys().any(|key| !["backend", "weight"].contains(&key.get_ref().as_ref())) {
            return None;
        }
        let weight = match table.get("weight") {
            None => 1,
            Some(weight) => number(weight.get_ref())?,
        };
        Some(Self { backend: table.get("backend")?.get_ref().as_str()?.to_owned(), weight })
    }
}

fn number(value: &DeValue<'_>) -> Option<u32> {
    let number = value.as_integer()?;
    u32::from_str_radix(number.as_str(), number.radix()).ok().filter(|weight| *weight <= HEAVIEST)
}

/// The largest weight of a backend.
pub const HEAVIEST: u32 = 1000;
