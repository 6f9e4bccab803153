//! `tlsgate cert`: shows the certificates of a configuration, or of files. Must not know: how certificates are read.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::json;

use crate::cli::answer::exit::FAILED;
use crate::cli::answer::form::{self, Output};
use crate::cli::answer::print::{complain, say};
use crate::cli::load::reading;
use crate::config;
use crate::snapshot::Snapshot;
use crate::tls::certificate::chain::Anchors;
use crate::tls::certificate::expiry;
use crate::tls::certificate::inspect::Facts;
use crate::tls::certificate::inventory;
use crate::tls::certificate::inventory::{InventoryError, Item, Key};
use crate::tls::certificate::source::folder;
use crate::tls::certificate::store::Trust;

pub(super) mod roots;
mod shape;
mod shown;
mod text;

use shown::{Served, Shown};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// List every certificate of a configuration, by listener; those of the admin server last.
    List {
        /// The configuration file; "-" is standard input.
        #[arg(short, long, value_name = "FILE")]
        config: PathBuf,
        #[command(flatten)]
        how: How,
    },
    /// Show everything about the certificates in files and folders. No key is needed.
    Show {
        /// A certificate, a combined file, the .crt of a pair, or a folder of any of them.
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        #[command(flatten)]
        how: How,
    },
}

#[derive(Debug, Args)]
pub(super) struct How {
    /// Exit with 1 if a certificate, or one of its chain, is not valid now or expires within this time, such as 14d; or
    /// "soon": within two weeks, or a third of its lifetime, whichever is shorter.
    #[arg(long, value_name = "TIME", value_parser = Within::parse)]
    expires_within: Option<Within>,
    /// The roots that clients trust, in PEM; without it, those of the system.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The format of the output.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    format: Output,
}

/// How long a certificate must still be valid.
#[derive(Debug, Clone, Copy)]
enum Within {
    Time(Duration),
    /// Relative to its lifetime.
    Soon,
}

impl Within {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "soon" => Ok(Self::Soon),
            time => humantime::parse_duration(time).map(Self::Time).map_err(|error| error.to_string()),
        }
    }

    fn ends(self, facts: &Facts, now: i64) -> bool {
        !facts.is_valid_at(now)
            || match self {
                Self::Time(within) => {
                    facts.not_after < now.saturating_add(i64::try_from(within.as_secs()).unwrap_or(i64::MAX))
                }
                Self::Soon => expiry::is_soon(facts.not_before, facts.not_after, now),
            }
    }
}

pub(super) fn cert(verb: Verb) -> ExitCode {
    let (how, shown) = match &verb {
        Verb::List { config, how } => (how, trusted(how).and_then(|roots| list(config, &roots))),
        Verb::Show { paths, how } => (how, trusted(how).map(|roots| show(paths, &roots))),
    };
    let (shown, errors) = match shown {
        Ok(shown) => shown,
        Err(errors) => (Vec::new(), errors),
    };
    let now = Timestamp::now().as_second();
    match (how.format, &verb) {
        (Output::Json, _) => {
            let all: Vec<_> = shown.iter().map(|shown| shape::shown(shown, now)).collect();
            let report = json!({ "certificates": all, "errors": errors });
            say(&form::json(&report));
        }
        (Output::Text, Verb::List { .. }) => say(&text::list(&shown, now)),
        (Output::Text, Verb::Show { .. }) => say(&text::show(&shown, now)),
    }
    if how.format == Output::Text {
        errors.iter().for_each(|error| complain(&format!("error: {error}")));
    }
    let expiring = how
        .expires_within
        .is_some_and(|within| shown.iter().any(|shown| shown.item.judged().any(|facts| within.ends(facts, now))));
    if errors.is_empty() && !expiring { ExitCode::SUCCESS } else { FAILED.into() }
}

type Found = (Vec<Shown>, Vec<String>);

/// The roots that clients trust.
fn trusted(how: &How) -> Result<Anchors, Vec<String>> {
    match &how.ca {
        Some(given) => inventory::anchors(given).map_err(|error| vec![format!("--ca: {error}")]),
        None => Ok(roots::system()),
    }
}

fn list(path: &Path, roots: &Anchors) -> Result<Found, Vec<String>> {
    let at = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let texts = |errors: Vec<config::located::ConfigError>| errors.iter().map(|error| at(error)).collect::<Vec<_>>();
    let file = path.to_owned();
    let read = reading(move || {
        let config = config::load(&file)?;
        Snapshot::build(&config, &Snapshot::default(), Trust::Bytes, Timestamp::now()).map(|built| (config, built))
    });
    let (config, built) = read.map_err(texts)?;
    let mut errors: Vec<String> = built.failed().iter().map(|failure| at(failure)).collect();
    let (mut all, keys) = (Vec::new(), built.snapshot.key_files());
    let listeners = config.listeners.iter().filter_map(|settings| {
        let listener = built.snapshot.listener(&settings.name)?;
        Some((Some(settings.name.to_string()), listener.ways.certificates()))
    });
    let of_admin = built.snapshot.admin().map(|admin| (None, admin.certificates.all().iter().collect()));
    for (listener, certificates) in listeners.chain(of_admin) {
        for certificate in certificates {
            // A certificate that is served has a matching key, and is the first of its chain.
            let file = keys.get(&Arc::as_ptr(certificate)).copied().unwrap_or(Path::new(&*certificate.label));
            let key = Key::Matches(file.to_owned());
            match Item::of(&certificate.key.cert, Some(0), key, roots) {
                Ok(Some(item)) => all.push(Shown {
                    path: certificate.label.to_string(),
                    served: Some(Served {
                        listener: listener.clone(),
                        names: certificate.names.iter().map(ToString::to_string).collect(),
                    }),
                    item,
                }),
                Ok(None) => {}
                Err(error) => errors.push(format!("{}: {error}", certificate.label)),
            }
        }
    }
    Ok((all, errors))
}

fn show(paths: &[PathBuf], roots: &Anchors) -> Found {
    let (mut all, mut errors) = (Vec::new(), Vec::new());
    for path in paths {
        // A path with neither certificates nor errors is an error itself.
        let before = all.len() + errors.len();
        let in_folder = path.is_dir();
        let files = match in_folder {
            true => folder::files(path).map_err(|error| error.to_string()),
            false => Ok(vec![(path.clone(), beside(path))]),
        };
        match files {
            Err(error) => errors.push(error),
            Ok(files) => {
                for (file, key) in files {
                    match Item::read(&file, key.as_deref(), roots) {
                        Ok(item) => all.push(Shown { path: file.display().to_string(), served: None, item }),
                        // A folder may also contain keys and parameters.
                        Err(InventoryError::NoCertificate(_)) if in_folder => {}
                        Err(error) => errors.push(error.to_string()),
                    }
                }
                if all.len() + errors.len() == before {
                    errors.push(format!("{}: {NOTHING_THERE}", path.display()));
                }
            }
        }
    }
    (all, errors)
}

/// The key file of a pair, if it exists.
fn beside(path: &Path) -> Option<PathBuf> {
    Some(path.with_extension("key")).filter(|key| key != path && key.exists())
}

const NOTHING_THERE: &str = "no certificate found (expected x.crt or x.pem, or folders with tls.crt)";
