//! What an authority offers (RFC 8555 section 7.1.1), and whether it fits what is asked of it. Must not know: accounts, orders.

use std::collections::BTreeMap;

use hyper::Method;
use serde::Deserialize;

use crate::acme::http::Http;
use crate::acme::settings::Authority;
use crate::acme::trouble::Trouble;

/// The addresses of an authority, and what it says of itself. More is in it than is used here.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Directory {
    pub new_nonce: String,
    pub new_account: String,
    pub key_change: Option<String>,
    /// RFC 9773 section 4.1
    pub renewal_info: Option<String>,
    #[serde(default)]
    pub meta: Meta,
}

/// RFC 8555 section 9.7.6, draft-ietf-acme-profiles
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Meta {
    pub terms_of_service: Option<String>,
    #[serde(default)]
    pub external_account_required: bool,
    /// draft-ietf-acme-dns-persist section 4.1
    pub account_hash_prefix: Option<String>,
    #[serde(default)]
    pub profiles: BTreeMap<String, serde_json::Value>,
}

/// Fetches the directory.
pub async fn fetch(http: &Http, authority: &Authority) -> Result<Directory, Trouble> {
    let answer = http.ask(Method::GET, &authority.directory, None).await?;
    match serde_json::from_slice::<Directory>(&answer.body) {
        Ok(directory) if answer.status == 200 => Ok(directory),
        Ok(_) => Err(Trouble::answered(&answer)),
        // Its status is an error, or it is another page of that server.
        Err(_) if answer.status != 200 => Err(Trouble::answered(&answer)),
        Err(error) => {
            let message = format!("{} is not the directory of an ACME server: {error}", authority.directory);
            Err(Trouble { retry_after: answer.retry_after, status: Some(answer.status), ..Trouble::new(message) })
        }
    }
}

/// Whether the settings have what this authority requires. An error names the key that is missing.
pub fn fits(directory: &Directory, authority: &Authority) -> Result<(), Trouble> {
    let (name, meta) = (&authority.name, &directory.meta);
    if let Some(terms) = meta.terms_of_service.as_deref().filter(|_| !authority.accept_terms) {
        return Err(Trouble::new(format!(
            "acme.{name}.accept_terms: found false, expected true: the authority's terms are at {terms}"
        )));
    }
    if meta.external_account_required && authority.eab.is_none() {
        return Err(Trouble::new(format!(
            "acme.{name}.eab: found nothing, expected a key: the authority requires an account of its own"
        )));
    }
    match &authority.profile {
        Some(profile) if !meta.profiles.contains_key(profile) => {
            let offered: Vec<String> = meta.profiles.keys().map(|name| format!("{name:?}")).collect();
            let offered = if offered.is_empty() { "none".to_owned() } else { offered.join(", ") };
            Err(Trouble::new(format!("acme.{name}.profile: found {profile:?}, the authority offers {offered}")))
        }
        _ => Ok(()),
    }
}
