//! The lists by which peers' certificates are judged, as far as they can be validated without opening a file. Must not know:
//! whose certificates are judged.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::file;
use crate::config::located::{ConfigError, Located};
use crate::config::validate::paths;
use crate::lists::settings;
use crate::lists::url::Url;
use crate::tls::trust::lists::rules::Rules;

/// Where lists are from, and what is asked of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lists {
    pub files: Vec<Located<PathBuf>>,
    pub fetched: Vec<Located<Fetched>>,
    pub rules: Rules,
}

/// Lists that come over the network, and where they are kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Fetched {
    Url {
        url: Arc<Url>,
        file: PathBuf,
    },
    /// Those of distribution points are all lists in the folder.
    Points {
        folder: PathBuf,
    },
}

impl Fetched {
    /// As it is written.
    pub fn text(&self) -> String {
        match self {
            Self::Url { url, .. } => url.to_string(),
            Self::Points { .. } => POINTS.to_owned(),
        }
    }
}

impl Lists {
    /// What has to be fetched, by these CAs.
    pub(super) fn wanted(&self, ca: Vec<PathBuf>) -> impl Iterator<Item = settings::Wanted> {
        self.fetched.iter().map(move |one| {
            let from = match &one.value {
                Fetched::Url { url, .. } => settings::From::Url(Arc::clone(url)),
                Fetched::Points { .. } => settings::From::Points,
            };
            settings::Wanted { from, ca: ca.clone() }
        })
    }
}

/// Where files are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Home<'a> {
    /// Relative paths start from it.
    pub(super) folder: &'a Path,
    /// `[state] directory`
    pub(super) state: Option<&'a Path>,
}

/// Lists without any key are none.
pub(super) fn validated(written: file::revocation::Revocation, home: Home<'_>, errors: &mut Vec<ConfigError>) -> Lists {
    let file::revocation::Revocation { crl, expired, missing } = written;
    let mut lists = Lists::default();
    for one in crl.into_iter().flatten() {
        match source(&one, home) {
            Ok(None) => lists.files.push(paths::file(one, home.folder)),
            Ok(Some(value)) => lists.fetched.push(Located { value, at: one.at, path: one.path }),
            Err(message) => errors.push(one.error(message)),
        }
    }
    lists.rules = Rules {
        asked: !lists.files.is_empty() || !lists.fetched.is_empty(),
        expired: expired.value,
        missing: missing.value,
        points: lists.fetched.iter().any(|one| matches!(one.value, Fetched::Points { .. })),
        awaited: false,
    };
    lists
}

/// The same where nothing can be judged without a CA.
pub(super) fn required(
    written: file::revocation::Revocation,
    has_ca: bool,
    home: Home<'_>,
    errors: &mut Vec<ConfigError>,
) -> Lists {
    let first = written.crl.as_ref().and_then(|crl| crl.first()).map(Located::place);
    if let Some(alone) = first.filter(|_| !has_ca) {
        errors.push(alone.error("is given without \"ca\" (expected the CAs that have signed the lists)"));
    }
    validated(written, home, errors)
}

/// `None` for a file.
fn source(written: &Located<String>, home: Home<'_>) -> Result<Option<Fetched>, String> {
    let text = &written.value;
    let points = text == POINTS;
    if !points && !text.contains("://") {
        return Ok(None);
    }
    let url = if points { None } else { Some(Url::parse(text)?) };
    let Some(state) = home.state else { return Err(format!("found {text:?}, {NO_STATE}")) };
    let folder = settings::folder(state);
    Ok(Some(match url {
        Some(url) => Fetched::Url { file: folder.join(settings::file(&url)), url: Arc::new(url) },
        None => Fetched::Points { folder },
    }))
}

/// How distribution points are written.
const POINTS: &str = "distribution_points";

const NO_STATE: &str =
    "and \"directory\" of [state] is missing (expected the folder in which lists that are fetched are kept)";
