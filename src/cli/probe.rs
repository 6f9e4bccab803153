//! `tlsgate probe`: what a live server offers, and whether TLS passes through to a backend untouched.
//! Must not know: how a proxy works.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use rustls::pki_types::ServerName;
use serde::Serialize;

use crate::cli::answer::exit::{FAILED, USAGE};
use crate::cli::answer::form::{self, Output};
use crate::cli::answer::print::{complain, say};
use crate::cli::load::load;
use ask::{Asker, ProbeError};
use certificate::Roots;
use clients::known;
use connect::{StartTls, Target};
use expect::Expected;
use stamp::Stamp;

mod ask;
mod certificate;
mod client;
mod clients;
mod collected;
mod connect;
mod defects;
mod expect;
mod findings;
mod found;
mod gather;
mod grade;
mod groups;
mod hello;
mod opening;
mod path;
mod proof;
mod refusal;
pub mod reply;
mod same;
mod scan;
pub mod sealed;
mod show;
mod stamp;
mod suites;
mod table;
pub mod visit;

/// What to probe, and how.
#[derive(Debug, Args)]
#[command(after_long_help = same::REASONING)]
pub(super) struct What {
    /// The server.
    #[arg(value_name = "HOST:PORT", value_parser = target)]
    target: String,
    /// The server name to ask for; by default HOST, unless that is an IP address.
    #[arg(long, value_name = "NAME", value_parser = server_name)]
    sni: Option<String>,
    /// The StartTLS protocol to use before TLS begins.
    #[arg(long, value_parser = StartTls::parser(), default_value = StartTls::NO)]
    starttls: StartTls,
    /// The format of the output.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    format: Output,
    /// Show what the server gives to each client that `explain` knows: version, suite, group, signature scheme and
    /// certificate, or the refusal.
    #[arg(long, group = "view")]
    clients: bool,
    /// With --clients: ask for the client with the ClientHello in this file (as bytes or as hex digits) instead. Can be
    /// given several times.
    #[arg(long, value_name = "FILE", requires = "clients")]
    hello: Vec<PathBuf>,
    /// Send ClientHellos of 0.5 to 16 KiB, whole, cut and with unknown contents, and show which of them die on the way.
    #[arg(long, group = "view")]
    path: bool,
    /// With --path: the time between two parts of a ClientHello that is cut.
    #[arg(long, value_name = "TIME", default_value = "50ms", value_parser = duration)]
    gap: Duration,
    /// Show what Mozilla's guidelines and AWS's policies say of the server, each finding with its reason.
    #[arg(long, group = "view")]
    grade: bool,
    /// Print tables in Markdown, for a report.
    #[arg(long, requires = "view", conflicts_with = "format")]
    markdown: bool,
    /// Show each difference from this policy, and exit with 1 if there is one.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["same_as", "view"])]
    expect_policy: Option<String>,
    /// The configuration that defines this policy, if it is not a built-in one.
    #[arg(short, long, value_name = "FILE", requires = "expect_policy")]
    config: Option<PathBuf>,
    /// Find out whether TLS passes through HOST:PORT to this backend untouched, or is terminated on the way.
    #[arg(long, value_name = "BACKEND", value_parser = target, conflicts_with = "view")]
    same_as: Option<String>,
    /// With --same-as: assume that only the backend has the certificate's key. Then pass-through can also be shown for a
    /// backend that resumes no sessions.
    #[arg(long, requires = "same_as")]
    assume_sole_key: bool,
    /// CA certificates to verify certificates with, instead of the system's.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// How long one connection may take; the whole probe may take 24 times that.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration)]
    timeout: Duration,
}

/// What is printed as JSON where the probe itself failed.
#[derive(Serialize)]
struct Failed {
    ok: bool,
    error: String,
}

pub(super) fn probe(what: What) -> ExitCode {
    let json = what.format == Output::Json;
    // Before connecting: an unknown policy is wrong usage, whatever the server does.
    let expected = match expected(&what) {
        Ok(expected) => expected,
        Err((why, code)) => {
            complain(&why);
            return code.into();
        }
    };
    let (ok, text) = match probed(&what, expected.as_ref()) {
        Ok(answer) => answer,
        // On standard output, so that a program that reads JSON gets JSON in any case.
        Err(error) if json => (false, form::json(&Failed { ok: false, error })),
        Err(error) => {
            complain(&format!("tlsgate probe: {error}"));
            return FAILED.into();
        }
    };
    say(&format!("{}\n", text.trim_end()));
    if ok { ExitCode::SUCCESS } else { FAILED.into() }
}

/// Whether the exit status is 0, and what to print.
fn probed(what: &What, expected: Option<&Expected>) -> Result<(bool, String), String> {
    let text = |error: ProbeError| error.to_string();
    let stamp = Stamp::at(jiff::Timestamp::now().as_second());
    let roots = Roots::load(what.ca.as_deref())?;
    let target = Target::resolve(&what.target, what.starttls, what.timeout).map_err(|error| error.to_string())?;
    // An IP address is never sent as a server name (RFC 6066 section 3).
    let name = what.sni.clone().or_else(|| is_dns_name(&target.host).then(|| target.host.clone()));
    if let Some(backend) = &what.same_as {
        let backend = Target::resolve(backend, what.starttls, what.timeout).map_err(|error| error.to_string())?;
        let verdict =
            same::compare(Asker::new(target), Asker::new(backend), name, what.assume_sole_key).map_err(text)?;
        return Ok((verdict.passes_through, shown(what, &verdict, show::verdict, show::verdict)));
    }
    if what.clients {
        let known = match what.hello.as_slice() {
            [] => known::all(name.as_deref())?,
            paths => known::in_files(paths, name.as_deref())?,
        };
        let report = clients::clients(&mut Asker::new(target), name, &roots, known, stamp).map_err(text)?;
        return Ok((report.serves_any(), shown(what, &report, clients::show::text, clients::show::markdown)));
    }
    if what.path {
        let report = path::path(&mut Asker::lasting(target, OF_PATH), name, what.gap, stamp).map_err(text)?;
        return Ok((report.conclusions.is_empty(), shown(what, &report, path::show::text, path::show::markdown)));
    }
    let mut found = gather::gather(&mut Asker::new(target), name, &roots).map_err(text)?;
    if what.grade {
        let report = grade::grade(found, stamp);
        return Ok((report.good, shown(what, &report, grade::show::text, grade::show::markdown)));
    }
    if let Some(expected) = expected {
        found.expectation = Some(expect::compare(expected, &found));
    }
    let ok = found.expectation.as_ref().is_none_or(|expectation| expectation.holds);
    Ok((ok, shown(what, &found, show::findings, show::findings)))
}

/// The answer in the form that was asked for.
fn shown<T: Serialize>(what: &What, value: &T, text: fn(&T) -> String, markdown: fn(&T) -> String) -> String {
    match (what.format, what.markdown) {
        (Output::Json, _) => form::json(value),
        (Output::Text, true) => markdown(value),
        (Output::Text, false) => text(value),
    }
}

fn is_dns_name(host: &str) -> bool {
    matches!(ServerName::try_from(host), Ok(ServerName::DnsName(_)))
}

fn target(text: &str) -> Result<String, String> {
    connect::host_and_port(text).map(|_| text.to_owned())
}

fn server_name(text: &str) -> Result<String, String> {
    if is_dns_name(text) { Ok(text.to_owned()) } else { Err("expected a DNS name".into()) }
}

/// The policy to compare with; or why there is none, and the exit code for that.
fn expected(what: &What) -> Result<Option<Expected>, (String, u8)> {
    let Some(name) = &what.expect_policy else { return Ok(None) };
    let own = match &what.config {
        None => Vec::new(),
        Some(path) => match load(path) {
            Ok(config) => config.policies,
            Err(errors) => {
                let lines: Vec<_> = errors.iter().map(|error| format!("{}: error: {error}", path.display())).collect();
                return Err((lines.join("\n"), FAILED));
            }
        },
    };
    Expected::named(name, &own).map(Some).map_err(|error| (format!("error: --expect-policy: {error}"), USAGE))
}

fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(time) if !time.is_zero() && time <= MAX_TIMEOUT => Ok(time),
        _ => Err("expected a time with its unit, from \"1ms\" to \"5m\"".into()),
    }
}

const MAX_TIMEOUT: Duration = Duration::from_secs(300);
/// How many times the time of one connection `--path` may take: it waits for many answers that do not come.
const OF_PATH: u32 = 60;
