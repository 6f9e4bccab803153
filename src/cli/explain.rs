//! `tlsgate explain`: shows what a client would get, and why. Must not know: how that is decided.

use std::fs::File;
use std::io::{self, Read};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use jiff::Timestamp;

use crate::cli::answer::exit::{FAILED, USAGE};
use crate::cli::answer::form::{Output, json};
use crate::cli::answer::print::{complain, say};
use crate::cli::load::reading;
use crate::config;
use crate::explain::answer::Decision;
use crate::explain::ask::Ask;
use crate::explain::trace::{self, Between};
use crate::snapshot::Snapshot;
use crate::tls::certificate::store::Trust;
use crate::tls::wire::hello;

#[derive(Debug, Args)]
pub(super) struct Question {
    /// The configuration file; "-" is standard input.
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
    /// The listener that the client connects to. It can be omitted if there is only one.
    #[arg(short, long, value_name = "NAME")]
    listener: Option<String>,
    /// The server name that the client sends; without this option, it sends none.
    #[arg(long, value_name = "NAME")]
    sni: Option<String>,
    /// The address that the client connects to; it selects the certificate if the client sends no server name.
    #[arg(long, value_name = "IP")]
    address: Option<IpAddr>,
    /// The address that the client connects from; allow and deny of the listener and the route are looked at.
    #[arg(long, value_name = "IP")]
    from: Option<IpAddr>,
    /// The signature schemes that it offers, with IANA's or OpenSSL's names, such as rsa_pss_rsae_sha256:ECDSA+SHA256.
    #[arg(long, value_name = "LIST")]
    sigalgs: Option<String>,
    /// A known client: chrome, java8, ldapsearch, openssl3, windows10 … (an unknown name shows all of them).
    #[arg(long, value_name = "CLIENT", conflicts_with = "hello")]
    client: Option<String>,
    /// The only TLS version that it offers: 1.2 or 1.3 (1.0 and 1.1 are possible too, and are refused).
    #[arg(long, value_name = "VERSION")]
    tls: Option<String>,
    /// The cipher suites that it offers, of all versions, with IANA's or OpenSSL's names.
    #[arg(long, value_name = "LIST")]
    ciphers: Option<String>,
    /// The key exchange groups that it offers, such as x25519:P-256.
    #[arg(long, value_name = "LIST")]
    groups: Option<String>,
    /// The application protocols that it offers, in order of preference, such as h2,http/1.1.
    #[arg(long, value_name = "LIST")]
    alpn: Option<String>,
    /// A file with a captured ClientHello, as bytes or as hex digits; "-" reads standard input.
    #[arg(long, value_name = "FILE")]
    hello: Option<PathBuf>,
    /// The format of the output.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    format: Output,
}

pub(super) fn explain(question: Question) -> ExitCode {
    if question.config.as_os_str() == "-" && question.hello.as_ref().is_some_and(|hello| hello.as_os_str() == "-") {
        return misused("--hello", "standard input is already used for the configuration");
    }
    let hello = match question.hello.as_ref().map(captured).transpose() {
        Ok(hello) => hello,
        Err(error) => return misused("--hello", &error),
    };
    let ask = Ask {
        sni: question.sni,
        sigalgs: question.sigalgs,
        client: question.client,
        tls: question.tls,
        ciphers: question.ciphers,
        groups: question.groups,
        alpn: question.alpn,
        hello,
    };
    let raw = match ask.client_hello() {
        Ok(raw) => raw,
        Err(error) => return misused(&format!("--{}", error.part), &error.reason),
    };
    let path = &question.config;
    // One moment for loading and explaining: between two, a certificate could expire.
    let now = Timestamp::now();
    let file = path.clone();
    let built = reading(move || Snapshot::build(&config::load(&file)?, &Snapshot::default(), Trust::Bytes, now));
    let built = match built {
        Ok(built) => built,
        Err(errors) => {
            errors.iter().for_each(|error| complain(&format!("{}: error: {error}", path.display())));
            return FAILED.into();
        }
    };
    // The answer does not take into account what could not be loaded.
    built.failed().iter().for_each(|failure| complain(&format!("{}: warning: {failure}", path.display())));
    let listener = match trace::listener(&built.snapshot, question.listener.as_deref()) {
        Ok(listener) => listener,
        Err(reason) => return misused("--listener", &reason),
    };
    let explanation =
        trace::explain(listener, raw, Between { from: question.from, to: question.address }, now.as_second());
    match question.format {
        Output::Text => say(&explanation.to_string()),
        Output::Json => say(&json(&explanation)),
    }
    match explanation.result {
        Decision::Served(_) | Decision::PassedThrough | Decision::Challenge => ExitCode::SUCCESS,
        Decision::Refused(_) => FAILED.into(),
    }
}

/// Reads a file with a ClientHello, up to a bound.
fn captured(path: &PathBuf) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    // Hex digits, perhaps with separators, take more than twice the size. One byte more shows that a file is too long.
    let most = 4 * hello::MAX_BYTES as u64 + 1;
    let read = match path.as_os_str() == "-" {
        true => io::stdin().lock().take(most).read_to_end(&mut bytes),
        false => File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes)),
    };
    match read {
        Ok(_) => Ok(bytes),
        Err(error) => Err(format!("{} cannot be read: {error}", path.display())),
    }
}

fn misused(flag: &str, reason: &str) -> ExitCode {
    complain(&format!("{flag}: {reason}"));
    USAGE.into()
}
