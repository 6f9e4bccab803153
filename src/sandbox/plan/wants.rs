//! A configuration → the paths that a process with it uses, each with its key. Must not know: where paths lead.

use std::path::{Path, PathBuf};

use crate::config::located::{Located, Position};
use crate::config::validate::Config;
use crate::config::validate::admin::Admin;
use crate::net::address::Address;
use crate::net::endpoint::Endpoint;
use crate::observe::access::target::Target;
use crate::tls::certificate::source::Source;

/// A path that a key names.
#[derive(Debug)]
pub struct Want {
    pub key: String,
    pub at: Option<Position>,
    pub path: PathBuf,
    pub need: Need,
}

/// What is done with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// A file is read, and another one that takes its place.
    File,
    /// A file is read, or a folder with everything in it.
    Certificates,
    /// In a folder, files are read, made, replaced and removed.
    Folder,
    /// The same; it is made before the start if it does not exist.
    State,
    /// A file is appended to, and made again after it was moved away.
    Log,
    /// The file of a Unix socket is removed at the end.
    Socket,
    /// Whatever the operator knows.
    Anything,
}

/// All paths of a configuration, in its order.
pub fn of(config: &Config) -> Vec<Want> {
    let mut wants = Vec::new();
    admin(&config.admin, &mut wants);
    if let Target::File(path) = &config.log.access.value {
        wants.push(want(&config.log.access, path, Need::Log));
    }
    wants.extend(config.process.sandbox_paths.iter().map(|path| want(path, &path.value, Need::Anything)));
    wants.extend(config.state.directory.iter().map(|folder| want(folder, &folder.value, Need::State)));
    for passphrase in &config.keys.written {
        wants.extend(passphrase.value.file().map(|file| want(passphrase, &file, Need::File)));
    }
    for files in &config.authority_files {
        let named = [&files.ca, &files.eab].into_iter().flatten();
        wants.extend(named.map(|file| want(file, &file.value, Need::File)));
        wants.extend(files.tsig.iter().map(|tsig| want(tsig, &tsig.value.key_file, Need::File)));
    }
    let of_fleet = config.fleet.iter().flat_map(|fleet| &fleet.files);
    wants.extend(of_fleet.map(|file| want(file, &file.value, Need::File)));
    wants.extend(config.crl_ca.iter().map(|file| want(file, &file.value, Need::File)));
    listeners(config, &mut wants);
    backends(config, &mut wants);
    wants
}

fn admin(admin: &Admin, wants: &mut Vec<Want>) {
    wants.extend(admin.listen.iter().chain(&admin.probes).filter_map(socket));
    admin.sources().for_each(|source| certificates(source, wants));
    let files = admin.token_file.iter().chain(admin.client_auth_files());
    wants.extend(files.map(|file| want(file, &file.value, Need::File)));
}

fn listeners(config: &Config, wants: &mut Vec<Want>) {
    for listener in &config.listeners {
        wants.extend(listener.listen.iter().filter_map(socket));
        for source in listener.sources() {
            certificates(source, wants);
            // The admin server adds certificates to it, and finishes what was interrupted.
            let written = config.admin.listen.as_ref().and_then(|_| source.value.folder());
            wants.extend(written.map(|folder| want(source, folder, Need::Folder)));
        }
        let files = listener.tickets.keys.iter().chain(listener.client_auth_files()).chain(listener.limit_files());
        wants.extend(files.map(|file| want(file, &file.value, Need::File)));
    }
}

fn backends(config: &Config, wants: &mut Vec<Want>) {
    for backend in &config.backends {
        if let Some(tls) = &backend.tls {
            tls.certificate.iter().for_each(|source| certificates(source, wants));
            let files = tls.ca.iter().chain(&tls.lists.files);
            wants.extend(files.map(|file| want(file, &file.value, Need::File)));
        }
        if let Some(health) = &backend.health {
            wants.extend(health.files().map(|file| want(&health.here, file, Need::File)));
        }
    }
}

fn certificates(source: &Located<Source>, wants: &mut Vec<Want>) {
    // What is ordered lies in the folder of the state.
    wants.extend(source.value.token().map(|uri| want(source, &uri.module, Need::File)));
    if source.value.as_ordered().is_none() {
        let watched = source.value.watched();
        wants.extend(watched.files.iter().map(|file| want(source, file, Need::File)));
        wants.extend(watched.folders.iter().map(|folder| want(source, folder, Need::Certificates)));
    }
}

/// What systemd passes is systemd's.
fn socket(listen: &Located<Endpoint>) -> Option<Want> {
    match listen.value.address()? {
        Address::Unix(path) => Some(want(listen, path, Need::Socket)),
        Address::Tcp(_) => None,
    }
}

fn want<T>(place: &Located<T>, path: &Path, need: Need) -> Want {
    Want { key: place.path.clone(), at: Some(place.at), path: path.to_owned(), need }
}
