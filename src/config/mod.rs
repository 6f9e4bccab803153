//! Configuration in stages, each with a type of its own: text → [`file::File`] (as written, with every default) →
//! [`validate::Config`] (valid). Nothing here opens a certificate or a socket.
//!
//! Where a setting is a word of a lower floor (a balance algorithm, a log format), the configuration speaks that word;
//! nothing below knows the configuration.

pub mod decode;
pub mod file;
pub mod validate;
pub mod values;

use std::path::Path;

use decode::ConfigError;
use validate::Config;

/// Reads and validates a file. All that is wrong with it is reported at once.
pub fn load(path: &Path) -> Result<Config, Vec<ConfigError>> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let said = match error.kind() {
            std::io::ErrorKind::NotFound => "no such file".to_owned(),
            std::io::ErrorKind::InvalidData => "is not UTF-8 text".to_owned(),
            _ => error.to_string(),
        };
        vec![ConfigError { path: String::new(), position: None, message: format!("cannot be read: {said}") }]
    })?;
    parse(&text, path.parent().unwrap_or(Path::new("")))
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
    errors.sort_by_key(|error| error.position);
    Err(errors)
}

#[cfg(test)]
mod tests;
