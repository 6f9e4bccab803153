//! `tlsgate ca new` and `tlsgate ca renew`. Must not know: how certificates are built.

use std::path::{Path, PathBuf};

use clap::Args;

use super::arguments::{MOST_DAYS, Opened, key_kind};
use super::passphrase;
use crate::acme::settings::KeyKind;
use crate::authority::error::AuthorityError;
use crate::authority::new::{Plan, create, crl_url};
use crate::authority::permit::Permitted;
use crate::cli::answer::print::{say, visible};
use crate::tls::certificate::x509::rfc3339;

#[derive(Debug, Args)]
pub(in crate::cli) struct New {
    /// The folder; it must not exist yet, or be empty.
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// The name of the root, as it is shown to people.
    #[arg(long, default_value = "Private CA")]
    name: String,
    /// The kind of its keys: ecdsa-p256, ecdsa-p384, rsa-2048, rsa-3072 or rsa-4096. Clients that can verify RSA only need
    /// an authority with RSA.
    #[arg(long, value_name = "KIND", value_parser = key_kind, default_value = "ecdsa-p256")]
    key: KeyKind,
    /// For how many days the root is valid.
    #[arg(long, default_value_t = 3650, value_parser = clap::value_parser!(u32).range(1..=MOST_DAYS))]
    days: u32,
    /// For how many days the issuing certificate is valid.
    #[arg(long, value_name = "DAYS", default_value_t = 1825, value_parser = clap::value_parser!(u32).range(1..=MOST_DAYS))]
    issuing_days: u32,
    /// Issue only for this domain and what is below it, or for this range of addresses. Can be given several times.
    #[arg(long, value_name = "DOMAIN|RANGE")]
    permit: Vec<String>,
    /// The URL under which the folder "crl" will be published, for clients that fetch lists themselves.
    #[arg(long, value_name = "URL")]
    crl_url: Option<String>,
    /// For how many days a list of revoked certificates is valid.
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=MOST_DAYS))]
    crl_days: u32,
    /// Encrypt the keys with a passphrase.
    #[arg(long)]
    encrypt: bool,
    #[command(flatten)]
    passphrase: passphrase::Source,
}

pub(super) fn new(new: &New, now: i64) -> Result<(), AuthorityError> {
    let permitted = Permitted::parse(&new.permit)?;
    let crl_url = new.crl_url.as_deref().map(crl_url).transpose()?;
    if new.name.trim().is_empty() || new.name.chars().count() > LONGEST_NAME || new.name.contains(char::is_control) {
        return Err(AuthorityError::Name(format!(
            "--name: found {:?}, expected 1 to {LONGEST_NAME} characters",
            new.name
        )));
    }
    let (name, key, days, issuing_days) = (new.name.clone(), new.key, new.days, new.issuing_days);
    let plan = Plan { name, key, days, issuing_days, permitted, crl_url, crl_days: new.crl_days };
    // A file with a passphrase is meant to be used.
    let encrypt = new.encrypt || new.passphrase.is_given();
    let passphrase = if encrypt { Some(new.passphrase.choose()?) } else { None };
    create(&new.folder, &plan, passphrase.as_deref(), now)?;
    let folder = visible(&new.folder.display().to_string());
    say(&format!(
        "{folder}/ca.pem is the root: give it to those who are to trust this authority.\n\
         {folder}/ca.key is needed again only for \"tlsgate ca renew\": keep it somewhere else.\n"
    ));
    Ok(())
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Renew {
    #[command(flatten)]
    opened: Opened,
    /// The kind of the new key.
    #[arg(long, value_name = "KIND", value_parser = key_kind, default_value = "ecdsa-p256")]
    key: KeyKind,
    /// For how many days it is valid; never longer than the root.
    #[arg(long, default_value_t = 1825, value_parser = clap::value_parser!(u32).range(1..=MOST_DAYS))]
    days: u32,
}

pub(super) fn renew(renew: &Renew, now: i64) -> Result<(), AuthorityError> {
    let ask = |key: &Path| renew.opened.passphrase.ask(key);
    let (serial, until) = renew.opened.open()?.renew(renew.key, renew.days, &ask, now)?;
    say(&format!("issuing certificate {serial}, until {}\n", rfc3339(until)));
    Ok(())
}

/// Characters of the root's name: " issuing 1000" is appended to it, and a common name has at most 64 (RFC 5280 appendix
/// A.1).
const LONGEST_NAME: usize = 51;
