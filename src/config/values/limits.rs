//! How limits on clients are written: prefixes of addresses, JA4, rates, the block after failed handshakes, PROXY headers.
//! Must not know: which key holds which.

use std::num::NonZeroU32;
use std::time::Duration;

use ipnet::IpNet;
use toml::de::DeValue;

use crate::config::decode::Value;
use crate::ja4::Ja4;
use crate::limit::counts::Failures;
use crate::limit::prefixes;
use crate::limit::rate::Rate;
use crate::words::words;

/// Whether a connection must begin with a PROXY header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyHeader {
    Off,
    Require,
}

words! { ProxyHeader { Off => "off", Require => "require" } }

impl Value for IpNet {
    const EXPECTED: &'static str = prefixes::EXPECTED;

    fn read(value: &DeValue<'_>) -> Option<Self> {
        prefixes::parse(value.as_str()?)
    }
}

impl Value for Ja4 {
    const EXPECTED: &'static str = Self::EXPECTED;

    fn read(value: &DeValue<'_>) -> Option<Self> {
        Self::parse(value.as_str()?)
    }
}

impl Value for Rate {
    const EXPECTED: &'static str =
        "a number per unit of time, such as \"100/s\", \"20/m\" or { rate = \"100/s\", burst = 200 }";

    const TYPES: &'static [&'static str] = &["string", "object"];

    fn read(value: &DeValue<'_>) -> Option<Self> {
        if let Some(text) = value.as_str() {
            let (count, per) = count_in_time(text)?;
            // Without a burst, as many as the rate counts may come together.
            return Some(Self { count, per, burst: count });
        }
        let table = value.as_table()?;
        if table.keys().any(|key| !["rate", "burst"].contains(&key.get_ref().as_ref())) {
            return None;
        }
        let (count, per) = count_in_time(table.get("rate")?.get_ref().as_str()?)?;
        let burst = table.get("burst").map_or(Some(count), |burst| number(burst.get_ref()))?;
        Some(Self { count, per, burst })
    }
}

impl Value for Failures {
    const EXPECTED: &'static str = "a table such as { limit = 20, window = \"1m\", block = \"10m\" }";

    const TYPES: &'static [&'static str] = &["object"];

    fn read(value: &DeValue<'_>) -> Option<Self> {
        let table = value.as_table()?;
        if table.keys().any(|key| !["limit", "window", "block"].contains(&key.get_ref().as_ref())) {
            return None;
        }
        let duration = |key| table.get(key).and_then(|value| Duration::read(value.get_ref()));
        let limit = number(table.get("limit")?.get_ref())?;
        let rate = Rate { count: limit, per: duration("window")?, burst: limit };
        Some(Self { rate, block: duration("block")? })
    }
}

/// A rate as it is written, without its burst.
pub fn shown(rate: Rate) -> String {
    let unit = match rate.per.as_secs() {
        3600 => "h",
        60 => "m",
        _ => "s",
    };
    format!("{}/{unit}", rate.count)
}

fn count_in_time(text: &str) -> Option<(NonZeroU32, Duration)> {
    let (count, unit) = text.split_once('/')?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return None,
    };
    // Rust's `parse` would accept a plus sign.
    let digits = count.bytes().all(|byte| byte.is_ascii_digit());
    count.parse().ok().filter(|_| digits).map(|count| (count, Duration::from_secs(seconds)))
}

fn number(value: &DeValue<'_>) -> Option<NonZeroU32> {
    usize::read(value).and_then(|number| u32::try_from(number).ok()).and_then(NonZeroU32::new)
}
