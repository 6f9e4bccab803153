//! Configuration in stages, each with a type of its own: text → [`file::File`] (as written, with every default) →
//! [`validate::Config`] (valid). Nothing here opens a certificate or a socket.
//!
//! A setting of a lower floor (a balance algorithm, a log format) has its type and its words there; nothing below knows the
//! configuration.

pub mod decode;
pub mod file;
pub mod located;
pub mod shown;
pub mod validate;
pub mod values;

use std::io;
use std::path::Path;
use std::sync::Arc;

use located::{ConfigError, Located, Position, Text};
use toml::de::DeTable;
use validate::Config;
use validate::fleet::Machine;
use validate::folders::Folders;

use crate::files;

/// Reads and validates a file, and reports all its errors together. Relative paths start from the file's folder; in a
/// source that can be read only once, such as standard input (`-`), from the working directory.
pub fn load(path: &Path) -> Result<Config, Vec<ConfigError>> {
    match files::pipe::is_read_once(path) {
        true => parse(&text(path, files::pipe::read_once)?, Path::new("")),
        false => load_file(path),
    }
}

/// The same for a regular file only: a pipe that has replaced it meanwhile is an error, so that a reload never waits for a
/// writer.
pub fn load_file(path: &Path) -> Result<Config, Vec<ConfigError>> {
    parse(&text(path, files::read_text)?, path.parent().unwrap_or(Path::new("")))
}

fn text(path: &Path, read: fn(&Path, u64) -> io::Result<String>) -> Result<String, Vec<ConfigError>> {
    read(path, files::LARGEST_CONFIGURATION).map_err(|error| {
        let message = format!("cannot be read: {}", files::reason(&error));
        vec![ConfigError { path: String::new(), position: None, message }]
    })
}

/// What this machine of a fleet has of its own, from a regular file.
pub fn load_machine(path: &Path) -> Result<Machine, Vec<ConfigError>> {
    let text = text(path, files::read_text).map_err(|mut errors| {
        errors.iter_mut().for_each(|error| error.message = format!("{}: {}", path.display(), error.message));
        errors
    })?;
    Machine::parse(&text, path)
}

/// Whether a file is what a machine of a fleet has of its own, and not a configuration.
pub fn is_of_machine(path: &Path) -> bool {
    text(path, files::read_text).is_ok_and(|text| DeTable::parse_recoverable(&text).0.get_ref().contains_key("fleet"))
}

/// The configuration of a release, at `path`, as this machine of the fleet serves it.
pub fn load_release(machine: &Machine, path: &Path) -> Result<Config, Vec<ConfigError>> {
    parse_release(machine, &text(path, files::read_text)?, path.parent().unwrap_or(Path::new("")))
}

/// The same for a text whose relative paths start from `folder`.
pub fn parse(text: &str, folder: &Path) -> Result<Config, Vec<ConfigError>> {
    let (file, errors) = file::File::decode(text)?;
    validated(file, errors, Folders { configuration: folder, machine: folder })
}

/// The same for the text of a release where it is published, and not served: each node has a folder of the state of its own.
pub fn parse_published(text: &str, folder: &Path) -> Result<Config, Vec<ConfigError>> {
    let (mut file, errors) = file::File::decode(text)?;
    file.state.directory.get_or_insert_with(|| Located {
        value: ELSEWHERE.into(),
        at: Position { text: Text::Configuration, line: 1, column: 1 },
        path: "state.directory".into(),
    });
    validated(file, errors, Folders { configuration: folder, machine: folder })
}

/// The same for the text of a release.
pub fn parse_release(machine: &Machine, text: &str, folder: &Path) -> Result<Config, Vec<ConfigError>> {
    let (file, mut errors) = file::File::decode(text)?;
    let file = machine.over(file, &mut errors);
    let mut config = validated(file, errors, Folders { configuration: folder, machine: &machine.folder })?;
    for listener in &mut config.listeners {
        if listener.tickets.keys.is_empty() {
            listener.tickets.of_fleet = machine.fleet.tickets();
        }
    }
    Ok(Config { fleet: Some(Arc::clone(&machine.fleet)), ..config })
}

fn validated(file: file::File, mut errors: Vec<ConfigError>, folders: Folders<'_>) -> Result<Config, Vec<ConfigError>> {
    let validated = validate::validate(file, folders);
    let result = match validated {
        Ok(config) if errors.is_empty() => return Ok(config),
        Ok(_) => Vec::new(),
        Err(more) => more,
    };
    errors.extend(result);
    // The two stages find errors in different orders; a person reads the file from the top.
    errors.sort_by_key(|error| error.position);
    Err(errors)
}

/// The folder of the state on another machine: there is nothing here.
const ELSEWHERE: &str = "/nonexistent/state-of-the-node";

#[cfg(test)]
mod tests;
