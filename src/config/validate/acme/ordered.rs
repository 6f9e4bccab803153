//! Sources of certificates that an authority issues → what is ordered, and whether the authority can be shown that the
//! names are one's own. Must not know: how a source is loaded, where authorities are written.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use crate::acme::settings::{Authority, ChallengeKind, Identifier, KeyKind, Wanted};
use crate::config::located::{ConfigError, Located};
use crate::config::values::certificates::Asked;
use crate::tls::certificate::certified::algorithm::KeyType;
use crate::tls::certificate::name::Name;
use crate::tls::certificate::source::Source;
use crate::tls::certificate::source::ordered::Ordered;
use crate::tls::policy::Policy;
use crate::words::Words as _;

/// The source of what is asked for; its folders are below `state`.
pub(super) fn source(asked: Asked, authority: &Authority, state: &Path) -> Source {
    let Asked { authority: _, names, addresses, keys } = asked;
    let keys = keys.iter().map(|key| key.word()).collect();
    let mut ordered = Ordered { authority: Arc::clone(&authority.name), names, addresses, keys, folders: Vec::new() };
    ordered.folders = certificates(&ordered).map(|wanted| state.join(wanted.folder())).collect();
    Source::ordered(ordered)
}

/// The certificates that these sources want, each once, however many want it.
pub(super) fn wanted<'s>(sources: impl Iterator<Item = &'s Source>) -> Vec<Arc<Wanted>> {
    let (mut seen, mut all) = (HashSet::new(), Vec::new());
    for wanted in sources.filter_map(Source::as_ordered).flat_map(certificates) {
        // The folder is the same for the same names in another order.
        if seen.insert(wanted.folder()) {
            all.push(Arc::new(wanted));
        }
    }
    all
}

fn certificates(ordered: &Ordered) -> impl Iterator<Item = Wanted> {
    let names = ordered.names.iter().cloned().map(Identifier::Dns);
    let identifiers: Arc<[Identifier]> = names.chain(ordered.addresses.iter().copied().map(Identifier::Ip)).collect();
    let keys = ordered.keys.iter().filter_map(|word| KeyKind::from_word(word));
    keys.map(move |key| Wanted {
        authority: Arc::clone(&ordered.authority),
        identifiers: Arc::clone(&identifiers),
        key,
    })
}

/// Why none of an authority's challenges can show that these names and addresses are one's own.
pub(super) fn unproved(authority: &Authority, names: &[Name], no_address: bool) -> Option<String> {
    let has = |kinds: &[ChallengeKind]| authority.challenges.iter().any(|kind| kinds.contains(kind));
    let its = || {
        let kinds = authority.challenges.iter().map(|kind| kind.word()).collect::<Vec<_>>().join(", ");
        format!("acme {:?} has only {kinds}", &*authority.name)
    };
    let wildcard = names.iter().find(|name| matches!(name, Name::Wildcard(_)));
    if let Some(wildcard) = wildcard.filter(|_| !has(BY_DNS)) {
        return Some(format!("{wildcard} needs one of the challenges dns-01 and dns-persist-01, and {}", its()));
    }
    // RFC 8738 section 7: there is no challenge in the DNS for an address.
    let unproved = !no_address && !has(BY_CONNECTION);
    unproved.then(|| format!("an IP address needs one of the challenges tls-alpn-01 and http-01, and {}", its()))
}

/// An error where a source asks for a kind of key that no client could use under this policy.
pub(in crate::config::validate) fn never_served(source: &Located<Source>, policy: &Policy) -> Option<ConfigError> {
    let keys = || source.value.as_ordered().into_iter().flat_map(|ordered| ordered.keys.iter().copied());
    let admitted = |word: &str| KeyKind::from_word(word).is_none_or(|key| policy.admits(kind(key).schemes()));
    let wrong = keys().find(|key| !admitted(key))?;
    let fine: Vec<String> = keys().filter(|key| admitted(key)).map(|key| format!("{key:?}")).collect();
    let message = format!(
        "keys: a certificate with the key {wrong:?} could never be served under policy {:?} (expected keys = [{}])",
        policy.name,
        fine.join(", ")
    );
    Some(source.error(message))
}

fn kind(key: KeyKind) -> KeyType {
    match key {
        KeyKind::EcdsaP256 => KeyType::EcdsaP256,
        KeyKind::EcdsaP384 => KeyType::EcdsaP384,
        KeyKind::Rsa2048 | KeyKind::Rsa3072 | KeyKind::Rsa4096 => KeyType::Rsa,
    }
}

const BY_DNS: &[ChallengeKind] = &[ChallengeKind::Dns01, ChallengeKind::DnsPersist01];

const BY_CONNECTION: &[ChallengeKind] = &[ChallengeKind::TlsAlpn01, ChallengeKind::Http01];
