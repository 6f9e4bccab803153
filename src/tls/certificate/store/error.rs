//! The reasons why a certificate cannot be loaded, with the path of the file. Must not know: how certificates are found and
//! built.

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::files;
use crate::tls::certificate::certified::error::CertificateError;
use crate::tls::certificate::pem::error::PemError;
use crate::tls::certificate::unlock::LockedError;
use crate::warning::Warning;

/// Why a source that was named cannot be used. The texts begin with the path.
#[derive(Debug, Error)]
pub enum StoreError {
    #[error("{path}: {reason}", path = .0.display(), reason = files::reason(.1))]
    Read(PathBuf, std::io::Error),
    #[error("{path}: {1}", path = .0.display())]
    Pem(PathBuf, PemError),
    #[error("{0}: {1}")]
    Certificate(String, CertificateError),
    #[error("{path}: {1}", path = .0.display())]
    Foreign(PathBuf, &'static str),
    #[error("{path}: {1}", path = .0.display())]
    Locked(PathBuf, LockedError),
}

impl StoreError {
    /// Whether only a certificate or only a key was found where both could have been.
    pub(in crate::tls::certificate) fn is_half(&self) -> bool {
        match self {
            Self::Certificate(_, error) => matches!(error, CertificateError::NoKey | CertificateError::NoCertificate),
            // It was removed after the folder was listed.
            Self::Read(_, error) => error.kind() == std::io::ErrorKind::NotFound,
            Self::Foreign(..) => true,
            _ => false,
        }
    }

    /// A warning whose text is the same for all files with this fault, so that many become one line.
    pub(in crate::tls::certificate) fn warning(&self) -> Warning {
        let about = |path: &Path| path.display().to_string();
        match self {
            Self::Read(path, error) => Warning::about(about(path), files::reason(error)),
            Self::Pem(path, error) => Warning::about(about(path), error.to_string()),
            Self::Certificate(what, error) => Warning::about(what.as_str(), error.to_string()),
            Self::Foreign(path, why) => Warning::about(about(path), *why),
            Self::Locked(path, error) => Warning::about(about(path), error.to_string()),
        }
    }
}
