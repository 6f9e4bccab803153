//! `credential:NAME` → the path of a secret that the service manager passes to this service (`LoadCredential=`,
//! systemd.exec(5)). Must not know: what the secret is, which key names it.

use std::ffi::OsString;
use std::path::PathBuf;

/// The path of the credential that a text names; `None` where the text names none. The error says what was expected.
pub fn path(text: &str) -> Option<Result<PathBuf, String>> {
    text.strip_prefix(PREFIX).map(named)
}

/// The path of the credential of that name.
pub fn named(name: &str) -> Result<PathBuf, String> {
    found(name, std::env::var_os(DIRECTORY))
}

/// Whether a credential can have that name, which is that of a file in a folder.
pub fn is_name(name: &str) -> bool {
    (1..=LONGEST).contains(&name.len()) && !name.starts_with('.') && !name.contains(['/', ':', '\0'])
}

fn found(name: &str, directory: Option<OsString>) -> Result<PathBuf, String> {
    if !is_name(name) {
        return Err(format!("found {name:?}, expected the name of a credential"));
    }
    let directory = directory.map(PathBuf::from).filter(|path| path.is_absolute()).ok_or_else(|| {
        format!(
            "there are no credentials: {DIRECTORY} is not set (expected a start by systemd, with \
             LoadCredential={name}:/path or LoadCredentialEncrypted= in the unit)"
        )
    })?;
    Ok(directory.join(name))
}

/// What a text that names a credential begins with.
const PREFIX: &str = "credential:";
/// Set by the service manager.
const DIRECTORY: &str = "CREDENTIALS_DIRECTORY";
/// Of a name, in bytes, as for any file.
const LONGEST: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_a_file_in_the_folder_of_the_service() {
        let folder = || Some("/run/credentials/tlsgate.service".into());
        assert_eq!(found("token", folder()).unwrap(), PathBuf::from("/run/credentials/tlsgate.service/token"));
        for name in ["", ".", "..", "../token", "a/b", "a:b", "a\0", &"n".repeat(256)] {
            assert!(found(name, folder()).unwrap_err().contains("expected the name of a credential"), "{name:?}");
        }
        for folder in [None, Some("".into()), Some("relative".into())] {
            assert!(found("token", folder).unwrap_err().contains("LoadCredential=token:/path"));
        }
        assert_eq!(path("/etc/token"), None);
    }
}
