//! Why an authority cannot do what is asked. Must not know: how it is done.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::tls::encrypted::DecryptError;

/// Why an authority cannot do what is asked.
#[derive(Debug, Error)]
pub enum AuthorityError {
    /// The text names the file.
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{path} is no authority: there is no {path}/authority.json (\"tlsgate ca new {path}\" makes one)", path = .0.display())]
    NoAuthority(PathBuf),
    #[error("{path} is not empty, expected a folder that does not exist yet", path = .0.display())]
    NotEmpty(PathBuf),
    #[error("{path} is being changed by another process{}, which does not end", .1.map_or(String::new(), |pid| format!(" (id {pid})")), path = .0.display())]
    Busy(PathBuf, Option<u32>),
    /// A file of the folder does not have what it should have.
    #[error("{path}: {1}", path = .0.display())]
    Broken(PathBuf, String),
    #[error("{path} {1}", path = .0.display())]
    Key(PathBuf, DecryptError),
    #[error("{path} is not there, and is needed for this: put it back", path = .0.display())]
    NoKey(PathBuf),
    /// A name that was given or asked for.
    #[error("{0}")]
    Name(String),
    #[error("{name} is not permitted: this authority is only for {permitted}")]
    NotPermitted { name: String, permitted: String },
    #[error("{path}: {1}", path = .0.display())]
    Request(PathBuf, String),
    #[error("{0}: found no certificate of this authority with this serial number, and no file of this name")]
    NotIssued(String),
    #[error("{path}: this certificate was not issued by this authority", path = .0.display())]
    Foreign(PathBuf),
    #[error("the root cannot be revoked: those who trust it have to remove it")]
    Root,
    #[error("the {0} certificate has expired; {1}")]
    Expired(&'static str, &'static str),
    #[error("the issuing certificate was revoked; \"tlsgate ca renew\" makes a new one")]
    IssuingRevoked,
    #[error("the certificate cannot be built: {0}")]
    Build(#[from] rcgen::Error),
    #[error("the certificate was built wrong: {0}")]
    Wrong(&'static str),
    #[error("the system provides no random bytes")]
    NoRandom,
}
