//! How sources of passphrases are written. Must not know: which key holds them, what they open.

use toml::de::DeValue;

use crate::config::decode::Value;
use crate::passphrase::{EXPECTED, Source};

impl Value for Source {
    const EXPECTED: &'static str = EXPECTED;

    fn read(value: &DeValue<'_>) -> Option<Self> {
        Self::parse(value.as_str()?)
    }
}
