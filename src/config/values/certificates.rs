//! How sources of certificates are written: a path, or a table. Must not know: which key holds them, what is in the files.

use std::collections::HashSet;
use std::path::PathBuf;

use toml::de::{DeTable, DeValue};

use crate::config::decode::Value;
use crate::tls::certificate::name::Name;
use crate::tls::certificate::source::Source;
use crate::tls::certificate::source::pair::Pair;

/// A source as written, with relative paths as they are; or all that is wrong with its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateSource(pub Result<Source, Vec<String>>);

impl Value for CertificateSource {
    const EXPECTED: &'static str = "a path, or a table such as { cert = \"x.crt\", key = \"x.key\" } (and optionally chain = \"x.pem\", names = [\"…\"], default = true)";

    const TYPES: &'static [&'static str] = &["string", "object"];

    fn read(value: &DeValue<'_>) -> Option<Self> {
        match value.as_str().filter(|path| !path.is_empty()) {
            Some(path) => Some(Self(Ok(Source::path(path.into())))),
            None => pair(value.as_table()?).map(|pair| Self(pair.map(Source::pair))),
        }
    }
}

/// `{ cert, key, chain, names, default }`
fn pair(table: &DeTable<'_>) -> Option<Result<Pair, Vec<String>>> {
    // The error for an unknown key shows the keys that exist.
    if table.keys().any(|key| !["cert", "key", "chain", "names", "default"].contains(&key.get_ref().as_ref())) {
        return None;
    }
    let path = |key| {
        let text = table.get(key).and_then(|value| value.get_ref().as_str());
        text.filter(|path| !path.is_empty()).map(PathBuf::from)
    };
    let names = match table.get("names") {
        None => Ok(None),
        Some(value) => {
            let list = value.get_ref().as_array()?;
            let texts = list.iter().map(|name| name.get_ref().as_str()).collect::<Option<Vec<_>>>()?;
            names(&texts).map(Some)
        }
    };
    let default = match table.get("default") {
        None => false,
        Some(value) => value.get_ref().as_bool()?,
    };
    let chain = match table.contains_key("chain") {
        true => Some(path("chain")?),
        false => None,
    };
    let (cert, key) = (path("cert")?, path("key")?);
    Some(names.map(|names| Pair { cert, key, chain, names, default }))
}

/// Names, each once; or all that is wrong with them.
fn names(texts: &[&str]) -> Result<Vec<Name>, Vec<String>> {
    if texts.is_empty() {
        return Err(vec!["names: found an empty list, expected at least one name".into()]);
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

/// All kinds of source, for the error where none is written.
pub const KINDS: &str = "a folder, a combined PEM file, or { cert = \"x.crt\", key = \"x.key\" }";
