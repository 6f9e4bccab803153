//! Makes an account, or finds the one that has the key (RFC 8555 sections 7.3 and 7.3.1). Must not know: files of the account.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::jws::{self, Signer};
use super::send::post;
use zeroize::Zeroizing;

use crate::acme::answer::Answer;
use crate::acme::directory::Directory;
use crate::acme::http::Http;
use crate::acme::memory::of_account::OfAccount;
use crate::acme::settings::{Authority, Eab};
use crate::acme::trouble::Trouble;
use crate::files;
use crate::tls::crypto::Es256;

/// The URL of the account. Notes in `kept` what the authority knows of it.
pub(super) async fn account(
    kept: &mut OfAccount,
    http: &Http,
    authority: &Authority,
    directory: &Directory,
) -> Result<String, Trouble> {
    let key = key(&kept.key.0)?;
    // An earlier attempt may have made it without our seeing the answer. An authority that takes each binding only once would
    // refuse to make it again.
    if kept.attempts.count > 1
        && let Some(answer) = find(&key, http, directory).await?
    {
        return found(kept, &answer);
    }
    let mut payload = json!({ "termsOfServiceAgreed": authority.accept_terms, "contact": authority.contact });
    if let Some(eab) = &authority.eab {
        let secret = secret(authority, eab)?;
        let bound = jws::bind(&key, &eab.kid, &secret, &directory.new_account).map_err(Trouble::new)?;
        payload["externalAccountBinding"] = bound;
    }
    let url = &directory.new_account;
    let sign = |nonce: &str| jws::sign(&key, Signer::Key, Some(nonce), url, &payload);
    let answer = post(http, directory, url, sign).await?;
    match answer.status {
        200 | 201 => {
            let url = found(kept, &answer)?;
            if answer.status == 201 {
                kept.contact.clone_from(&authority.contact);
                tracing::info!(authority = %authority.name, account = %url, "account made");
            }
            kept.terms.clone_from(&directory.meta.terms_of_service);
            Ok(url)
        }
        _ => Err(Trouble::answered(&answer).while_doing("no account could be made")),
    }
}

/// The answer with the account that has this key. `None` if there is no such account.
pub(super) async fn find(key: &Es256, http: &Http, directory: &Directory) -> Result<Option<Answer>, Trouble> {
    let url = &directory.new_account;
    let payload = json!({ "onlyReturnExisting": true });
    let answer = post(http, directory, url, |nonce| jws::sign(key, Signer::Key, Some(nonce), url, &payload)).await?;
    match answer.status {
        200 | 201 => Ok(Some(answer)),
        _ => match Trouble::answered(&answer) {
            trouble if trouble.is("accountDoesNotExist") => Ok(None),
            trouble => Err(trouble),
        },
    }
}

pub(super) fn key(pkcs8: &[u8]) -> Result<Es256, Trouble> {
    Es256::from_pkcs8(pkcs8).ok_or_else(|| Trouble::new("the key of the account is damaged, expected one on P-256"))
}

fn found(kept: &mut OfAccount, answer: &Answer) -> Result<String, Trouble> {
    let Some(url) = answer.location.clone() else {
        return Err(Trouble::answered(answer).while_doing("the account has no URL (header Location)"));
    };
    let body = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
    let contact = body.get("contact").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    kept.contact = contact.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    kept.url = Some(url.clone());
    Ok(url)
}

/// The key of a binding. Authorities give it in base64url; some with padding, some in the other alphabet.
fn secret(authority: &Authority, eab: &Eab) -> Result<Zeroizing<Vec<u8>>, Trouble> {
    let key = format!("acme.{}.eab.key_file: {}", authority.name, eab.key_file.display());
    let read = files::read_secret(&eab.key_file);
    let read = read.map_err(|error| Trouble::new(format!("{key}: {}", files::reason(&error))))?;
    let text = Zeroizing::new(read.text.trim().trim_end_matches('=').replace('+', "-"));
    let text = Zeroizing::new(text.replace('/', "_"));
    match URL_SAFE_NO_PAD.decode(&*text).map(Zeroizing::new) {
        Ok(secret) if !secret.is_empty() => Ok(secret),
        _ => Err(Trouble::new(format!("{key}: expected a key in base64url on one line"))),
    }
}
