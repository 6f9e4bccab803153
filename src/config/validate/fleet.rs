//! What one machine of a fleet has of its own, as far as that can be validated without opening a file, and how it takes the
//! place of what a release has. Must not know: how a release came here.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::file::File;
use crate::config::file::fleet::{Fleet as Written, FleetFile};
use crate::config::located::{ConfigError, Located, Position, Text};
use crate::config::validate::paths;
use crate::config::validate::wording::present;
use crate::config::values::fleet::Member;
use crate::etcd::Settings;

/// `fleet.toml`, valid.
#[derive(Debug, Clone)]
pub struct Machine {
    pub fleet: Arc<Fleet>,
    /// From where its relative paths start.
    pub(in crate::config) folder: PathBuf,
    written: FleetFile,
}

/// `[fleet]` and `[state]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fleet {
    /// The file itself.
    pub path: PathBuf,
    /// The name of this node.
    pub node: String,
    pub etcd: Settings,
    /// The file with the fleet's secrets.
    pub secret_file: Located<PathBuf>,
    /// Where the releases are kept. A node needs it, and whoever publishes does not.
    pub state: Option<Located<PathBuf>>,
    /// All files that its keys name.
    pub files: Vec<Located<PathBuf>>,
}

impl Machine {
    /// Validates the text of the file at `path`.
    pub(in crate::config) fn parse(text: &str, path: &Path) -> Result<Self, Vec<ConfigError>> {
        let (written, mut errors) = FleetFile::decode(text)?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let fleet = validated(&written, path, &folder, &mut errors);
        errors.sort_by_key(|error| error.position);
        match fleet {
            Some(fleet) if errors.is_empty() => Ok(Self { fleet: Arc::new(fleet), folder, written }),
            _ => Err(errors),
        }
    }

    /// Puts what this machine has in place of what the release has.
    pub(in crate::config) fn over(&self, file: File, errors: &mut Vec<ConfigError>) -> File {
        let FleetFile { fleet: _, listen, state, admin, log, process, runtime, bounds } = self.written.clone();
        errors.extend(self.fleet.directory().err());
        let mut listeners = file.listeners;
        for entry in listen {
            let name = |one: &Located<String>| one.value == entry.name.value;
            match listeners.iter_mut().find(|listener| listener.name.as_ref().is_some_and(name)) {
                Some(listener) => {
                    listener.listen = entry.value.map(|Located { value, at, path }| {
                        value.0.into_iter().map(|value| Located { value, at, path: path.clone() }).collect()
                    });
                }
                None => {
                    let known =
                        listeners.iter().filter_map(|listener| Some(format!("{:?}", listener.name.as_ref()?.value)));
                    let known = known.collect::<Vec<_>>().join(", ");
                    let message = format!(
                        "found {:?}, and the release has no listener of that name (expected one of {known})",
                        entry.name.value
                    );
                    errors.push(entry.name.error(message));
                }
            }
        }
        File {
            admin: admin.unwrap_or(file.admin),
            log: log.unwrap_or(file.log),
            process: process.unwrap_or(file.process),
            runtime: runtime.unwrap_or(file.runtime),
            bounds: bounds.unwrap_or(file.bounds),
            state,
            listeners,
            ..file
        }
    }
}

impl Fleet {
    /// The file with the keys of session tickets that all nodes share.
    pub fn tickets(&self) -> Option<PathBuf> {
        self.state.as_ref().map(|directory| directory.value.join("fleet").join("tickets.keys"))
    }

    /// Where a node keeps the releases.
    pub fn directory(&self) -> Result<&Located<PathBuf>, ConfigError> {
        self.state.as_ref().ok_or_else(|| ConfigError {
            path: "state".into(),
            position: Some(Position { text: Text::Machine, line: 1, column: 1 }),
            message: "\"directory\" is missing (expected the folder in which this node keeps the release)".into(),
        })
    }
}

fn validated(file: &FleetFile, path: &Path, folder: &Path, errors: &mut Vec<ConfigError>) -> Option<Fleet> {
    let Written { here, node, etcd, prefix, ca, cert, key, username, password_file, secret_file, timeout } =
        file.fleet.clone();
    let node = named(node, &here, errors);
    let expected = "the URL of a member of etcd, such as \"https://10.0.0.1:2379\"";
    let members = present(etcd, "etcd", expected, &here, errors).unwrap_or_default();
    if members.len() > MOST_MEMBERS {
        errors.push(here.error(format!("etcd: found {} URLs, expected at most {MOST_MEMBERS}", members.len())));
    }
    let prefix = prefixed(&prefix, errors);
    let file_of = |written: Option<Located<String>>| written.map(|written| paths::file(written, folder));
    let (ca, cert) = (file_of(ca), file_of(cert));
    let [key, password, secret] = [key, password_file, secret_file]
        .map(|written| written.and_then(|written| paths::secret(written, folder, errors)));
    both(("cert", cert.as_ref()), ("key", key.as_ref()), errors);
    both(("username", username.as_ref()), ("password_file", password.as_ref()), errors);
    plain(&members, [ca.as_ref(), cert.as_ref()], errors);
    let files = [&ca, &cert, &key, &password, &secret].into_iter().flatten().cloned().collect();
    let path_of = |file: Located<PathBuf>| file.value;
    Some(Fleet {
        path: path.to_owned(),
        node: node?,
        etcd: Settings {
            endpoints: members.into_iter().map(|member| member.value.text).collect(),
            prefix,
            ca: ca.map(path_of),
            identity: cert.map(path_of).zip(key.map(path_of)),
            user: username.map(|name| name.value).zip(password.map(path_of)),
            timeout: timeout.value,
        },
        secret_file: secret?,
        state: file.state.directory.clone().map(|directory| paths::file(directory, folder)),
        files,
    })
}

/// The name of the node: as written, or that of the machine.
fn named(node: Option<Located<String>>, here: &Located<()>, errors: &mut Vec<ConfigError>) -> Option<String> {
    let fine = |name: &str| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(known)
    };
    let expected = format!("expected 1 to {LONGEST_NAME} of the letters a-z and A-Z, digits, '-', '_' and '.'");
    match node {
        Some(node) if fine(&node.value) => Some(node.value),
        Some(node) => {
            errors.push(node.error(format!("found {:?}, {expected}", node.value)));
            None
        }
        None => {
            let system = rustix::system::uname();
            let host = system.nodename().to_string_lossy().into_owned();
            if !fine(&host) {
                let message =
                    format!("\"node\" is missing, and the host name cannot be used: found {host:?}, {expected}");
                errors.push(here.error(message));
                return None;
            }
            Some(host)
        }
    }
}

fn prefixed(prefix: &Located<String>, errors: &mut Vec<ConfigError>) -> String {
    let text = &prefix.value;
    let is_plain = text.starts_with('/') && text.len() > 1 && !text.ends_with('/') && !text.contains(char::is_control);
    if !is_plain || text.len() > LONGEST_PREFIX {
        errors.push(prefix.error(format!(
            "found {text:?}, expected what all keys begin with, such as \"/tlsgate/prod\": with a slash in front, none at \
             the end, and at most {LONGEST_PREFIX} bytes"
        )));
    }
    text.clone()
}

/// Neither has an effect alone.
fn both<A, B>(
    (one, first): (&str, Option<&Located<A>>),
    (other, second): (&str, Option<&Located<B>>),
    errors: &mut Vec<ConfigError>,
) {
    match (first, second) {
        (Some(alone), None) => errors.push(alone.error(format!("has no effect without {other:?}"))),
        (None, Some(alone)) => errors.push(alone.error(format!("has no effect without {one:?}"))),
        _ => {}
    }
}

/// What is only for TLS would have no effect.
fn plain(members: &[Located<Member>], files: [Option<&Located<PathBuf>>; 2], errors: &mut Vec<ConfigError>) {
    if members.is_empty() || members.iter().any(|member| member.value.secure) {
        return;
    }
    let unused = files.into_iter().flatten();
    errors.extend(unused.map(|file| file.error("has no effect: no URL in \"etcd\" begins with https://")));
}

/// More than etcd recommends: clusters have 3, 5 or 7.
const MOST_MEMBERS: usize = 16;

/// In bytes, as of a host name (RFC 1035 section 2.3.4).
const LONGEST_NAME: usize = 253;

/// In bytes.
const LONGEST_PREFIX: usize = 256;
