//! Where the admin server listens, which requests it accepts, and its TLS, as far as that can be validated without opening a
//! file or a socket.

use std::path::PathBuf;
use std::sync::Arc;

use crate::config::file;
use crate::config::located::{ConfigError, Located};
use crate::config::validate::acme::{Authorities, never_served};
use crate::config::validate::client_auth::{self, ClientAuth};
use crate::config::validate::paths;
use crate::config::validate::policy::Policies;
use crate::config::validate::reference::certificate;
use crate::config::validate::revocation::Home;
use crate::config::validate::wording::present;
use crate::config::values::{HostName, Mode, certificates};
use crate::net::address::Address;
use crate::net::endpoint::Endpoint;
use crate::tls::certificate::source::Source;
use crate::tls::policy::Policy;

/// `[admin]`
#[derive(Debug, Clone)]
pub struct Admin {
    /// Without it there is no admin API.
    pub listen: Option<Located<Endpoint>>,
    /// Where nothing but health and metrics is served; `None` where there is no such door.
    pub probes: Option<Located<Endpoint>>,
    /// The permissions of the Unix sockets.
    pub socket_mode: Mode,
    /// The token in it permits changes over TCP.
    pub token_file: Option<Located<PathBuf>>,
    /// The hosts that a request over TCP may name, besides localhost and its own address.
    pub hosts: Vec<HostName>,
    /// TLS of `listen`; `None` where that is plain.
    pub tls: Option<Tls>,
}

/// `[admin.tls]`
#[derive(Debug, Clone)]
pub struct Tls {
    pub here: Located<()>,
    pub certificates: Vec<Located<Source>>,
    pub policy: Arc<Policy>,
    /// The requirements for client certificates; `None` where clients are not asked for one.
    pub client_auth: Option<ClientAuth>,
}

/// What is known when `[admin]` is validated.
pub(super) struct Known<'a> {
    pub(super) home: Home<'a>,
    pub(super) policies: &'a Policies,
    pub(super) authorities: &'a Authorities,
}

impl Admin {
    /// The sources of its certificates.
    pub fn sources(&self) -> impl Iterator<Item = &Located<Source>> {
        self.tls.iter().flat_map(|tls| &tls.certificates)
    }

    /// The files with CAs and with lists of revoked certificates.
    pub fn client_auth_files(&self) -> impl Iterator<Item = &Located<PathBuf>> {
        let auth = self.tls.iter().filter_map(|tls| tls.client_auth.as_ref());
        auth.flat_map(ClientAuth::files)
    }

    /// With what takes effect at the next start only as it is in force: where it listens, and whether with TLS.
    #[must_use]
    pub fn where_it_was(self, in_force: &Self) -> Self {
        Self {
            listen: in_force.listen.clone(),
            probes: in_force.probes.clone(),
            socket_mode: in_force.socket_mode,
            tls: if self.tls.is_some() == in_force.tls.is_some() { self.tls } else { in_force.tls.clone() },
            ..self
        }
    }

    /// Whether another one listens at the same addresses, with the same permissions, and either both or none with TLS.
    pub fn listens_like(&self, other: &Self) -> bool {
        let where_it_is = |admin: &Self| {
            let [listen, probes] = [&admin.listen, &admin.probes].map(|one| one.as_ref().map(|one| one.value.clone()));
            (listen, probes, admin.socket_mode, admin.tls.is_some())
        };
        where_it_is(self) == where_it_is(other)
    }

    /// What is allowed, and lets others in.
    pub(super) fn warnings(&self) -> Vec<String> {
        let Some(listen) = &self.listen else { return Vec::new() };
        let found = match &listen.value {
            Endpoint::Bound(Address::Tcp(address))
                if self.tls.is_none() && self.token_file.is_some() && !address.ip().is_loopback() =>
            {
                format!(
                    "the token comes to {address} without encryption, where others may read it (expected [admin.tls], a \
                         loopback address, or a Unix socket)"
                )
            }
            Endpoint::Bound(unix @ Address::Unix(_)) if self.socket_mode.0 & WRITABLE_BY_ALL != 0 => format!(
                "with socket_mode {:?}, every user of this machine who can reach {unix} can change everything (expected \
                 \"0660\" or less)",
                format!("{:04o}", self.socket_mode.0)
            ),
            _ => return Vec::new(),
        };
        vec![format!("{}: {found}", listen.path)]
    }

    /// Where it listens, each with the key that has it.
    pub(super) fn endpoints(&self) -> impl Iterator<Item = (Endpoint, String)> {
        let named = |listen: &Located<Endpoint>| (listen.value.clone(), listen.path.clone());
        self.listen.iter().chain(&self.probes).map(named)
    }
}

pub(super) fn validated(admin: file::admin::Admin, known: &Known<'_>, errors: &mut Vec<ConfigError>) -> Admin {
    let file::admin::Admin { listen, probes, socket_mode, token_file, hosts, tls } = admin;
    let folder = known.home.folder;
    let [listen, probes] = [listen, probes].map(|written| written.map(|written| paths::endpoint(written, folder)));
    let both = listen.iter().chain(&probes);
    errors.extend(both.filter_map(|listen| paths::too_long(listen.value.address()?, listen)));
    if let (Some(listen), Some(probes)) = (&listen, &probes)
        && listen.value == probes.value
        && !probes.value.is_any_port()
    {
        errors.push(probes.error(format!("{} is listen already (expected another address)", probes.value)));
    }
    let tls = tls.and_then(|tls| tls_of(tls, listen.as_ref(), known, errors));
    Admin {
        listen,
        probes,
        socket_mode: socket_mode.value,
        token_file: token_file.and_then(|written| paths::secret(written, folder, errors)),
        hosts: hosts.into_iter().flatten().map(|host| host.value).collect(),
        tls,
    }
}

/// A Unix socket is connected to by those who may write to it (unix(7)).
const WRITABLE_BY_ALL: u32 = 0o002;

fn tls_of(
    written: file::admin::Tls,
    listen: Option<&Located<Endpoint>>,
    known: &Known<'_>,
    errors: &mut Vec<ConfigError>,
) -> Option<Tls> {
    let file::admin::Tls { here, certificates: list, policy, client_auth } = written;
    match listen.map(|listen| &listen.value) {
        Some(Endpoint::Bound(Address::Tcp(_)) | Endpoint::Activated(_)) => {}
        Some(unix @ Endpoint::Bound(Address::Unix(_))) => errors.push(here.error(format!(
            "listen is {unix}, whose permissions decide who may connect (expected an IP address and a port)"
        ))),
        None => {
            errors.push(here.error("nothing would use it (expected an IP address and a port in listen of [admin])"))
        }
    }
    let policy = known.policies.named(&policy, errors);
    let list = present(list, "certificates", certificates::KINDS, &here, errors).unwrap_or_default();
    let sources = list.into_iter().filter_map(|one| certificate(one, known.home.folder, known.authorities, errors));
    let certificates: Vec<_> = sources.collect();
    let client_auth = client_auth::validated(client_auth, known.home, errors);
    let policy = policy?;
    errors.extend(certificates.iter().filter_map(|source| never_served(source, &policy)));
    Some(Tls { here, certificates, policy, client_auth })
}
