//! How the application protocols that are offered to a server are written. Must not know: which key holds them.

use toml::de::DeValue;

use crate::config::decode::Value;
use crate::tls::handshake::connect::Alpn;

impl Value for Alpn {
    const EXPECTED: &'static str = "a list of protocols such as [\"h2\", \"http/1.1\"], or \"client\"";

    const TYPES: &'static [&'static str] = &["string", "array"];

    fn read(value: &DeValue<'_>) -> Option<Self> {
        if value.as_str() == Some("client") {
            return Some(Self::Client);
        }
        let protocol = |item: &toml::Spanned<DeValue<'_>>| {
            let text = item.get_ref().as_str()?;
            (1..=255).contains(&text.len()).then(|| text.as_bytes().to_vec())
        };
        value.as_array()?.iter().map(protocol).collect::<Option<_>>().map(Self::Fixed)
    }
}
