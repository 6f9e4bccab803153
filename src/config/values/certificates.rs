//! How sources of certificates are written: a path, or a table. Must not know: which key holds them, what is in the files.

use std::collections::HashSet;
use std::net::IpAddr;
use std::path::PathBuf;

use toml::de::{DeTable, DeValue};

use crate::acme::settings::KeyKind;
use crate::config::decode::Value;
use crate::credential;
use crate::passphrase::{self, Source as Passphrase};
use crate::tls::certificate::name::Name;
use crate::tls::certificate::place::KeyPlace;
use crate::tls::certificate::source::Source;
use crate::tls::certificate::source::pair::Pair;
use crate::words::Words;

/// A source as written; or all that is wrong with its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateSource(pub Result<Written, Vec<String>>);

/// A source whose parts are fine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// Its files are the operator's; relative paths are as they are written.
    There(Source),
    /// Its files come from an authority.
    Ordered(Asked),
}

/// `{ acme, names, keys }`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The name of an `[acme.NAME]`.
    pub authority: String,
    /// Each once. There is at least one name or address.
    pub names: Vec<Name>,
    pub addresses: Vec<IpAddr>,
    /// Each once, at least one.
    pub keys: Vec<KeyKind>,
}

impl Value for CertificateSource {
    const EXPECTED: &'static str = "a path, or a table such as { cert = \"x.crt\", key = \"x.key\" } (and optionally chain = \"x.pem\", names = [\"…\"], default = true, passphrase = \"file:PATH\") or { acme = \"NAME\", names = [\"…\"] } (and optionally keys = [\"ecdsa-p256\", \"rsa-2048\"])";

    const TYPES: &'static [&'static str] = &["string", "object"];

    fn read(value: &DeValue<'_>) -> Option<Self> {
        if let Some(path) = value.as_str().filter(|path| !path.is_empty()) {
            return Some(Self(Ok(Written::There(Source::path(path.into())))));
        }
        let table = value.as_table()?;
        Some(Self(match table.contains_key("acme") {
            true => ordered(table)?.map(Written::Ordered),
            false => pair(table)?.map(|pair| Written::There(Source::pair(pair))),
        }))
    }
}

/// `{ cert, key, chain, names, default, passphrase }`
fn pair(table: &DeTable<'_>) -> Option<Result<Pair, Vec<String>>> {
    expect_only(table, &["cert", "key", "chain", "names", "default", "passphrase"])?;
    let path = |key| text(table, key).map(PathBuf::from);
    let names = match table.contains_key("names") {
        true => names(&texts(table, "names")?).map(Some),
        false => Ok(None),
    };
    let default = match table.get("default") {
        None => false,
        Some(value) => value.get_ref().as_bool()?,
    };
    let chain = match table.contains_key("chain") {
        true => Some(path("chain")?),
        false => None,
    };
    let (cert, key) = (path("cert")?, text(table, "key")?);
    let key = match credential::path(key) {
        Some(path) => path.map(KeyPlace::File),
        None => KeyPlace::parse(key),
    };
    let key = key.map_err(|why| format!("key: {why}"));
    let passphrase = match table.contains_key("passphrase") {
        true => Some(text(table, "passphrase")?),
        false => None,
    };
    let passphrase = passphrase.map(|text| Passphrase::parse(text).ok_or_else(|| not_a_passphrase(text))).transpose();
    let twice =
        matches!((&key, &passphrase), (Ok(key), Ok(Some(_))) if key.token().is_some_and(|key| key.uri.pin.is_some()));
    let passphrase = if twice { Err(PIN_TWICE.into()) } else { passphrase };
    Some(match (names, key, passphrase) {
        (Ok(names), Ok(key), Ok(passphrase)) => Ok(Pair { cert, key, chain, names, default, passphrase }),
        (names, key, passphrase) => {
            Err(names.err().into_iter().flatten().chain(key.err()).chain(passphrase.err()).collect())
        }
    })
}

fn not_a_passphrase(text: &str) -> String {
    format!("passphrase: found {text:?}, expected {}", passphrase::EXPECTED)
}

/// `{ acme, names, keys }`
fn ordered(table: &DeTable<'_>) -> Option<Result<Asked, Vec<String>>> {
    expect_only(table, &["acme", "names", "keys"])?;
    let authority = text(table, "acme")?.to_owned();
    let (mut names, mut addresses, mut faults) = (Vec::new(), Vec::new(), Vec::new());
    let mut seen = HashSet::new();
    for text in texts(table, "names")? {
        let parsed = text.parse::<IpAddr>().map(|address| address.to_canonical());
        let shown = match (parsed, Name::parse(text)) {
            (Ok(address), _) => {
                addresses.push(address);
                address.to_string()
            }
            (_, Ok(name)) => {
                names.push(name.clone());
                name.to_string()
            }
            (_, Err(error)) => {
                faults.push(format!("names: {error}"));
                continue;
            }
        };
        if !seen.insert(shown.clone()) {
            faults.push(format!("names: {shown} is listed twice"));
        }
    }
    if seen.is_empty() && faults.is_empty() {
        faults.push(NO_NAME.into());
    }
    let keys = match table.contains_key("keys") {
        true => keys(&texts(table, "keys")?, &mut faults),
        false => DEFAULT_KEYS.to_vec(),
    };
    Some(if faults.is_empty() { Ok(Asked { authority, names, addresses, keys }) } else { Err(faults) })
}

/// Kinds of key, each once.
fn keys(texts: &[&str], faults: &mut Vec<String>) -> Vec<KeyKind> {
    let mut keys = Vec::new();
    for text in texts {
        match KeyKind::from_word(text) {
            None => faults.push(format!("keys: found {text:?}, expected {}", <KeyKind as Words>::EXPECTED)),
            Some(key) if keys.contains(&key) => faults.push(format!("keys: {text:?} is listed twice")),
            Some(key) => keys.push(key),
        }
    }
    if texts.is_empty() {
        faults.push("keys: found an empty list, expected at least one kind of key".into());
    }
    keys
}

/// Names, each once; or all that is wrong with them.
fn names(texts: &[&str]) -> Result<Vec<Name>, Vec<String>> {
    if texts.is_empty() {
        return Err(vec![NO_NAME.into()]);
    }
    let (mut names, mut seen, mut faults) = (Vec::new(), HashSet::new(), Vec::new());
    for text in texts {
        match Name::parse(text) {
            Ok(name) => names.extend(seen.insert(name.clone()).then_some(name)),
            Err(error) => faults.push(format!("names: {error}")),
        }
    }
    if faults.is_empty() { Ok(names) } else { Err(faults) }
}

/// `None` where there are other keys: the error for that shows those that exist.
fn expect_only(table: &DeTable<'_>, known: &[&str]) -> Option<()> {
    table.keys().all(|key| known.contains(&key.get_ref().as_ref())).then_some(())
}

fn text<'t>(table: &'t DeTable<'_>, key: &str) -> Option<&'t str> {
    table.get(key).and_then(|value| value.get_ref().as_str()).filter(|text| !text.is_empty())
}

fn texts<'t>(table: &'t DeTable<'_>, key: &str) -> Option<Vec<&'t str>> {
    table.get(key)?.get_ref().as_array()?.iter().map(|text| text.get_ref().as_str()).collect()
}

/// Clients that cannot use one of them can use the other.
const DEFAULT_KEYS: &[KeyKind] = &[KeyKind::EcdsaP256, KeyKind::Rsa2048];

/// Which of them counts would be a guess.
pub const PIN_TWICE: &str = "passphrase: the URI of the key has a pin-source as well, expected one of them";

const NO_NAME: &str = "names: found an empty list, expected at least one name";

/// All kinds of source, for the error where none is written.
pub const KINDS: &str =
    "a folder, a combined PEM file, { cert = \"x.crt\", key = \"x.key\" } or { acme = \"NAME\", names = [\"…\"] }";
