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
    match check::persist(lookup, name, &issuers(&asked.offered), &accounts(asked, name), wildcard, asked.now).await {
        // What cannot be looked up is not known to be there, and the authority would count the failure.
        Checked::Unreachable(reason) => Checked::Wrong(reason),
        found => found,
    }
}

/// The names that the authority has in such records.
fn issuers(offered: &Value) -> Vec<String> {
    let names = offered.get("issuer-domain-names").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    names.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The URIs by which a record may name the account. The first is the one to set.
fn accounts(asked: &Asked<'_>, name: &str) -> Vec<String> {
    let hashed = |prefix: &str| {
        let of = |domain| check::hashed_account(prefix, domain, asked.thumbprint, asked.account);
        [of(name), of("*")].into_iter().flatten().collect()
    };
    let mut all: Vec<String> = asked.hash_prefix.map(hashed).unwrap_or_default();
    all.push(asked.account.to_owned());
    all
}
