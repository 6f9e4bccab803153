//! dns-persist-01 (draft-ietf-acme-dns-persist): a record that the operator has set once. Must not know: orders, what a record
//! looks like.

use serde_json::Value;

use super::asked::Asked;
use crate::acme::check;
use crate::acme::check::Checked;
use crate::acme::lookup::Lookup;
use crate::acme::settings::Identifier;
use crate::tls::certificate::name::Name;

/// Whether the record is there. If not, the result has the record that is to be set.
pub(super) async fn tried(asked: &Asked<'_>, lookup: &Lookup) -> Checked {
    let Identifier::Dns(name) = asked.identifier else { return Checked::Wrong("it is for names only".to_owned()) };
    let (name, wildcard) = match name {
        Name::Exact(name) => (name, false),
        Name::Wildcard(name) => (name, true),
    };
    let issuers = match issuers(&asked.offered) {
        Ok(issuers) => issuers,
        Err(reason) => return Checked::Wrong(reason),
    };
    match check::persist(lookup, name, &issuers, &accounts(asked, name), wildcard, asked.now).await {
        // What cannot be looked up is not known to be there, and the authority would count the failure.
        Checked::Unreachable(reason) => Checked::Wrong(reason),
        found => found,
    }
}

/// The names that the authority has in such records. An error if there is none or too many: such a challenge is malformed.
fn issuers(offered: &Value) -> Result<Vec<String>, String> {
    let names = KEYS.into_iter().find_map(|key| offered.get(key)?.as_array()).map_or(&[][..], Vec::as_slice);
    let texts: Vec<String> = names.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    match texts.len() {
        count @ 1..=MOST_ISSUERS if count == names.len() => Ok(texts),
        _ => Err(format!(
            "{}: found {} entries, {} of them texts, expected 1 to {MOST_ISSUERS} names",
            KEYS.join(" or "),
            names.len(),
            texts.len()
        )),
    }
}

/// The URIs by which a record may name the account. The first is the one to set. An authority with hashed URIs does not accept
/// the account's URL.
fn accounts(asked: &Asked<'_>, name: &str) -> Vec<String> {
    let Some(prefix) = asked.hash_prefix else { return vec![asked.account.to_owned()] };
    let of = |domain| check::hashed_account(prefix, domain, asked.thumbprint, asked.account);
    [of(name), of("*")].into_iter().flatten().collect()
}

/// Since draft 02, and before.
const KEYS: [&str; 2] = ["issuerDomainNames", "issuer-domain-names"];

/// Section 3.1
const MOST_ISSUERS: usize = 10;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::acme::settings::ChallengeKind;

    #[test]
    fn issuers_are_read_by_both_keys_and_must_be_one_to_ten() {
        for key in KEYS {
            let read = |names: Value| issuers(&json!({ key: names })).ok();
            assert_eq!(read(json!(["ca.example"])), Some(vec!["ca.example".to_owned()]), "{key}");
            assert_eq!(read(json!(vec!["ca.example"; 10])).unwrap().len(), 10, "{key}");
            for wrong in [json!([]), json!(vec!["ca.example"; 11]), json!("ca.example"), json!(["ca.example", 5])] {
                assert_eq!(read(wrong.clone()), None, "{key} {wrong}");
            }
        }
        assert!(issuers(&json!({})).is_err());
    }

    #[test]
    fn an_authority_with_hashed_accounts_does_not_accept_the_accounts_url() {
        let (name, account) = (Identifier::Dns(Name::parse("a.example").unwrap()), "https://ca.example/acct/1");
        let asked = |hash_prefix| Asked {
            kind: ChallengeKind::DnsPersist01,
            identifier: &name,
            token: String::new(),
            authorization: String::new(),
            digest: [0; 32],
            record: String::new(),
            account,
            thumbprint: "thumb",
            hash_prefix,
            now: 0,
            offered: Value::Null,
        };
        assert_eq!(accounts(&asked(None), "a.example"), [account]);
        let prefix = "https://ca.example/h/";
        let hashed = |domain| check::hashed_account(prefix, domain, "thumb", account).unwrap();
        assert_eq!(accounts(&asked(Some(prefix)), "a.example"), [hashed("a.example"), hashed("*")]);
    }
}
