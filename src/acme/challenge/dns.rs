//! dns-01 (RFC 8555 section 8.4): the record that answers, published where CNAME records lead. Must not know: orders, who checks
//! it, how records are published.

use super::asked::Asked;
use crate::acme::lookup::Lookup;
use crate::acme::publish;
use crate::acme::settings::{Authority, Identifier};
use crate::monitor::Monitor;
use crate::tls::certificate::name::Name;

/// A record that is published.
pub struct Answer {
    /// After CNAME records have been followed.
    name: String,
    value: String,
    monitor: Option<Monitor>,
}

impl Answer {
    /// Publishes the record.
    pub async fn put_up(
        asked: &Asked<'_>,
        authority: &Authority,
        lookup: &Lookup,
        monitor: Option<Monitor>,
    ) -> Result<Self, String> {
        let Some(publisher) = &authority.dns else { return Err("nothing publishes records (key \"dns\")".to_owned()) };
        let own = record_name(asked.identifier);
        let name = match lookup.delegated(&own).await {
            Ok(name) => name,
            // Without checks from here, the name servers of this machine need not know the zone.
            Err(_) if !authority.check => own,
            Err(reason) => return Err(reason),
        };
        let published = publish::present(publisher, &name, &asked.record, authority.timeout, monitor.as_ref()).await;
        published.map_err(|error| below(&authority.name, &error))?;
        Ok(Self { name, value: asked.record.clone(), monitor })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Removes the record.
    pub async fn take_down(self, authority: &Authority) -> Result<(), String> {
        match &authority.dns {
            Some(publisher) => {
                let removed =
                    publish::cleanup(publisher, &self.name, &self.value, authority.timeout, self.monitor.as_ref())
                        .await;
                removed.map_err(|error| below(&authority.name, &error))
            }
            None => Ok(()),
        }
    }
}

/// The error with the whole path of the key that it is about.
fn below(authority: &str, error: &str) -> String {
    match error.starts_with("dns.") {
        true => format!("acme.{authority}.{error}"),
        false => format!("acme.{authority}.dns: {error}"),
    }
}

/// Where the authority looks. A wildcard is shown at its parent (RFC 8555 section 7.1.4).
fn record_name(identifier: &Identifier) -> String {
    match identifier {
        Identifier::Dns(Name::Exact(name) | Name::Wildcard(name)) => format!("_acme-challenge.{name}"),
        Identifier::Ip(address) => format!("_acme-challenge.{address}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_whole_path_of_the_key() {
        let (program, other) = ("dns.program \"/x\": no such file", "the record cannot be published");
        assert_eq!(below("one", program), "acme.one.dns.program \"/x\": no such file");
        assert_eq!(below("one", other), "acme.one.dns: the record cannot be published");
    }

    #[test]
    fn a_wildcard_is_shown_at_its_parent() {
        for name in ["a.example", "*.a.example"] {
            assert_eq!(record_name(&Identifier::Dns(Name::parse(name).unwrap())), "_acme-challenge.a.example");
        }
    }
}
