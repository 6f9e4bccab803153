//! dns-persist-01 (draft-ietf-acme-dns-persist): the record that stays, and whether one is good enough. Must not know: how
//! accounts are kept.
//!
//! Up to draft 01 the account is named by its URL, since draft 02 by a hash ([`hashed_account`]). The record is the same
//! otherwise.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::acme::check::result::Checked;
use crate::acme::lookup::Lookup;
use crate::tls::crypto;

/// The text of the TXT record at `_validation-persist.NAME`.
pub fn persist_record(issuer_domain: &str, account_uri: &str, wildcard: bool) -> String {
    let policy = if wildcard { "; policy=wildcard" } else { "" };
    format!("{issuer_domain}; accounturi={account_uri}{policy}")
}

/// The URI of an account since draft 02 (section 4.1). `prefix` is `accountHashPrefix` of the directory, `domain` the name
/// (in lower case, without a dot at the end) or `*` for one record for all names, `thumbprint` that of the account's key
/// in base64url (RFC 7638), `account_url` the account's URL. `None` for a name that is too long.
pub fn hashed_account(prefix: &str, domain: &str, thumbprint: &str, account_url: &str) -> Option<String> {
    let length = u8::try_from(domain.len()).ok()?;
    let input = [&[length], domain.as_bytes(), thumbprint.as_bytes(), account_url.as_bytes()].concat();
    Some(format!("{prefix}sha-256/{}", URL_SAFE_NO_PAD.encode(crypto::sha256(&input))))
}

/// Whether a TXT record allows the account to have a certificate at `now` (in seconds since 1970) from an authority with one
/// of these names; an error says why not.
pub fn persist_matches(
    txt: &str,
    issuer_domains: &[String],
    account_uri: &str,
    wildcard: bool,
    now: i64,
) -> Result<(), String> {
    let record = Record::parse(txt)?;
    if !issuer_domains.iter().any(|issuer| issuer.eq_ignore_ascii_case(record.issuer)) {
        return Err(format!("it is for {:?}, expected {}", record.issuer, issuer_domains.join(" or ")));
    }
    if record.account != account_uri {
        return Err(format!("accounturi: found {:?}, expected {account_uri:?}", record.account));
    }
    if let Some(until) = record.until
        && now > until
    {
        return Err(format!("persistUntil: found {until}, which was {} s ago", now.saturating_sub(until)));
    }
    if wildcard && !record.policy.is_some_and(|policy| policy.eq_ignore_ascii_case("wildcard")) {
        return Err("it has no policy=wildcard, expected it for a wildcard".into());
    }
    Ok(())
}

/// Whether the name has a record that is good enough for one of the account's URIs. A `name` begins with no `*.`: `wildcard`
/// says whether it is one.
pub async fn persist(
    lookup: &Lookup,
    name: &str,
    issuer_domains: &[String],
    account_uris: &[String],
    wildcard: bool,
    now: i64,
) -> Checked {
    let place = format!("_validation-persist.{name}");
    let found = match lookup.txt(&place).await {
        Ok(found) => found,
        Err(error) => return Checked::Unreachable(format!("{place} cannot be looked up: {error}")),
    };
    let mut faults = Vec::new();
    for text in &found {
        for uri in account_uris {
            match persist_matches(text, issuer_domains, uri, wildcard, now) {
                Ok(()) => return Checked::Passed,
                Err(fault) => faults.push(format!("{:?}: {fault}", text.chars().take(SHOWN).collect::<String>())),
            }
        }
    }
    let expected = match (issuer_domains.first(), account_uris.first()) {
        (Some(issuer), Some(uri)) => persist_record(issuer, uri, wildcard),
        _ => return Checked::Wrong("the authority names no issuer domain, or the account has no URI".into()),
    };
    faults.truncate(MOST_SHOWN);
    let found = if faults.is_empty() { "no TXT record".to_owned() } else { faults.join("; ") };
    Checked::Wrong(format!("found at {place}: {found}. Expected the TXT record {expected:?}"))
}

/// A record in the form of RFC 8659 section 4.2. Unknown parameters do not count.
#[derive(Debug, PartialEq, Eq)]
struct Record<'a> {
    issuer: &'a str,
    account: &'a str,
    policy: Option<&'a str>,
    until: Option<i64>,
}

impl<'a> Record<'a> {
    fn parse(text: &'a str) -> Result<Self, String> {
        let (issuer, rest) = text.split_once(';').unwrap_or((text, ""));
        let (mut account, mut policy, mut until) = (None, None, None);
        // After the first semicolon there may be nothing, but between two, and after the last, there is a parameter.
        let parameters = trimmed(rest);
        for parameter in parameters.split(';').filter(|_| !parameters.is_empty()) {
            let (tag, value) = parameter.split_once('=').ok_or("a parameter has no `=`")?;
            let (tag, value) = (trimmed(tag), trimmed(value));
            if !is_tag(tag) || !value.bytes().all(|byte| matches!(byte, 0x21..=0x3a | 0x3c..=0x7e)) {
                return Err(format!("{:?} is not a parameter", trimmed(parameter)));
            }
            let place = match tag.to_ascii_lowercase().as_str() {
                "accounturi" => &mut account,
                "policy" => &mut policy,
                "persistuntil" => &mut until,
                _ => continue,
            };
            if place.replace(value).is_some() {
                return Err(format!("{tag} is there twice"));
            }
        }
        let account = account.filter(|account| !account.is_empty()).ok_or("it has no accounturi")?;
        Ok(Self { issuer: bare(issuer), account, policy, until: until.map(timestamp).transpose()? })
    }
}

/// Section 9.2: a dot at the end does not count; case is compared without regard to it.
fn bare(issuer: &str) -> &str {
    let issuer = trimmed(issuer);
    issuer.strip_suffix('.').unwrap_or(issuer)
}

/// Seconds since 1970. A number that is too large for that is later than any certificate.
fn timestamp(text: &str) -> Result<i64, String> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("persistUntil: found {text:?}, expected seconds since 1970"));
    }
    Ok(text.parse().unwrap_or(i64::MAX))
}

fn is_tag(tag: &str) -> bool {
    let bytes = tag.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    ends.into_iter().all(|end| end.is_some_and(u8::is_ascii_alphanumeric))
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
}

/// Without the white space of RFC 5234.
fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

const MOST_SHOWN: usize = 4;
const SHOWN: usize = 200;

#[cfg(test)]
mod tests;
