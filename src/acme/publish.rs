//! Publishes TXT records for dns-01 (RFC 8555 section 8.4), and removes them. Must not know: what the values are, who asks
//! for them, when they are visible.

use std::time::Duration;

use crate::acme::settings::Publisher;
use crate::monitor::Monitor;

pub mod key;
mod program;
mod update;

use update::Change;

/// Publishes a TXT record beside those that the name has. `fqdn` is the name after CNAME records have been followed. An
/// error names the key below `acme.NAME`. A program is run by `monitor`, where there is one.
pub async fn present(
    publisher: &Publisher,
    fqdn: &str,
    value: &str,
    limit: Duration,
    monitor: Option<&Monitor>,
) -> Result<(), String> {
    expect_plain(fqdn, value)?;
    match publisher {
        Publisher::Update(update) => update::send(update, Change::Add, fqdn, value, limit).await,
        Publisher::Program(path) => program::run(path, ["present", fqdn, value], limit, monitor).await,
    }
}

/// Removes this TXT record and no other. It is no error if there is none.
pub async fn cleanup(
    publisher: &Publisher,
    fqdn: &str,
    value: &str,
    limit: Duration,
    monitor: Option<&Monitor>,
) -> Result<(), String> {
    expect_plain(fqdn, value)?;
    match publisher {
        Publisher::Update(update) => update::send(update, Change::Remove, fqdn, value, limit).await,
        Publisher::Program(path) => program::run(path, ["cleanup", fqdn, value], limit, monitor).await,
    }
}

/// The name can come from a CNAME record of somebody else, and both are arguments of a program, which is often a script.
fn expect_plain(fqdn: &str, value: &str) -> Result<(), String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_label = |label: &str| !label.is_empty() && !label.starts_with('-') && label.bytes().all(is_plain);
    if fqdn.len() > MOST_NAME || !fqdn.split('.').all(is_label) {
        return Err(format!(
            "the record cannot be published at {fqdn:?}: expected a name of letters, digits, hyphens and underscores"
        ));
    }
    if value.is_empty() || value.len() > MOST_TEXT || !value.bytes().all(is_plain) {
        return Err(format!("the value {value:?} cannot be published: expected base64url, at most {MOST_TEXT} bytes"));
    }
    Ok(())
}

/// The longest name as text (RFC 1035 section 2.3.4).
const MOST_NAME: usize = 253;

/// The longest string in a TXT record (RFC 1035 section 3.3.14).
const MOST_TEXT: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_and_values_are_published() {
        let value = "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0";
        for name in ["_acme-challenge.a.example", "x", "_acme-challenge.xn--bcher-kva.example"] {
            assert_eq!(expect_plain(name, value), Ok(()), "{name}");
        }
        let long = ["abcdefgh"; 29].join(".");
        for name in [
            "",
            ".",
            "a..b",
            "a.example.",
            "-a.example",
            "a b.example",
            "a;b.example",
            "a\\032b.example",
            "$(id).x",
            &long,
        ] {
            assert!(expect_plain(name, value).is_err(), "{name}");
        }
        for value in ["", "a b", "a\"b", "a\nb", "a=", &"a".repeat(256)] {
            assert!(expect_plain("a.example", value).is_err(), "{value}");
        }
    }
}
