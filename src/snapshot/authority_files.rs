//! The files that authorities need: keys of accounts and of transaction signatures, trusted certificates, programs → what is
//! wrong with them. Must not know: what they are used for.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustix::fs::{Access, AtFlags, CWD, accessat};
use zeroize::Zeroizing;

use crate::acme::publish::key;
use crate::config::located::{ConfigError, Located};
use crate::config::validate::Config;
use crate::config::validate::acme::Files;
use crate::files::{self, Secret, progress};
use crate::snapshot::reading::{EXPOSED, Reading};
use crate::tls::certificate::pem;
use crate::warning::Warning;

/// Files with which no certificate could be ordered. `tlsgate check` reports them as errors; a start and a reload go on,
/// since what is served must not depend on what is needed to renew it.
pub fn faults(config: &Config) -> Vec<ConfigError> {
    config.authority_files.iter().flat_map(|files| Found::of(files).faults).collect()
}

/// Adds warnings for them, and for secrets that everyone can read.
pub(super) fn look(config: &Config, reading: &mut Reading<'_>) {
    for files in &config.authority_files {
        let Found { faults, exposed } = Found::of(files);
        reading.warnings.extend(faults.into_iter().map(|fault| {
            Warning::new(format!("{}; no certificate can be ordered", fault.message)).at(&Arc::from(fault.path))
        }));
        reading.warnings.extend(
            exposed
                .into_iter()
                .map(|(file, place)| Warning::about(file.display().to_string(), EXPOSED).at(&Arc::from(place))),
        );
    }
}

/// What is wrong with the files of one authority.
#[derive(Default)]
struct Found<'f> {
    faults: Vec<ConfigError>,
    /// Secrets that everyone can read, with their places in the configuration.
    exposed: Vec<(&'f Path, &'f str)>,
}

impl<'f> Found<'f> {
    fn of(Files { ca, eab, tsig, program, http: _ }: &'f Files) -> Self {
        let mut found = Self::default();
        if let Some(ca) = ca {
            found.note(&ca.value, ca, certificates(&ca.value));
        }
        if let Some(eab) = eab {
            found.secret(&eab.value, eab, binding);
        }
        if let Some(tsig) = tsig {
            let judge = |text: &str| key::parse(text, &tsig.value.name).map(drop);
            found.secret(&tsig.value.key_file, tsig, judge);
        }
        if let Some(program) = program {
            found.note(&program.value, program, runnable(&program.value));
        }
        found
    }

    fn secret<T>(&mut self, file: &'f Path, place: &'f Located<T>, judge: impl FnOnce(&str) -> Result<(), String>) {
        let read = files::read_secret(file).map_err(|error| files::reason(&error));
        let judged = read.and_then(|Secret { text, exposed }| {
            self.exposed.extend(exposed.then_some((file, place.path.as_str())));
            judge(&text)
        });
        self.note(file, place, judged);
    }

    fn note<T>(&mut self, file: &Path, place: &Located<T>, judged: Result<(), String>) {
        self.faults.extend(judged.err().map(|reason| place.error(format!("{}: {reason}", file.display()))));
    }
}

fn certificates(file: &Path) -> Result<(), String> {
    let read = files::read(file, files::LARGEST_CERTIFICATES).map_err(|error| files::reason(&error))?;
    match pem::read_certificates(&read.bytes) {
        Ok(contents) if contents.certificates.is_empty() => Err("holds no certificate".into()),
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// Some authorities give the key with padding, and some in base64's other alphabet.
fn binding(text: &str) -> Result<(), String> {
    let text = Zeroizing::new(text.trim().trim_end_matches('=').replace('+', "-"));
    let text = Zeroizing::new(text.replace('/', "_"));
    match URL_SAFE_NO_PAD.decode(&*text).map(Zeroizing::new) {
        Ok(key) if !key.is_empty() => Ok(()),
        _ => Err("expected the key in base64url on one line".into()),
    }
}

fn runnable(program: &Path) -> Result<(), String> {
    let is = progress::begin(program).and_then(|()| fs::metadata(program));
    match is.map_err(|error| files::reason(&error))? {
        is if !is.is_file() => Err("is no regular file, expected a program".into()),
        _ => match accessat(CWD, program, Access::EXEC_OK, AtFlags::EACCESS).map_err(io::Error::from) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Err("is not executable for this user".into())
            }
            Err(error) => Err(error.to_string()),
        },
    }
}
