//! Which resource of an authority a path is (RFC 8555 section 7.1), as learnt from the authority's answers: no other
//! way is allowed to a client either. Must not know: pebble's paths.

use std::collections::HashMap;

use serde_json::Value;

/// A resource, or a request to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Directory,
    NewNonce,
    NewAccount,
    NewOrder,
    RevokeCert,
    KeyChange,
    RenewalInfo,
    Account,
    Order,
    Authorization,
    Challenge,
    Finalize,
    Certificate,
    Other,
}

/// The paths that are known.
#[derive(Debug, Default)]
pub(crate) struct Paths(HashMap<String, Kind>);

impl Paths {
    pub(crate) fn kind(&self, path: &str) -> Kind {
        match path {
            DIRECTORY => Kind::Directory,
            path if path.starts_with(RENEWAL_INFO) => Kind::RenewalInfo,
            path => self.0.get(path).copied().unwrap_or(Kind::Other),
        }
    }

    /// Learns from an answer.
    pub(crate) fn learn(&mut self, asked: Kind, location: Option<&str>, body: &Value) {
        match asked {
            Kind::NewAccount => self.add(location, Kind::Account),
            Kind::NewOrder => self.add(location, Kind::Order),
            _ => {}
        }
        let single = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
        for (key, kind) in KEYS {
            self.add(single(key).as_deref(), kind);
        }
        for (list, of, kind) in
            [("authorizations", None, Kind::Authorization), ("challenges", Some("url"), Kind::Challenge)]
        {
            for entry in body.get(list).and_then(Value::as_array).into_iter().flatten() {
                self.add(of.map_or(Some(entry), |of| entry.get(of)).and_then(Value::as_str), kind);
            }
        }
    }

    fn add(&mut self, url: Option<&str>, kind: Kind) {
        // `https://HOST/PATH`
        if let Some((_, path)) = url.and_then(|url| url.strip_prefix("https://")).and_then(|rest| rest.split_once('/'))
        {
            self.0.insert(format!("/{path}"), kind);
        }
    }
}

/// The names of URLs in a directory and in an order.
const KEYS: [(&str, Kind); 7] = [
    ("newNonce", Kind::NewNonce),
    ("newAccount", Kind::NewAccount),
    ("newOrder", Kind::NewOrder),
    ("revokeCert", Kind::RevokeCert),
    ("keyChange", Kind::KeyChange),
    ("finalize", Kind::Finalize),
    ("certificate", Kind::Certificate),
];

/// The directory's path.
pub(crate) const DIRECTORY: &str = "/dir";

/// Where the proxy itself answers for RFC 9773.
pub(crate) const RENEWAL_INFO: &str = "/renewal-info";
