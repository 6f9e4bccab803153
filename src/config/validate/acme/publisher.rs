//! `dns` of an `[acme.NAME]` → who publishes records in the DNS. Must not know: when that is needed.

use std::path::{Path, PathBuf};

use crate::acme::settings::{Publisher, Tsig, TsigAlgorithm, Update};
use crate::config::decode::Value as _;
use crate::config::file::acme::Dns;
use crate::config::located::{ConfigError, Located};
use crate::config::validate::paths;
use crate::config::values::resolver::NameServer;
use crate::tls::certificate::name::Name;

/// The publisher, and its files with their places.
pub(super) struct Published {
    pub(super) publisher: Publisher,
    pub(super) tsig: Option<Located<Tsig>>,
    pub(super) program: Option<Located<PathBuf>>,
}

/// `None` where something is wrong, which adds an error.
pub(super) fn validated(written: Dns, folder: &Path, errors: &mut Vec<ConfigError>) -> Option<Published> {
    let Dns { here, server, zone, tsig_name, tsig_key_file, tsig_algorithm, program } = written;
    let before = errors.len();
    let published = match (server, program) {
        (Some(server), None) => {
            if zone.is_none() {
                errors.push(
                    here.error("\"zone\" is missing (expected the zone that is updated, such as \"example.com\")"),
                );
            }
            let address = NameServer::parse(&server.value);
            if address.is_none() {
                errors.push(server.error(format!("found {:?}, expected {}", server.value, NameServer::EXPECTED)));
            }
            let zone = zone.and_then(|zone| domain(&zone, errors));
            let tsig = tsig(tsig_name, tsig_key_file, tsig_algorithm, folder, errors);
            let update = Update { server: address?.0, zone: zone?, tsig: tsig.as_ref().map(|tsig| tsig.value.clone()) };
            Published { publisher: Publisher::Update(update), tsig, program: None }
        }
        (None, Some(program)) => {
            let places = [
                ("zone", zone.map(|key| key.place())),
                ("tsig_name", tsig_name.map(|key| key.place())),
                ("tsig_key_file", tsig_key_file.map(|key| key.place())),
                ("tsig_algorithm", tsig_algorithm.map(|key| key.place())),
            ];
            let stray = places.into_iter().filter_map(|(_, place)| place);
            errors.extend(stray.map(|place| place.error("has no effect beside \"program\"")));
            if program.value.is_empty() {
                errors.push(program.error("found \"\", expected the path of a program"));
            }
            let program = paths::file(program, folder);
            Published { publisher: Publisher::Program(program.value.clone()), tsig: None, program: Some(program) }
        }
        (Some(server), Some(_)) => {
            errors.push(server.error("cannot be combined with \"program\" (expected one of the two)"));
            return None;
        }
        (None, None) => {
            errors.push(here.error("\"server\" is missing (expected the IP address of a name server that takes updates, or \"program\" instead)"));
            return None;
        }
    };
    (errors.len() == before).then_some(published)
}

fn tsig(
    name: Option<Located<String>>,
    key_file: Option<Located<String>>,
    algorithm: Option<Located<TsigAlgorithm>>,
    folder: &Path,
    errors: &mut Vec<ConfigError>,
) -> Option<Located<Tsig>> {
    match (name, key_file) {
        (Some(name), Some(file)) => {
            let file = paths::secret(file, folder, errors)?;
            let algorithm = algorithm.map_or(TsigAlgorithm::HmacSha256, |algorithm| algorithm.value);
            let tsig = Tsig { name: domain(&name, errors)?, key_file: file.value, algorithm };
            Some(Located { value: tsig, at: file.at, path: file.path })
        }
        (Some(name), None) => {
            errors.push(name.error("is given without the key (expected tsig_key_file = \"…\")"));
            None
        }
        (None, Some(file)) => {
            errors.push(file.error("is given without the name of the key (expected tsig_name = \"…\")"));
            None
        }
        (None, None) => {
            errors.extend(
                algorithm.map(|algorithm| algorithm.error("has no effect without tsig_name and tsig_key_file")),
            );
            None
        }
    }
}

/// A name in the DNS, in lower case and without a dot at its end.
fn domain(written: &Located<String>, errors: &mut Vec<ConfigError>) -> Option<String> {
    match Name::parse(&written.value) {
        Ok(Name::Exact(name)) => Some(name.into()),
        _ => {
            errors.push(written.error(format!("found {:?}, expected a name in the DNS", written.value)));
            None
        }
    }
}
