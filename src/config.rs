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

use located::ConfigError;
use validate::Config;

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

/// The same for a text whose relative paths start from `folder`.
pub fn parse(text: &str, folder: &Path) -> Result<Config, Vec<ConfigError>> {
    let (file, mut errors) = file::File::decode(text)?;
    let validated = validate::validate(file, folder);
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

#[cfg(test)]
mod tests;
