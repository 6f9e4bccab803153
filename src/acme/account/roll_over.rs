//! Gives an account another key (RFC 8555 section 7.3.5). Must not know: why.

use serde_json::json;

use super::jws::{self, Signer};
use super::register;
use super::send::post;
use crate::acme::directory;
use crate::acme::directory::Directory;
use crate::acme::http::Http;
use crate::acme::memory;
use crate::acme::memory::of_account::{OfAccount, Secret};
use crate::acme::settings::Authority;
use crate::acme::trouble::Trouble;
use crate::state::Folder;
use crate::tls::crypto::Es256;

/// Changes the key of the account. The new key is kept before the authority sees it: whatever happens, one of two keys that
/// are in the file is the account's.
pub async fn roll_over(http: &Http, authority: &Authority, folder: &Folder) -> Result<(), Trouble> {
    let nothing = || Trouble::new(format!("there is no account at {:?} yet", &*authority.name));
    let mut kept = memory::account(folder, authority).map_err(Trouble::new)?.ok_or_else(nothing)?;
    let directory = directory::fetch(http, authority).await?;
    settle(&mut kept, http, &directory).await?;
    let (Some(account), Some(url)) = (kept.url.clone(), &directory.key_change) else {
        return Err(match kept.url {
            None => nothing(),
            Some(_) => Trouble::new("the authority does not offer to change keys (keyChange)"),
        });
    };
    let next = Es256::generate().ok_or_else(|| Trouble::new("no key can be made: there are no random bytes"))?;
    kept.next_key = Some(Secret(next.clone()));
    memory::keep_account(folder, authority, &kept).map_err(Trouble::new)?;

    let (old, new) = (register::key(&kept.key.0)?, register::key(&next)?);
    let old_key = jws::jwk(&old).map_err(Trouble::new)?;
    let change = json!({ "account": account, "oldKey": old_key });
    let inner = jws::sign(&new, Signer::Key, None, url, &change).map_err(Trouble::new)?;
    let sign = |nonce: &str| jws::sign(&old, Signer::Account(&account), Some(nonce), url, &inner);
    let answer = post(http, &directory, url, sign).await?;
    let done = (200..300).contains(&answer.status);
    if done {
        kept.key = Secret(next);
    }
    // An answer of 5xx may hide a change that was made: it stays open until the account is used next.
    if done || answer.status < 500 {
        kept.next_key = None;
        memory::keep_account(folder, authority, &kept).map_err(Trouble::new)?;
    }
    match done {
        true => {
            tracing::info!(authority = %authority.name, account = %account, "the account has another key");
            Ok(())
        }
        false => Err(Trouble::answered(&answer).while_doing("the key of the account was not changed")),
    }
}

/// Finds out which key is the account's, where an answer to a change of keys was lost.
pub(super) async fn settle(kept: &mut OfAccount, http: &Http, directory: &Directory) -> Result<(), Trouble> {
    let Some(next) = &kept.next_key else { return Ok(()) };
    if register::find(&register::key(&next.0)?, http, directory).await?.is_some() {
        kept.key = next.clone();
    }
    kept.next_key = None;
    Ok(())
}
