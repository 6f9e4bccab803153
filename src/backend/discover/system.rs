//! How names are resolved on this system. Its files are read for each look-up, but parsed only when they have changed, so
//! that an error in them causes one warning. Must not know: what is looked up.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::{Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::system_conf::parse_resolv_conf;
use hickory_resolver::{Hosts, TokioResolver};

use crate::backend::discover::settings::Settings;
use crate::files;

/// The system's files.
#[derive(Debug)]
pub(crate) struct System {
    resolv_conf: File<(ResolverConfig, ResolverOpts)>,
    hosts: File<Hosts>,
}

impl Default for System {
    fn default() -> Self {
        Self::of("/etc/resolv.conf".into(), "/etc/hosts".into())
    }
}

/// A file, with its last contents and their meaning.
#[derive(Debug)]
struct File<T> {
    path: PathBuf,
    last: Mutex<Option<(Contents, Result<Arc<T>, String>)>>,
}

/// The bytes of a file, or the reason why it cannot be read.
type Contents = Result<Vec<u8>, String>;

impl<T> File<T> {
    fn current(&self, parse: impl Fn(&[u8]) -> Result<T, String>) -> Result<Arc<T>, String> {
        let at = |error: String| format!("{}: {error}", self.path.display());
        let contents = files::read(&self.path, LARGEST).map(|contents| contents.bytes.to_vec());
        let contents = contents.map_err(|error| at(files::reason(&error)));
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((before, parsed)) = &*last
            && *before == contents
        {
            return parsed.clone();
        }
        let parsed = contents.clone().and_then(|bytes| parse(&bytes).map(Arc::new).map_err(at));
        *last = Some((contents, parsed.clone()));
        parsed
    }
}

impl System {
    fn of(resolv_conf: PathBuf, hosts: PathBuf) -> Self {
        Self {
            resolv_conf: File { path: resolv_conf, last: Mutex::default() },
            hosts: File { path: hosts, last: Mutex::default() },
        }
    }

    /// The resolvers according to the settings and the current files.
    pub(crate) fn resolvers(&self, settings: &Settings) -> Resolvers {
        let hosts = self.hosts.current(|text| {
            let mut hosts = Hosts::default();
            hosts.read_hosts_conf(text).map_err(|error| error.to_string())?;
            Ok(hosts)
        });
        let config = match settings.name_servers.is_empty() {
            true => self.resolv_conf.current(|text| parse_resolv_conf(text).map_err(|error| error.to_string())),
            false => Ok(Arc::new((asking(settings), ResolverOpts::default()))),
        };
        let config = config.map(|config| {
            let (config, mut options) = (*config).clone();
            options.timeout = settings.timeout;
            // Failures are retried by the next look-up, with growing pauses.
            options.attempts = 1;
            // A name is only looked up when its last answer has expired.
            options.cache_size = 0;
            // `Resolvers::hosts` does that, since the resolver would ask a name server for the other address family.
            options.use_hosts_file = ResolveHosts::Never;
            (config, options)
        });
        // A missing file is like an empty one.
        let hosts = hosts.unwrap_or_default();
        Resolvers { config, hosts, with_edns: OnceLock::new(), without_edns: OnceLock::new() }
    }
}

/// The name servers that the configuration gives.
fn asking(settings: &Settings) -> ResolverConfig {
    let server = |address: &std::net::SocketAddr| {
        let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
            connection.port = address.port();
            connection
        });
        // `true`: where a name server answers that there is nothing, the others are not asked as well.
        NameServerConfig::new(address.ip(), true, connections.into())
    };
    ResolverConfig::from_name_servers(settings.name_servers.iter().map(server).collect())
}

/// The file of hosts, and the resolvers, each made when it is first needed.
pub(crate) struct Resolvers {
    /// The name servers, or the reason why there are none.
    config: Result<(ResolverConfig, ResolverOpts), String>,
    hosts: Arc<Hosts>,
    with_edns: OnceLock<Result<TokioResolver, String>>,
    without_edns: OnceLock<Result<TokioResolver, String>>,
}

impl Resolvers {
    /// The records of that type, and the shortest TTL, in seconds. `None` where the name has none, or does not exist.
    pub(crate) async fn ask(&self, name: &Name, kind: RecordType) -> Result<(Option<Vec<RData>>, u32), String> {
        if let Some(known) = self.hosts(name, kind) {
            return Ok((Some(known), u32::MAX));
        }
        // As in the C library: a name in the file of hosts has only the addresses that are there.
        let other = match kind {
            RecordType::A => Some(RecordType::AAAA),
            RecordType::AAAA => Some(RecordType::A),
            _ => None,
        };
        if other.is_some_and(|other| self.hosts(name, other).is_some()) {
            return Ok((None, 0));
        }
        let mut answer = self.with_edns()?.lookup(name.clone(), kind).await;
        // A name server that does not know EDNS answers like this, and is asked again without it (RFC 6891 section 7).
        if let Err(NetError::Dns(DnsError::ResponseCode(ResponseCode::FormErr | ResponseCode::NotImp))) = answer {
            answer = self.without_edns()?.lookup(name.clone(), kind).await;
        }
        match answer {
            Ok(answer) => {
                let records = answer.answers();
                let ttl = records.iter().map(|record| record.ttl).min().unwrap_or(0);
                let data =
                    records.iter().filter(|record| record.record_type() == kind).map(|record| record.data.clone());
                Ok((Some(data.collect()), ttl))
            }
            Err(NetError::Dns(DnsError::NoRecordsFound(_))) => Ok((None, 0)),
            Err(NetError::Dns(DnsError::ResponseCode(code))) => Err(format!("the name server answered {code}")),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The records of the file of hosts. They need no name server.
    fn hosts(&self, name: &Name, kind: RecordType) -> Option<Vec<RData>> {
        let found = self.hosts.lookup_static_host(&Query::query(name.clone(), kind))?;
        Some(found.answers().iter().map(|record| record.data.clone()).collect())
    }

    /// A resolver with the system's options, which means with EDNS by default.
    fn with_edns(&self) -> Result<&TokioResolver, String> {
        self.made(&self.with_edns, |_| {})
    }

    /// The same for name servers that do not know EDNS.
    fn without_edns(&self) -> Result<&TokioResolver, String> {
        self.made(&self.without_edns, |options| options.edns0 = false)
    }

    fn made<'a>(
        &self,
        cell: &'a OnceLock<Result<TokioResolver, String>>,
        change: impl Fn(&mut ResolverOpts),
    ) -> Result<&'a TokioResolver, String> {
        let made = cell.get_or_init(|| {
            let (config, options) = self.config.clone()?;
            let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
            *builder.options_mut() = options;
            change(builder.options_mut());
            let mut resolver = builder.build().map_err(|error| error.to_string())?;
            resolver.set_hosts(Arc::clone(&self.hosts));
            Ok(resolver)
        });
        made.as_ref().map_err(|error| format!("there is no usable name server ({error})"))
    }
}

/// Bytes. The largest files of hosts are lists of blocked names.
const LARGEST: u64 = 16 << 20;

#[cfg(test)]
mod tests;
