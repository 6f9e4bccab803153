//! Where the admin server listens and which requests it accepts, as far as that can be validated without a socket.

use std::path::{Path, PathBuf};

use crate::config::file;
use crate::config::located::{ConfigError, Located};
use crate::config::validate::paths;
use crate::config::values::{HostName, Mode};
use crate::net::endpoint::Endpoint;

/// `[admin]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// Without it there is no admin server.
    pub listen: Option<Located<Endpoint>>,
    /// The permissions of the Unix socket.
    pub socket_mode: Mode,
    /// The token in it permits changes over TCP.
    pub token_file: Option<Located<PathBuf>>,
    /// The hosts that a request over TCP may name, besides localhost and its own address.
    pub hosts: Vec<HostName>,
}

pub(super) fn validated(admin: file::admin::Admin, folder: &Path, errors: &mut Vec<ConfigError>) -> Admin {
    let file::admin::Admin { listen, socket_mode, token_file, hosts } = admin;
    let listen = listen.map(|listen| paths::endpoint(listen, folder));
    errors.extend(listen.as_ref().and_then(|listen| paths::too_long(listen.value.address()?, listen)));
    Admin {
        listen,
        socket_mode: socket_mode.value,
        token_file: token_file.and_then(|written| paths::secret(written, folder, errors)),
        hosts: hosts.into_iter().flatten().map(|host| host.value).collect(),
    }
}
