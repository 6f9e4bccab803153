//! The account at an authority: found again, or made with a key that is kept before the authority sees it. Must not know:
//! orders, certificates.
//!
//! The ACME library makes an account, and changes its key, with a key that only it has until the authority has answered. An
//! answer that is lost on the way would lose the account with it. Both are therefore done here.
use zeroize::Zeroizing;

use crate::acme::clock::Clock;
use crate::acme::directory;
use crate::acme::directory::Directory;
use crate::acme::http::Http;
use crate::acme::memory;
use crate::acme::memory::of_account::OfAccount;
use crate::acme::schedule;
use crate::acme::settings::Authority;
use crate::acme::trouble::Trouble;
use crate::state::Folder;
use crate::tls::crypto::Es256;
use rustls::pki_types::PrivatePkcs8KeyDer;

mod jws;
mod register;
pub mod roll_over;
mod send;

/// An account that can be used.
pub struct Account {
    pub library: instant_acme::Account,
    pub url: String,
    pub directory: Directory,
}

/// Opens the account at an authority. The caller must be the only one that uses it.
pub async fn open(http: &Http, authority: &Authority, folder: &Folder, clock: &Clock) -> Result<Account, Trouble> {
    let mut kept = remembered(authority, folder)?;
    // Each attempt to make an account is remembered before it begins: it counts even if it ends in a crash.
    if kept.url.is_none() {
        kept.attempts.begin(clock.now(), fastrand::f64(), schedule::DAY);
        keep(folder, authority, &kept)?;
    }
    let before = kept.clone();
    match open_with(&mut kept, http, authority).await {
        Ok(account) => {
            (kept.attempts, kept.failing_since) = (Default::default(), None);
            if kept != before {
                keep(folder, authority, &kept)?;
            }
            update_contact(&account, &mut kept, http, authority, folder).await?;
            Ok(account)
        }
        Err(trouble) => {
            fail(&mut kept, clock.now(), trouble.retry_after);
            keep(folder, authority, &kept)?;
            Err(trouble)
        }
    }
}

/// The authority no longer knows the account: the next time, it is made again with the same key.
pub fn forget(authority: &Authority, folder: &Folder) -> Result<(), Trouble> {
    let mut kept = remembered(authority, folder)?;
    kept.url = None;
    keep(folder, authority, &kept)
}

fn remembered(authority: &Authority, folder: &Folder) -> Result<OfAccount, Trouble> {
    match memory::account(folder, authority).map_err(Trouble::new)? {
        Some(kept) => Ok(kept),
        None => Ok(OfAccount::new(&authority.directory, fresh_key()?)),
    }
}

async fn open_with(kept: &mut OfAccount, http: &Http, authority: &Authority) -> Result<Account, Trouble> {
    let directory = directory::fetch(http, authority).await?;
    directory::fits(&directory, authority)?;
    roll_over::settle(kept, http, &directory).await?;
    let url = match &kept.url {
        Some(url) => url.clone(),
        None => register::account(kept, http, authority, &directory).await?,
    };
    let key = PrivatePkcs8KeyDer::from(kept.key.0.as_slice());
    let builder = instant_acme::Account::builder_with_http(Box::new(http.clone()));
    let library = builder.from_parts(url.clone(), key, authority.directory.clone()).await;
    let library = library.map_err(|error| Trouble::library(&error, http.last()))?;
    Ok(Account { library, url, directory })
}

/// Reports other contacts to the authority. An account without the new ones still serves, so a failure is only logged.
async fn update_contact(
    account: &Account,
    kept: &mut OfAccount,
    http: &Http,
    authority: &Authority,
    folder: &Folder,
) -> Result<(), Trouble> {
    if kept.contact == authority.contact {
        return Ok(());
    }
    let contact: Vec<&str> = authority.contact.iter().map(String::as_str).collect();
    match account.library.update_contacts(&contact).await {
        Ok(()) => {
            kept.contact.clone_from(&authority.contact);
            keep(folder, authority, kept)
        }
        Err(error) => {
            let trouble = Trouble::library(&error, http.last());
            if trouble.is("accountDoesNotExist") {
                return Err(trouble);
            }
            let reason = trouble.message;
            tracing::warn!(authority = %authority.name, %reason, "the contacts of the account cannot be changed");
            Ok(())
        }
    }
}

/// The authority cannot be reached, or refuses the account: nothing is asked of it for a while.
fn fail(kept: &mut OfAccount, now: i64, retry_after: Option<i64>) {
    // A refused account stays refused until somebody does something; a directory that is down comes back by itself.
    let longest = match kept.url {
        Some(_) => schedule::HOUR,
        None => schedule::DAY,
    };
    if kept.url.is_some() {
        kept.attempts.begin(now, fastrand::f64(), longest);
    }
    kept.attempts.fail(now, fastrand::f64(), longest, retry_after);
    kept.failing_since.get_or_insert(now);
}

fn keep(folder: &Folder, authority: &Authority, kept: &OfAccount) -> Result<(), Trouble> {
    memory::keep_account(folder, authority, kept).map_err(Trouble::new)
}

fn fresh_key() -> Result<Zeroizing<Vec<u8>>, Trouble> {
    Es256::generate().ok_or_else(|| Trouble::new("no key can be made: there are no random bytes"))
}
