//! What is remembered of certificates and accounts across restarts, as files below the state folder. Must not know: when
//! something is done, how authorities are asked.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::acme::settings::{Authority, Wanted};
use crate::state::Folder;
use crate::tls::crypto;
use of_account::OfAccount;
use of_certificate::OfCertificate;

pub mod of_account;
pub mod of_certificate;

/// Reads what is remembered of a certificate.
pub fn certificate(folder: &Folder, wanted: &Wanted, now: i64) -> Result<OfCertificate, String> {
    let path = order_file(wanted, "json");
    Ok(match read(folder, &path)? {
        Found::Whole(remembered) => remembered,
        Found::Nothing => OfCertificate::default(),
        Found::Broken(error) => {
            tracing::warn!(path = %folder.path().join(&path).display(), %error, "what was remembered of a certificate cannot be read");
            OfCertificate::doubtful(&wanted.authority, now)
        }
    })
}

/// Writes what is remembered of a certificate.
pub fn keep_certificate(folder: &Folder, wanted: &Wanted, remembered: &OfCertificate) -> Result<(), String> {
    write(folder, &order_file(wanted, "json"), remembered)
}

/// The private key of the order that is under way, in PEM.
pub fn order_key(folder: &Folder, wanted: &Wanted) -> Result<Option<Zeroizing<String>>, String> {
    let bytes = folder.read(&order_file(wanted, "key")).map_err(|error| error.to_string())?;
    // It moves, and is not copied.
    Ok(bytes.and_then(|mut bytes| String::from_utf8(std::mem::take(&mut *bytes)).ok()).map(Zeroizing::new))
}

/// Remembers that key. It must be kept before the authority gets the request that is made with it.
pub fn keep_order_key(folder: &Folder, wanted: &Wanted, pem: &str) -> Result<(), String> {
    folder.write(&order_file(wanted, "key"), pem.as_bytes()).map_err(|error| error.to_string())
}

/// Forgets that key.
pub fn forget_order_key(folder: &Folder, wanted: &Wanted) -> Result<(), String> {
    folder.remove(&order_file(wanted, "key")).map_err(|error| error.to_string())
}

/// Reads what is remembered of an account. If the authority's directory was another one, that account is put aside, and what
/// is known of this directory's is taken out again.
pub fn account(folder: &Folder, authority: &Authority) -> Result<Option<OfAccount>, String> {
    let path = account_file(authority);
    let current = match read::<OfAccount>(folder, &path)? {
        Found::Whole(account) => Some(account),
        Found::Nothing => None,
        // A new account in its place would lose the key of this one.
        Found::Broken(error) => return Err(format!("{} is damaged: {error}", folder.path().join(&path).display())),
    };
    match current {
        Some(account) if account.directory != authority.directory => {
            write(folder, &aside(authority, &account.directory), &account)?;
            match read::<OfAccount>(folder, &aside(authority, &authority.directory))? {
                Found::Whole(before) => Ok(Some(before)),
                _ => Ok(None),
            }
        }
        current => Ok(current),
    }
}

/// Writes what is remembered of an account.
pub fn keep_account(folder: &Folder, authority: &Authority, account: &OfAccount) -> Result<(), String> {
    write(folder, &account_file(authority), account)
}

enum Found<T> {
    Whole(T),
    Nothing,
    Broken(String),
}

fn read<T: DeserializeOwned>(folder: &Folder, path: &Path) -> Result<Found<T>, String> {
    match folder.read(path).map_err(|error| error.to_string())? {
        None => Ok(Found::Nothing),
        // The error must not show what is in the file: it may be a key.
        Some(bytes) => Ok(serde_json::from_slice(&bytes).map_or_else(
            |error| Found::Broken(format!("line {}, column {} of its JSON", error.line(), error.column())),
            Found::Whole,
        )),
    }
}

fn write(folder: &Folder, path: &Path, remembered: &impl Serialize) -> Result<(), String> {
    // There may be a key in it. A vector that moves would leave it behind, so it has room for what is usual.
    let mut bytes = Zeroizing::new(Vec::with_capacity(USUAL));
    serde_json::to_writer_pretty(&mut *bytes, remembered).map_err(|error| error.to_string())?;
    folder.write(path, &bytes).map_err(|error| error.to_string())
}

/// `acme/AUTHORITY/orders/NAME-HASH.KEYKIND.json`
fn order_file(wanted: &Wanted, extension: &str) -> PathBuf {
    let folder = wanted.folder();
    let names = folder.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    let file = format!("{names}.{}.{extension}", wanted.key.word());
    of_authority(&wanted.authority).join("orders").join(file)
}

fn account_file(authority: &Authority) -> PathBuf {
    of_authority(&authority.name).join("account.json")
}

/// Where the account at another directory is kept.
fn aside(authority: &Authority, directory: &str) -> PathBuf {
    let hash = crypto::sha256(directory.as_bytes());
    let short: String = hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    of_authority(&authority.name).join(format!("account-{short}.json"))
}

fn of_authority(name: &str) -> PathBuf {
    Path::new("acme").join(name)
}

/// In bytes: an account and its keys take less than one thousand.
const USUAL: usize = 16 * 1024;
