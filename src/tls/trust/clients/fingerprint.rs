//! Settings, CAs and lists → one hash, equal only for equal input. Must not know: how clients are judged.
//!
//! Each field is hashed with its length before it, so that no two different sequences of fields are the same bytes.

use rustls::pki_types::CertificateDer;

use crate::tls::crypto;
use crate::tls::trust::clients::settings::{Demand, Settings};
use crate::tls::trust::lists::given::{Given, Origin};
use crate::tls::trust::lists::rules::Rules;

/// The value of [`ClientAuth::fingerprint`](super::ClientAuth::fingerprint), without building it.
pub fn of(settings: &Settings, ca: &[CertificateDer<'_>], crls: &[Given]) -> [u8; 32] {
    // Without `..`: a setting that is added does not compile until it is handled here.
    let Settings { demand, lists: Rules { asked, expired, missing, points, awaited }, names, pins } = settings;
    let demand = match demand {
        Demand::Optional => "optional",
        Demand::Require => "require",
    };
    let mut all = Vec::new();
    add(&mut all, demand);
    add(&mut all, expired.word());
    add(&mut all, missing.word());
    add(&mut all, [u8::from(*asked), u8::from(*points), u8::from(*awaited)]);
    add_list(&mut all, names.iter().map(ToString::to_string));
    add_list(&mut all, pins);
    add_list(&mut all, ca);
    add_list(&mut all, crls);
    // It decides what a fault of a list means.
    add_list(
        &mut all,
        crls.iter().map(|list| match list.origin {
            Origin::File => [0],
            Origin::Url => [1],
            Origin::Point => [2],
        }),
    );
    crypto::sha256(&all)
}

fn add(all: &mut Vec<u8>, field: impl AsRef<[u8]>) {
    let field = field.as_ref();
    all.extend_from_slice(&(field.len() as u64).to_be_bytes());
    all.extend_from_slice(field);
}

/// A list is one field: two lists are not the same as one longer list.
fn add_list<T: AsRef<[u8]>>(all: &mut Vec<u8>, items: impl IntoIterator<Item = T>) {
    let mut list = Vec::new();
    items.into_iter().for_each(|item| add(&mut list, item));
    add(all, list);
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_lists_are_hashed_as_the_same_bytes() {
        let bytes = |lists: &[&[&str]]| {
            let mut all = Vec::new();
            lists.iter().for_each(|list| add_list(&mut all, *list));
            all
        };
        let all: [&[&[&str]]; 8] = [
            &[&[]],
            &[&[""]],
            &[&["ab"]],
            &[&["a", "b"]],
            &[&["a"], &["b"]],
            &[&[], &["ab"]],
            &[&["ab"], &[]],
            &[&["", "ab"]],
        ];
        assert_eq!(all.iter().map(|lists| bytes(lists)).collect::<HashSet<_>>().len(), all.len());
    }
}
