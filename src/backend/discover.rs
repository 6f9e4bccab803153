//! Names → the servers that they resolve to now, and for how long that is valid. Must not know: pools, what happens to a
//! server that is no longer found.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::proto::rr::{Name, RData, RecordType};
use tokio::time::timeout;

pub mod settings;
pub(crate) mod system;

use settings::Settings;
use system::{Resolvers, System};

/// Where servers are found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source {
    /// Every A and AAAA record of a name is a server, on that port.
    Dns { name: String, port: u16 },
    /// Servers with ports, priorities and weights (RFC 2782).
    Srv { name: String },
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Dns { name, port } => write!(f, "dns:{name}:{port}"),
            Self::Srv { name } => write!(f, "srv:{name}"),
        }
    }
}

/// A server that was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// Servers with a lower value are used first.
    pub priority: u16,
    pub address: SocketAddr,
    /// At least 1.
    pub weight: u32,
    /// The name to which the address belongs.
    pub target: String,
}

/// What was found, and how long that is valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// Sorted: name servers rotate their answers, which is not a change.
    pub(super) servers: Vec<Found>,
    pub(super) ttl: Duration,
    /// Targets of SRV records with port 0.
    pub(super) without_port: Vec<String>,
}

/// Looks up a source once. `before` is the last result: where only some of the questions are answered, the rest of it is
/// kept.
pub(super) async fn look_up(
    source: &Source,
    settings: &Settings,
    system: &System,
    before: &[Found],
) -> Result<Answer, String> {
    // The system's files are read each time, so that a change of them takes effect.
    let asking = Asking { resolvers: system.resolvers(settings), before };
    let limit = settings.timeout * QUESTIONS;
    let asked = async {
        match source {
            Source::Dns { name, port } => asking.addresses(name, *port).await.map(|found| (found, Vec::new())),
            Source::Srv { name } => asking.services(name).await,
        }
    };
    let ((mut servers, ttl), without_port) =
        timeout(limit, asked).await.map_err(|_| "no answer in time".to_owned())??;
    if servers.is_empty() {
        return Err(match without_port.is_empty() {
            true => "no address".into(),
            false => "every SRV record has port 0, on which no server can listen".into(),
        });
    }
    servers.sort_unstable();
    servers.dedup_by(|one, other| one.address == other.address);
    servers.truncate(MOST);
    let ttl = Duration::from_secs(ttl.into()).clamp(settings.min_ttl, settings.max_ttl);
    Ok(Answer { servers, ttl, without_port })
}

struct Asking<'a> {
    resolvers: Resolvers,
    before: &'a [Found],
}

impl Asking<'_> {
    /// Every address of a name, and the shortest TTL, in seconds.
    async fn addresses(&self, name: &str, port: u16) -> Result<(Vec<Found>, u32), String> {
        let parsed = parsed(name)?;
        let (v4, v6) =
            tokio::join!(self.resolvers.ask(&parsed, RecordType::A), self.resolvers.ask(&parsed, RecordType::AAAA));
        let server = |ip| Found { priority: 0, address: SocketAddr::new(ip, port), weight: 1, target: name.to_owned() };
        // A family whose question failed keeps its addresses; one without records has none.
        let kept = |is_v4: bool| {
            let of_family = move |found: &&Found| found.target == *name && found.address.is_ipv4() == is_v4;
            self.before.iter().filter(of_family).cloned().map(|found| Found { priority: 0, weight: 1, ..found })
        };
        let trouble = match (&v4, &v6) {
            (Err(error), Err(_) | Ok((None, _))) | (Ok((None, _)), Err(error)) => Some(error.clone()),
            _ => None,
        };
        if let Some(error) = trouble {
            return Err(error);
        }
        let (mut found, mut shortest) = (Vec::new(), u32::MAX);
        for (answer, is_v4) in [(v4, true), (v6, false)] {
            match answer {
                Ok((Some(records), ttl)) => {
                    found.extend(records.into_iter().filter_map(ip).map(server));
                    shortest = shortest.min(ttl);
                }
                Ok((None, _)) => {}
                Err(_) => found.extend(kept(is_v4)),
            }
        }
        Ok((found, shortest))
    }

    /// The same for the targets of SRV records, and the targets with port 0.
    async fn services(&self, name: &str) -> Result<((Vec<Found>, u32), Vec<String>), String> {
        let (records, mut shortest) = self.resolvers.ask(&parsed(name)?, RecordType::SRV).await?;
        let (mut found, mut trouble) = (Vec::new(), None);
        let services = records.into_iter().flatten().filter_map(|data| match data {
            // A target of "." means that there is no such service (RFC 2782).
            RData::SRV(service) if !service.target.is_root() => Some(service),
            _ => None,
        });
        let (services, portless): (Vec<_>, Vec<_>) = services.take(MOST_TARGETS).partition(|service| service.port != 0);
        let mut without_port: Vec<String> = portless.iter().map(|service| service.target.to_string()).collect();
        without_port.sort_unstable();
        for service in services {
            let target = service.target.to_string();
            match self.addresses(&target, service.port).await {
                Ok((addresses, ttl)) => {
                    shortest = shortest.min(ttl);
                    // RFC 2782: a weight of 0 means a very small chance, not none.
                    let weight = u32::from(service.weight).max(1);
                    found.extend(addresses.into_iter().map(|one| Found { priority: service.priority, weight, ..one }));
                }
                Err(error) => {
                    found.extend(self.before.iter().filter(|found| found.target == target).cloned());
                    trouble = Some(format!("{target}: {error}"));
                }
            }
        }
        match trouble {
            Some(trouble) if found.is_empty() => Err(trouble),
            _ => Ok(((found, shortest), without_port)),
        }
    }
}

fn ip(data: RData) -> Option<IpAddr> {
    match data {
        RData::A(address) => Some(address.0.into()),
        RData::AAAA(address) => Some(address.0.into()),
        _ => None,
    }
}

fn parsed(name: &str) -> Result<Name, String> {
    Name::from_str_relaxed(name).map_err(|error| error.to_string())
}

/// The largest number of servers of one source, whatever the answer.
const MOST: usize = 1024;
/// The largest number of SRV records that are used. Each needs two more questions.
const MOST_TARGETS: usize = 64;
/// The whole look-up may take this many times the timeout of one question.
const QUESTIONS: u32 = 4;
