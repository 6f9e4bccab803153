//! Why a check failed. Must not know: how checks are made.

use std::time::Duration;

use thiserror::Error;

use crate::ldap::client::AnswerError;

/// Why a check failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CheckError {
    #[error("{0}")]
    Connect(String),
    /// This machine has no port, descriptor or memory left, it was stopped, or has no key for its own certificate. The check has no
    /// result.
    #[error("{0}")]
    Local(String),
    #[error("no answer within {}", humantime::format_duration(*.0))]
    Timeout(Duration),
    #[error("TLS: {0}")]
    Tls(String),
    /// The server's answer is not the expected one.
    #[error("{0}")]
    Answer(String),
}

impl CheckError {
    /// Its name in the metrics and the admin API.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Connect(_) => "connect",
            Self::Local(_) => "local",
            Self::Timeout(_) => "timeout",
            Self::Tls(_) => "tls",
            Self::Answer(_) => "answer",
        }
    }
}

impl From<AnswerError> for CheckError {
    fn from(error: AnswerError) -> Self {
        Self::Answer(error.to_string())
    }
}
