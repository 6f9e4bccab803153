//! `tlsgate check`: reports everything that is wrong with a configuration, without binding a socket. Must not know: how a
//! configuration is validated, how lists are fetched.

use std::collections::HashMap;
use std::num::NonZero;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use serde::Serialize;

use crate::admin::request::token;
use crate::cli::answer::exit::FAILED;
use crate::cli::answer::form;
use crate::cli::answer::print::{say, visible};
use crate::cli::load::reading;
use crate::config;
use crate::config::located::ConfigError;
use crate::config::validate::Config;
use crate::files;
use crate::route::ways::Way;
use crate::sandbox;
use crate::sandbox::foreseen::Foreseen;
use crate::snapshot::{Built, Snapshot, authority_files};
use crate::state;
use crate::tls::certificate::certified::Certificate;
use crate::tls::certificate::store::Trust;
use crate::warning::Warning;

mod fetched;
mod issuers;

#[derive(Default, Serialize)]
struct Report {
    ok: bool,
    errors: Vec<ConfigError>,
    warnings: Vec<String>,
    /// What may be intended. `--strict` does not count them as errors.
    notes: Vec<String>,
    listeners: Vec<Summary>,
    /// The files of the admin server's certificates.
    admin: Vec<Taken>,
    /// What the process will give up here; `null` where the configuration has errors.
    process: Option<Foreseen>,
}

/// What a listener would serve.
#[derive(Serialize)]
struct Summary {
    name: String,
    /// The policy of the listener itself; `null` where only its routes terminate TLS, or none does.
    policy: Option<String>,
    certificates: usize,
    names: usize,
    /// The names of certificates that are ordered and not there yet.
    pending: Vec<String>,
    routes: usize,
    /// What happens to connections that no route takes.
    mode: &'static str,
    /// The files of its certificates.
    files: Vec<Taken>,
}

/// A certificate that a listener would serve.
#[derive(Serialize)]
struct Taken {
    certificate: String,
    private_key: String,
    names: Vec<String>,
}

/// How a configuration is checked.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct How {
    /// Warnings count as errors.
    pub(super) strict: bool,
    /// Lists of revoked certificates are fetched and proved, too.
    pub(super) fetch: bool,
    /// The report is JSON.
    pub(super) json: bool,
}

pub(super) fn check(path: &Path, How { strict, fetch, json }: How) -> ExitCode {
    let file = path.to_owned();
    let built = reading(move || {
        let config = config::load(&file)?;
        let directory = config.state.directory.as_ref();
        let state = directory.and_then(|folder| Some(folder.error(state::usable(&folder.value).err()?.to_string())));
        let again = Some(file.as_path()).filter(|file| !files::pipe::is_read_once(file));
        let process = sandbox::user(&config.process).and_then(|user| Foreseen::of(&config, user, again));
        let errors: Vec<ConfigError> = state.into_iter().chain(process.as_ref().err().cloned()).collect();
        match usable(&config) {
            Ok(built) if errors.is_empty() => {
                let unknown = issuers::unknown(&config, &built.snapshot);
                Ok((built, unknown, process.ok(), Arc::clone(&config.crl)))
            }
            Ok(_) => Err(errors),
            Err(more) => Err([errors, more].concat()),
        }
    });
    let report = match built {
        Ok((built, unknown, process, crl)) => {
            let failures = built.failed();
            let Built { snapshot, warnings, failures: _, mut unusable, unproved, pending } = built;
            unusable.extend(unproved);
            unusable.extend(if fetch { fetched::faults(&crl) } else { Vec::new() });
            let unverified = unverified(&snapshot);
            let failures = failures.iter().map(ToString::to_string);
            let others = unknown.warnings.iter().chain(&unverified).map(ToString::to_string);
            let risks = process.iter().flat_map(|process| &process.risks).cloned();
            let all = warnings.iter().map(ToString::to_string).chain(failures).chain(others);
            let warnings: Vec<String> = all.chain(risks).collect();
            let owners = process.iter().flat_map(|process| &process.owners).cloned();
            let notes = pending.iter().chain(&unknown.notes).map(ToString::to_string).chain(owners).collect();
            let keys = snapshot.key_files();
            let mut listeners: Vec<Summary> = snapshot.listeners().map(|listener| summary(listener, &keys)).collect();
            // A snapshot has its listeners in a map: without sorting, each run would show another order.
            listeners.sort_by(|a, b| a.name.cmp(&b.name));
            let of_admin = snapshot.admin().into_iter().flat_map(|admin| admin.certificates.all());
            let admin = of_admin.map(|certificate| taken(certificate, &keys)).collect();
            let ok = unusable.is_empty() && (!strict || warnings.is_empty());
            Report { ok, errors: unusable, warnings, notes, listeners, admin, process }
        }
        Err(errors) => Report { errors, ..Report::default() },
    };
    if json {
        say(&form::json(&report));
    } else {
        print(path, &report, strict);
    }
    if report.ok { ExitCode::SUCCESS } else { FAILED.into() }
}

/// Builds what a valid configuration names, without regard to the user and the folders of this machine.
pub(super) fn usable(config: &Config) -> Result<Built, Vec<ConfigError>> {
    // The server refuses these when it starts, not when it validates its configuration.
    let token = config.admin.token_file.as_ref().map(token::read).transpose().err();
    let access = &config.log.access;
    let log = access.value.refusal().map(|message| access.error(message));
    let mut errors: Vec<ConfigError> = token.into_iter().chain(log).collect();
    errors.extend(authority_files::faults(config));
    match Snapshot::build(config, &Snapshot::default(), Trust::Bytes, jiff::Timestamp::now()) {
        Ok(built) if errors.is_empty() => Ok(built),
        Ok(_) => Err(errors),
        Err(more) => Err([errors, more].concat()),
    }
}

/// Everything that is wrong with the text of a configuration whose relative paths start from `folder`.
pub(super) fn faults(text: &str, folder: &Path) -> Vec<ConfigError> {
    let (text, folder) = (text.to_owned(), folder.to_owned());
    let read = reading(move || {
        let config = config::parse(&text, &folder)?;
        let built = Snapshot::build(&config, &Snapshot::default(), Trust::Bytes, jiff::Timestamp::now())?;
        Ok([built.unusable, built.unproved].concat())
    });
    read.unwrap_or_else(|errors| errors)
}

/// Warnings about chains that clients will refuse because a signature in them is not the issuer's.
fn unverified(snapshot: &Snapshot) -> Vec<Warning> {
    // Verifying all signatures takes longer than loading the certificates. So a start and a reload only verify where the
    // issuer is ambiguous, and this uses all cores.
    let mut certificates: Vec<_> = snapshot.certificates().collect();
    // A certificate that several listeners share is verified once.
    certificates.sort_by_key(|certificate| (&certificate.label, certificate.fingerprint));
    certificates.dedup_by(|a, b| Arc::ptr_eq(a, b));
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let share = certificates.len().div_ceil(threads).max(1);
    let remarks = |certificate: &Certificate| {
        let unverified = certificate.unverified().into_iter();
        unverified.map(|remark| Warning::about(Arc::clone(&certificate.label), remark)).collect::<Vec<_>>()
    };
    thread::scope(|scope| {
        let shares = certificates.chunks(share);
        let threads: Vec<_> = shares
            .map(|share| scope.spawn(move || share.iter().flat_map(|one| remarks(one)).collect::<Vec<_>>()))
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
    })
}

fn summary(listener: &crate::snapshot::Listener, keys: &HashMap<*const Certificate, &Path>) -> Summary {
    let certificates = listener.ways.certificates();
    let way = &listener.ways.default().way;
    let mut names: Vec<_> = certificates.iter().flat_map(|certificate| &certificate.names).collect();
    names.sort_unstable();
    names.dedup();
    let mut pending: Vec<String> =
        listener.ways.terminators().flat_map(|terminator| terminator.certificates.pending()).collect();
    pending.sort_unstable();
    pending.dedup();
    Summary {
        name: listener.name.to_string(),
        policy: match way {
            Way::Terminate(termination) => Some(termination.terminator.policy.name.to_string()),
            Way::Passthrough(_) | Way::Reject => None,
        },
        certificates: certificates.len(),
        names: names.len(),
        pending,
        routes: listener.ways.all().count() - 1,
        mode: way.mode().word(),
        files: certificates.iter().map(|certificate| taken(certificate, keys)).collect(),
    }
}

fn taken(certificate: &Arc<Certificate>, keys: &HashMap<*const Certificate, &Path>) -> Taken {
    let key = keys.get(&Arc::as_ptr(certificate)).map(|key| key.display().to_string());
    let names = certificate.names.iter().map(ToString::to_string);
    Taken {
        certificate: certificate.label.to_string(),
        private_key: key.unwrap_or_default(),
        names: names.chain(certificate.addresses.iter().map(ToString::to_string)).collect(),
    }
}

fn print(path: &Path, report: &Report, strict: bool) {
    let path = path.display();
    let say = |line: String| say(&(visible(&line) + "\n"));
    for error in &report.errors {
        say(format!("{path}: error: {error}"));
    }
    let kind = if strict { "error (--strict)" } else { "warning" };
    for warning in &report.warnings {
        say(format!("{path}: {kind}: {warning}"));
    }
    for note in &report.notes {
        say(format!("{path}: note: {note}"));
    }
    for Summary { name, policy, certificates, names, pending, routes, mode, files } in &report.listeners {
        let (certificates, names) = (counted(*certificates, "certificate"), counted(*names, "name"));
        let policy = policy.as_ref().map(|policy| format!(", policy {policy}")).unwrap_or_default();
        let routes = match routes {
            0 if *mode == "terminate" => String::new(),
            count => format!("; {}, other connections: {mode}", counted(*count, "route")),
        };
        let pending = match pending.len() {
            0 => String::new(),
            count => format!(", {} pending", counted(count, "name")),
        };
        say(format!("{path}: listener {name:?}: {certificates} for {names}{pending}{policy}{routes}"));
        shown(files).for_each(|line| say(format!("{path}: listener {name:?}: {line}")));
    }
    shown(&report.admin).for_each(|line| say(format!("{path}: admin: {line}")));
    for line in report.process.iter().flat_map(Foreseen::lines) {
        say(format!("{path}: {line}"));
    }
    say(format!("{path}: {}", if report.ok { "ok" } else { "not ok" }));
}

/// A line for each of the first ones, and one for the rest.
fn shown(files: &[Taken]) -> impl Iterator<Item = String> {
    let lines = files.iter().take(SHOWN).map(|Taken { certificate, private_key, names }| {
        let with = if certificate == private_key { "and its key".into() } else { format!("with {private_key}") };
        format!("{certificate} {with} for {}", several(names))
    });
    let more = files.len().checked_sub(SHOWN).filter(|more| *more > 0);
    lines.chain(more.map(|more| format!("and {more} more (\"tlsgate cert list\" shows all)")))
}

fn several(names: &[String]) -> String {
    match names {
        [] => "no name".into(),
        [first] => first.clone(),
        [first, more @ ..] => format!("{first} and {} more", more.len()),
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// How many certificates of a listener are listed.
const SHOWN: usize = 20;
