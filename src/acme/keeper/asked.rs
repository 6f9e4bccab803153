//! What somebody may ask the keeper for, and the answers. Must not know: how it is done, who asks.

use std::sync::Arc;

use thiserror::Error;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::acme::settings::{KeyKind, Settings, Wanted};
use crate::acme::status::Failure;

/// Some of the certificates. What is `None` fits all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Which {
    pub authority: Option<String>,
    /// One of the names in the certificate, as it is written there.
    pub name: Option<String>,
    pub key: Option<KeyKind>,
}

/// What has become of one certificate that was asked for.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub wanted: Arc<Wanted>,
    pub result: Result<(), Failure>,
}

/// Why nothing was done.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refused {
    #[error("no such certificate; there are: {}", there_are(.0))]
    NoSuchCertificate(Vec<String>),
    #[error("no such authority; there are: {}", there_are(.0))]
    NoSuchAuthority(Vec<String>),
    #[error("another process holds the state folder{}", .0.map(|pid| format!(": {pid}")).unwrap_or_default())]
    Locked(Option<u32>),
    #[error("this node does not lead the fleet{}", .0.as_ref().map(|node| format!("; {node:?} does, and orders certificates: ask there")).unwrap_or_default())]
    Led(Option<String>),
    #[error("nothing is kept: {0}")]
    Nothing(String),
    #[error("{0}")]
    Failed(String),
    #[error("the keeper has ended")]
    Ended,
}

/// What a line is asked for.
pub(super) enum Ask {
    /// An attempt that ends after this time is what was asked for.
    Renew(Vec<Arc<Wanted>>, Instant, oneshot::Sender<Vec<Outcome>>),
    Revoke(Vec<Arc<Wanted>>, Option<u8>, oneshot::Sender<Vec<Outcome>>),
    RollOver(oneshot::Sender<Result<(), String>>),
}

impl Which {
    /// The certificates that fit. At least one.
    pub(super) fn among(&self, settings: &Settings) -> Result<Vec<Arc<Wanted>>, Refused> {
        let name = self.name.as_deref().map(|name| name.trim_end_matches('.').to_lowercase());
        let fits = |wanted: &&Arc<Wanted>| {
            self.authority.as_deref().is_none_or(|authority| *authority == *wanted.authority)
                && self.key.is_none_or(|key| key == wanted.key)
                && name.as_deref().is_none_or(|name| wanted.identifiers.iter().any(|one| one.to_string() == name))
        };
        let found: Vec<_> = settings.wanted.iter().filter(fits).cloned().collect();
        match found.is_empty() {
            true => Err(Refused::NoSuchCertificate(settings.wanted.iter().map(ToString::to_string).collect())),
            false => Ok(found),
        }
    }
}

fn there_are(all: &[String]) -> String {
    match all.split_at_checked(MOST_NAMED) {
        Some((first, rest)) if !rest.is_empty() => format!("{}; and {} more", first.join("; "), rest.len()),
        _ if all.is_empty() => "none".to_owned(),
        _ => all.join("; "),
    }
}

/// An error is read by a person.
const MOST_NAMED: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acme::settings::Identifier;
    use crate::tls::certificate::name::Name;

    fn settings() -> Settings {
        let wanted = |authority: &str, name: &str, key| {
            let identifiers = Arc::from([Identifier::Dns(Name::parse(name).unwrap())]);
            Arc::new(Wanted { authority: authority.into(), identifiers, key })
        };
        let wanted = vec![
            wanted("a", "one.example", KeyKind::EcdsaP256),
            wanted("a", "one.example", KeyKind::Rsa2048),
            wanted("b", "*.two.example", KeyKind::Rsa2048),
        ];
        Settings { wanted, ..Settings::default() }
    }

    #[test]
    fn certificates_are_named_by_authority_name_and_key() {
        let count = |authority: Option<&str>, name: Option<&str>, key| {
            let (authority, name) = (authority.map(str::to_owned), name.map(str::to_owned));
            Which { authority, name, key }.among(&settings()).map(|found| found.len())
        };
        assert_eq!(count(None, None, None), Ok(3));
        assert_eq!(count(Some("a"), None, None), Ok(2));
        assert_eq!(count(None, Some("ONE.example."), Some(KeyKind::Rsa2048)), Ok(1));
        assert_eq!(count(None, Some("*.two.example"), None), Ok(1));
        let refused = count(Some("b"), Some("one.example"), None).unwrap_err();
        assert!(refused.to_string().contains("*.two.example (rsa-2048, from b)"), "{refused}");
    }
}
