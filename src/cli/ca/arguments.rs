//! What several of the verbs take: the folder, the passphrase, words. Must not know: what a verb does.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::passphrase;
use crate::acme::settings::KeyKind;
use crate::authority::error::AuthorityError;
use crate::authority::index::Reason;
use crate::authority::open::Authority;
use crate::words::Words;

/// Of every verb that uses the authority's keys.
#[derive(Debug, Args)]
pub(super) struct Opened {
    /// The authority's folder.
    #[arg(value_name = "FOLDER")]
    pub(super) folder: PathBuf,
    #[command(flatten)]
    pub(super) passphrase: passphrase::Source,
}

impl Opened {
    pub(super) fn open(&self) -> Result<Authority, AuthorityError> {
        Authority::open(&self.folder, PATIENCE)
    }
}

/// Reads one of the words of an option.
fn word<T: Words>(text: &str) -> Result<T, String> {
    T::from_word(text).ok_or_else(|| format!("expected {}", T::EXPECTED))
}

pub(super) fn key_kind(text: &str) -> Result<KeyKind, String> {
    word(text)
}

pub(super) fn reason(text: &str) -> Result<Reason, String> {
    word(text)
}

/// How long another process that changes the same authority is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// The most days of a certificate or a list.
pub(super) const MOST_DAYS: i64 = 36_500;
