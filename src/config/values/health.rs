//! The kinds of value that a health check's keys hold. Must not know: which key holds which.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use toml::de::DeValue;

use crate::config::decode::Value;
use crate::tls::trust::servers::Pin;
use crate::words::words;

/// The protocol of a health check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckType {
    Tcp,
    Tls,
    Http,
    Ldap,
}

words! { CheckType { Tcp => "tcp", Tls => "tls", Http => "http", Ldap => "ldap" } }

/// A port, never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Port(pub u16);

impl Value for Port {
    const EXPECTED: &'static str = "a port from 1 to 65535";

    const TYPES: &'static [&'static str] = &["integer"];

    fn read(value: &DeValue<'_>) -> Option<Self> {
        u16::try_from(usize::read(value)?).ok().map(Self)
    }
}

/// The SHA-256 of a public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pinned(pub Pin);

impl Value for Pinned {
    const EXPECTED: &'static str = "the SHA-256 of a certificate's public key (SubjectPublicKeyInfo), in base64 or hex, with or without \"sha256/\" before it";

    fn read(value: &DeValue<'_>) -> Option<Self> {
        Self::parse(value.as_str()?)
    }
}

impl Pinned {
    /// Reads one as [`Value::EXPECTED`] describes it.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix("sha256/").unwrap_or(text);
        // 32 bytes are 64 digits in hex, and 44 characters in base64.
        let bytes = match text.len() {
            64 => (0..64).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect(),
            _ => STANDARD.decode(text).ok(),
        };
        bytes?.try_into().ok().map(Self)
    }
}

/// Status codes, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusRange(pub u16, pub u16);

impl Value for StatusRange {
    const EXPECTED: &'static str = "a status such as 200, or a range such as \"200-299\"";

    const TYPES: &'static [&'static str] = &["integer", "string"];

    fn read(value: &DeValue<'_>) -> Option<Self> {
        // The classes of RFC 9110 section 15.
        let status = |status: u16| (100..=599).contains(&status).then_some(status);
        if value.as_str().is_none() {
            let one = status(u16::try_from(usize::read(value)?).ok()?)?;
            return Some(Self(one, one));
        }
        let (from, to) = value.as_str()?.split_once('-')?;
        let (from, to) = (status(from.parse().ok()?)?, status(to.parse().ok()?)?);
        (from <= to).then_some(Self(from, to))
    }
}

impl std::fmt::Display for StatusRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0 == self.1 { write!(f, "{}", self.0) } else { write!(f, "{}-{}", self.0, self.1) }
    }
}
