//! `tlsgate ca issue` and `tlsgate ca sign`. Must not know: how certificates are built.

use std::path::{Path, PathBuf};

use clap::Args;

use super::arguments::{MOST_DAYS, Opened, key_kind};
use super::outside;
use crate::acme::settings::KeyKind;
use crate::authority::build::Validity;
use crate::authority::error::AuthorityError;
use crate::authority::issue::{Destination, Issued};
use crate::authority::request;
use crate::authority::subject::{Identity, Purpose, Subject};
use crate::cli::answer::print::{complain, say, visible};
use crate::files::{self, pipe};
use crate::tls::certificate::x509::rfc3339;

/// Of both verbs.
#[derive(Debug, Args)]
struct Terms {
    /// For clients instead of servers.
    #[arg(long)]
    client: bool,
    /// For how many days it is valid; never longer than the issuing certificate.
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=MOST_DAYS))]
    days: u32,
}

impl Terms {
    fn purpose(&self) -> Purpose {
        if self.client { Purpose::Client } else { Purpose::Server }
    }
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Issue {
    #[command(flatten)]
    opened: Opened,
    /// DNS names and IP addresses; for clients: email addresses, URIs, or one common name. A prefix (dns:, ip:, email:, uri:,
    /// cn:) decides.
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
    /// The kind of the key: ecdsa-p256, ecdsa-p384, rsa-2048, rsa-3072 or rsa-4096. Given several times, there is a
    /// certificate for each.
    #[arg(long, value_name = "KIND", value_parser = key_kind, default_value = "ecdsa-p256")]
    key: Vec<KeyKind>,
    #[command(flatten)]
    terms: Terms,
    /// The folder in which a folder NAME.KIND is made, or replaced, with tls.crt and tls.key.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    out: PathBuf,
}

pub(super) fn issue(issue: &Issue, now: i64) -> Result<(), AuthorityError> {
    let subject = Subject::new(identities(&issue.names, issue.terms.purpose())?, issue.terms.purpose())?;
    let validity = Validity::days(issue.terms.days, now);
    let destination = Destination::open(&issue.out)?;
    let authority = issue.opened.open()?;
    let signer = authority.issuing(&|key: &Path| issue.opened.passphrase.ask(key), now)?;
    let stem = subject.names().first().map(Identity::stem).unwrap_or_default();
    for (at, kind) in issue.key.iter().copied().enumerate() {
        if issue.key[..at].contains(&kind) {
            continue;
        }
        let (issued, key) = authority.issue(&subject, kind, validity, &signer)?;
        let folder = destination.put(&format!("{stem}.{}", kind.word()), &issued.chain, &key)?;
        say(&format!("{}: {}\n", visible(&folder.display().to_string()), summary(&issued)));
    }
    Ok(())
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Sign {
    #[command(flatten)]
    opened: Opened,
    /// The request (PKCS#10); "-" is standard input.
    #[arg(value_name = "REQUEST")]
    request: PathBuf,
    /// The names that it may ask for. A wildcard allows every name that it covers. Nothing else of the request counts but
    /// its key.
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
    #[command(flatten)]
    terms: Terms,
    /// The file for the certificate and its issuer's; without it, they are printed.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn sign(sign: &Sign, now: i64) -> Result<(), AuthorityError> {
    let wrong = |what: String| AuthorityError::Request(sign.request.clone(), what);
    let purpose = sign.terms.purpose();
    let allowed = identities(&sign.names, purpose)?;
    let bytes = match pipe::is_read_once(&sign.request) {
        true => pipe::read_once(&sign.request, files::LARGEST_SECRET).map(String::into_bytes),
        false => files::read(&sign.request, files::LARGEST_SECRET).map(|contents| contents.bytes.to_vec()),
    };
    let bytes = bytes.map_err(|error| wrong(files::reason(&error)))?;
    let request = request::read(&bytes, purpose).map_err(wrong)?;
    request.asks_only_for(&allowed).map_err(wrong)?;
    let subject = Subject::new(request.names.clone(), purpose)?;
    for ignored in &request.ignored {
        complain(&format!("warning: {}: it asks {ignored}, which it does not get", sign.request.display()));
    }
    let authority = sign.opened.open()?;
    let signer = authority.issuing(&|key: &Path| sign.opened.passphrase.ask(key), now)?;
    let issued = authority.sign(&request, &subject, Validity::days(sign.terms.days, now), &signer)?;
    match &sign.out {
        Some(path) => {
            outside::write(path, issued.chain.as_bytes())?;
            say(&format!("{}: {}\n", visible(&path.display().to_string()), summary(&issued)));
        }
        None => {
            complain(&summary(&issued));
            say(&issued.chain);
        }
    }
    Ok(())
}

fn identities(texts: &[String], purpose: Purpose) -> Result<Vec<Identity>, AuthorityError> {
    texts.iter().map(|text| Identity::parse(text, purpose)).collect()
}

fn summary(issued: &Issued) -> String {
    let why = if issued.shortened { ", when the issuing certificate ends" } else { "" };
    format!("serial number {}, until {}{why}", issued.serial, rfc3339(issued.until))
}
