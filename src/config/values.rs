//! The kinds of value that keys hold, and how each is written. Must not know: which key holds which.

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::Duration;

use toml::de::DeValue;

use crate::config::decode::Value;
use crate::net::address::Address;
use crate::net::endpoint::Endpoint;
use crate::observe::access::target::Target;
use crate::tls::trust::clients::settings::Demand;
use crate::words::words;

pub mod backend_tls;
pub mod bounds;
pub mod certificates;
pub mod fleet;
pub mod health;
pub mod labels;
pub mod limits;
mod passphrase;
pub mod process;
pub mod resolver;
pub mod server;
pub mod weighted;

/// `"auto"` or a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workers {
    /// One for each processor core.
    Auto,
    Count(usize),
}

/// The permissions of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode(pub u32);

/// A host as a URL has it, without a port: a name in lower case without a trailing dot, or an IP address without brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostName(pub String);

impl HostName {
    /// Reads a name or an IP address. Underscores are allowed, as in the names of Docker Compose services.
    pub fn parse(text: &str) -> Option<Self> {
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Some(Self(address.to_string()));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let fine = |label: &str| {
            let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            !label.is_empty() && label.bytes().all(known)
        };
        // 255 bytes on the wire (RFC 1035 section 2.3.4) are 253 characters.
        (name.len() <= 253 && name.split('.').all(fine)).then(|| Self(name.to_ascii_lowercase()))
    }
}

impl Value for HostName {
    const EXPECTED: &'static str = "the name or IP address of a host, without a port, such as \"tlsgate\"";

    fn read(value: &DeValue<'_>) -> Option<Self> {
        Self::parse(value.as_str()?)
    }
}

/// Whether clients are asked for a certificate: `None` for no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demanded(pub Option<Demand>);

words! {
    Demanded { (None) => "off", (Some(Demand::Optional)) => "optional", (Some(Demand::Require)) => "require" }
}

/// Application protocols (RFC 7301), the preferred one first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Protocols(pub Vec<Box<[u8]>>);

impl Value for Protocols {
    const EXPECTED: &'static str =
        "a list of application protocols, each once and of 1 to 255 bytes, such as [\"h2\", \"http/1.1\"]";

    const TYPES: &'static [&'static str] = &["string", "array"];

    fn read(value: &DeValue<'_>) -> Option<Self> {
        let texts = match value {
            DeValue::Array(items) => items.iter().map(|item| item.get_ref().as_str()).collect::<Option<Vec<_>>>()?,
            single => vec![single.as_str()?],
        };
        let mut seen = HashSet::new();
        // The length on the wire is one byte, and not zero (RFC 7301 section 3.1).
        let fine = texts.iter().all(|text| (1..=255).contains(&text.len()) && seen.insert(*text));
        fine.then(|| Self(texts.iter().map(|text| Box::from(text.as_bytes())).collect()))
    }
}

impl Value for String {
    const EXPECTED: &'static str = "a text in quotes";

    fn read(value: &DeValue<'_>) -> Option<Self> {
        value.as_str().map(str::to_owned)
    }
}

impl Value for bool {
    const EXPECTED: &'static str = "true or false";

    const TYPES: &'static [&'static str] = &["boolean"];

    fn read(value: &DeValue<'_>) -> Option<Self> {
        value.as_bool()
    }
}

impl Value for usize {
    const EXPECTED: &'static str = "a whole number from 1";

    const TYPES: &'static [&'static str] = &["integer"];

    fn read(value: &DeValue<'_>) -> Option<Self> {
        let number = value.as_integer()?;
        // No count here needs more than 32 bits, and later conversions to u32 are exact.
        usize::from_str_radix(number.as_str(), number.radix())
            .ok()
            .filter(|count| (1..=u32::MAX as usize).contains(count))
    }
}

impl Value for Duration {
    const EXPECTED: &'static str = "a time with its unit, longer than zero, such as \"500ms\", \"10s\" or \"1h\"";

    fn read(value: &DeValue<'_>) -> Option<Self> {
        let duration = humantime::parse_duration(value.as_str()?).ok()?;
        // A millisecond is the resolution of timers. Ten years at most: a much longer time could overflow when it is added
        // to the clock.
        (Duration::from_millis(1)..=Duration::from_secs(315_360_000)).contains(&duration).then_some(duration)
    }
}

impl Value for Endpoint {
    const EXPECTED: &'static str = "an IP address and a port, such as \"10.0.1.10:389\" or \"[::1]:636\", the path of a Unix socket, such as \"unix:/run/x.sock\", or the name of sockets that systemd passes, such as \"systemd:ldaps\"";

    fn read(value: &DeValue<'_>) -> Option<Self> {
        Self::parse(value.as_str()?)
    }
}

/// An endpoint whose address, if it has one, is TCP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpEndpoint(pub Endpoint);

impl Value for TcpEndpoint {
    const EXPECTED: &'static str = "an IP address and a port, such as \"0.0.0.0:80\" or \"[::]:80\", or the name of sockets that systemd passes, such as \"systemd:http\"";

    fn read(value: &DeValue<'_>) -> Option<Self> {
        Endpoint::parse(value.as_str()?)
            .filter(|endpoint| !matches!(endpoint, Endpoint::Bound(Address::Unix(_))))
            .map(Self)
    }
}

impl Value for Mode {
    const EXPECTED: &'static str = "permissions in octal digits, such as \"0600\" or \"0660\"";

    fn read(value: &DeValue<'_>) -> Option<Self> {
        // `from_str_radix` would accept a plus sign.
        let text = value.as_str().filter(|text| text.chars().all(|c| c.is_digit(8)))?;
        // The bits above (set-user-ID, set-group-ID, sticky) mean nothing for a socket.
        u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777).map(Self)
    }
}

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

impl Value for Workers {
    const EXPECTED: &'static str = "\"auto\" or a number from 1 to 1024";

    const TYPES: &'static [&'static str] = &["string", "integer"];

    fn read(value: &DeValue<'_>) -> Option<Self> {
        match value.as_str() {
            Some("auto") => Some(Self::Auto),
            _ => usize::read(value).filter(|count| *count <= 1024).map(Self::Count),
        }
    }
}

impl Value for Target {
    const EXPECTED: &'static str = "\"stdout\", \"stderr\", \"off\" or a path";

    fn read(value: &DeValue<'_>) -> Option<Self> {
        Some(match value.as_str()? {
            "" => return None,
            "stdout" => Self::Stdout,
            "stderr" => Self::Stderr,
            "off" => Self::Off,
            path => Self::File(path.into()),
        })
    }
}
