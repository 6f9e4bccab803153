//! Look-ups in the DNS: TXT records, addresses, where a CNAME leads, and the name servers of a zone. Must not know: what they
//! are looked up for.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::proto::rr::{Name, RData, RecordType};
use tokio::time::timeout;

use crate::backend::discover::settings::Settings;
use crate::backend::discover::system::{Resolvers, System};

/// Looks names up as the configuration says. Names are absolute: search domains do not count.
#[derive(Debug)]
pub struct Lookup {
    system: System,
    settings: Settings,
    /// The port of a zone's own name servers.
    port: u16,
}

impl Lookup {
    /// Look-ups with these settings.
    pub fn new(resolver: &Settings) -> Self {
        Self { system: System::default(), settings: resolver.clone(), port: DNS_PORT }
    }

    /// The same, but a zone's own name servers are asked at this port.
    #[must_use]
    pub fn with_port(self, port: u16) -> Self {
        Self { port, ..self }
    }

    /// The TXT records of a name, each as one text. Empty where there are none.
    pub async fn txt(&self, name: &str) -> Result<Vec<String>, String> {
        texts(self.ask(&absolute(name)?, RecordType::TXT).await?)
    }

    /// The same, as this name server has them.
    pub fn txt_at(
        &self,
        server: SocketAddr,
        name: &str,
    ) -> impl Future<Output = Result<Vec<String>, String>> + Send + 'static + use<> {
        let resolvers = self.system.resolvers(&Settings { name_servers: vec![server], ..self.settings.clone() });
        let (name, limit) = (absolute(name), self.limit());
        async move { texts(question(&resolvers, &name?, RecordType::TXT, limit).await?) }
    }

    /// The addresses of a name: all of both families that could be looked up, at least one.
    pub async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, String> {
        let parsed = absolute(name)?;
        let (v6, v4) = tokio::join!(self.ask(&parsed, RecordType::AAAA), self.ask(&parsed, RecordType::A));
        let failed = v6.as_ref().err().or(v4.as_ref().err()).cloned();
        let found = [v6, v4].into_iter().filter_map(Result::ok).flatten();
        let found: Vec<IpAddr> = found.filter_map(|data| data.ip_addr()).take(MOST_ADDRESSES).collect();
        match (found.is_empty(), failed) {
            (false, _) => Ok(found),
            (true, Some(error)) => Err(format!("{name} cannot be looked up: {error}")),
            (true, None) => Err(format!("{name} has no address")),
        }
    }

    /// The name to which CNAME records lead from this one; itself where it has none.
    pub async fn delegated(&self, name: &str) -> Result<String, String> {
        let mut way = vec![shown(&absolute(name)?)];
        loop {
            let at = way.last().cloned().unwrap_or_default();
            let records = self.ask(&absolute(&at)?, RecordType::CNAME).await;
            let records = records.map_err(|error| format!("whether {at} is an alias cannot be looked up: {error}"))?;
            let target = records.into_iter().find_map(|data| match data {
                RData::CNAME(target) => Some(shown(&target.0)),
                _ => None,
            });
            let Some(target) = target else { return Ok(at) };
            let circle = way.contains(&target);
            way.push(target);
            if circle {
                return Err(format!("the CNAME records {} lead in a circle", way.join(" -> ")));
            }
            if way.len() > MOST_ALIASES {
                return Err(format!(
                    "more than {} CNAME records in a row: {}; expected fewer, since authorities follow only a few",
                    MOST_ALIASES - 1,
                    way.join(" -> ")
                ));
            }
        }
    }

    /// The name servers of the zone that a name is in. Empty where they cannot be found.
    pub async fn name_servers(&self, name: &str) -> Vec<SocketAddr> {
        let Ok(mut zone) = absolute(name) else { return Vec::new() };
        let mut targets = Vec::new();
        // The servers of a top-level domain know nothing of a name below it, so they are not asked.
        while targets.is_empty() && zone.num_labels() > 1 {
            let Ok(records) = self.ask(&zone, RecordType::NS).await else { return Vec::new() };
            targets = records
                .into_iter()
                .filter_map(|data| if let RData::NS(ns) = data { Some(ns.0) } else { None })
                .collect();
            zone = zone.base_name();
        }
        let mut servers = Vec::new();
        for target in targets.iter().take(MOST_SERVERS) {
            let addresses = self.addresses(&target.to_ascii()).await.unwrap_or_default();
            servers.extend(addresses.into_iter().map(|ip| SocketAddr::new(ip, self.port)));
        }
        servers.sort_unstable();
        servers.dedup();
        servers
    }

    async fn ask(&self, name: &Name, kind: RecordType) -> Result<Vec<RData>, String> {
        // The system's files are read each time, so that a change of them takes effect.
        question(&self.system.resolvers(&self.settings), name, kind, self.limit()).await
    }

    /// Of one question, which may go to several name servers.
    fn limit(&self) -> Duration {
        self.settings.timeout * QUESTIONS
    }
}

async fn question(resolvers: &Resolvers, name: &Name, kind: RecordType, limit: Duration) -> Result<Vec<RData>, String> {
    let answer = timeout(limit, resolvers.ask(name, kind)).await.map_err(|_| "no answer in time".to_owned())?;
    Ok(answer?.0.unwrap_or_default())
}

/// TXT records as texts: the strings of one record belong together (RFC 8555 section 8.4, RFC 7208 section 3.3).
fn texts(records: Vec<RData>) -> Result<Vec<String>, String> {
    let text = |data| match data {
        RData::TXT(txt) => Some(String::from_utf8_lossy(&txt.txt_data.concat()).into_owned()),
        _ => None,
    };
    Ok(records.into_iter().filter_map(text).collect())
}

fn absolute(name: &str) -> Result<Name, String> {
    let mut parsed = Name::from_str_relaxed(name).map_err(|error| format!("{name:?} is not a DNS name: {error}"))?;
    parsed.set_fqdn(true);
    Ok(parsed)
}

/// In lower case and without a dot at the end.
fn shown(name: &Name) -> String {
    name.to_lowercase().to_ascii().trim_end_matches('.').to_owned()
}

/// The port of name servers (RFC 1035 section 4.2).
const DNS_PORT: u16 = 53;

/// A look-up may take this many times the timeout of one question.
const QUESTIONS: u32 = 4;

/// The longest row of names from an alias to its end. Unbound follows 11 aliases, authorities fewer.
const MOST_ALIASES: usize = 9;

const MOST_ADDRESSES: usize = 16;
const MOST_SERVERS: usize = 8;
