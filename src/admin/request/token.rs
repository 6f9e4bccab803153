//! The token that allows changes on TCP. Must not know: HTTP.

use std::path::PathBuf;
use zeroize::Zeroizing;

use crate::config::located::{ConfigError, Located};
use crate::files;
use crate::tls::crypto;

/// A secret that is never shown, and wiped when it is dropped.
pub struct Token(Zeroizing<String>);

/// Reads a file that contains the token and nothing else. The configuration's validation checks its permissions.
pub fn read(file: &Located<PathBuf>) -> Result<Token, ConfigError> {
    let path = file.value.display();
    let unreadable = |error| file.error(format!("{path}: {}", files::reason(&error)));
    let text = files::read_secret(&file.value).map_err(unreadable)?.text;
    // Editors and `echo` end a file with a line break.
    let token = text.trim();
    let wrong =
        |found: String| file.error(format!("{path}: {found}, expected at least {SHORTEST} visible ASCII characters"));
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong("found characters that a header cannot contain".into()));
    }
    if token.len() < SHORTEST {
        return Err(wrong(format!("found a token of {} characters", token.len())));
    }
    Ok(Token(Zeroizing::new(token.to_owned())))
}

impl Token {
    /// Whether `presented` is this token. The time that this takes reveals only its length.
    pub fn is(&self, presented: &[u8]) -> bool {
        crypto::same_secret(self.0.as_bytes(), presented)
    }

    /// The token itself, for a client that has to send it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

/// In bytes: as many as twelve random bytes have in base64. A shorter token could be guessed.
const SHORTEST: usize = 16;
