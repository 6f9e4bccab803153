//! The choice among certificates against a second, plain implementation of it, over random listeners and clients.
//! Must not know: how either works.

mod given;
mod plain;
mod sentences;

use std::sync::Arc;

use proptest::prelude::*;
use tlsgate::tls::certificate::certified::Certificate;
use tlsgate::tls::certificate::select::{Certificates, Choice, Entry, NoChoice, UnknownName, Verdict};

use given::{Client, certificate, client, entries};

type Witnessed = Vec<(Arc<Certificate>, Verdict)>;

fn choose(entries: &[Entry], client: &Client) -> (Result<Choice, NoChoice>, Witnessed) {
    let mut witness = Vec::new();
    let choice = Certificates::new(entries.to_vec()).choose(&client.offer(), client.unknown, client.now, &mut witness);
    (choice, witness)
}

/// The index of the entry, so that certificates that look alike can be distinguished.
fn place(entries: &[Entry], certificate: &Arc<Certificate>) -> usize {
    entries.iter().position(|entry| Arc::ptr_eq(&entry.certificate, certificate)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4096) })]

    #[test]
    fn the_choice_is_the_plain_one(entries in entries(), client in client()) {
        let (choice, _) = choose(&entries, &client);
        let expected = plain::choose(&entries, &client.offer(), client.unknown, client.now);
        match (choice, expected) {
            (Ok(choice), Ok(expected)) => {
                prop_assert_eq!(place(&entries, &choice.certificate), place(&entries, &expected.certificate));
                prop_assert_eq!(choice.tier, expected.tier);
                prop_assert_eq!(choice.valid, plain::is_valid(&choice.certificate, client.now));
                // The client offers the scheme, and only this key can sign with it.
                let only = Client { schemes: vec![choice.scheme], ..client.clone() };
                prop_assert!(client.schemes.contains(&choice.scheme));
                prop_assert!(plain::can_sign(&choice.certificate, &only.offer()));
            }
            (choice, expected) => prop_assert_eq!(choice.err(), expected.err()),
        }
    }

    #[test]
    fn a_witness_does_not_change_the_choice(entries in entries(), client in client()) {
        let (watched, _) = choose(&entries, &client);
        let unwatched = Certificates::new(entries).choose(&client.offer(), client.unknown, client.now, &mut ());
        prop_assert_eq!(format!("{watched:?}"), format!("{unwatched:?}"));
    }

    #[test]
    fn the_witness_sees_every_candidate_of_the_tiers_that_are_looked_at(entries in entries(), client in client()) {
        let (_, witness) = choose(&entries, &client);
        let candidates = plain::candidates(&entries, client.server_name.as_deref(), client.address, client.unknown).unwrap_or_default();
        let mut seen: Vec<usize> = witness.iter().map(|(certificate, _)| place(&entries, certificate)).collect();
        let mut expected: Vec<usize> = candidates.iter().map(|one| place(&entries, &one.certificate)).collect();
        seen.sort_unstable();
        expected.sort_unstable();
        prop_assert_eq!(seen, expected);
    }

    #[test]
    fn every_verdict_is_true_of_its_candidate(entries in entries(), client in client()) {
        let (_, witness) = choose(&entries, &client);
        let offer = client.offer();
        let any_curve = Client { curves: None, ..client.clone() };
        let candidates = plain::candidates(&entries, offer.server_name, offer.address, client.unknown).unwrap_or_default();
        for (certificate, verdict) in witness {
            let signs_somewhere = plain::can_sign(&certificate, &any_curve.offer());
            match verdict {
                Verdict::NoCommonScheme => prop_assert!(!signs_somewhere),
                Verdict::CurveNotOffered => prop_assert!(signs_somewhere && !plain::can_sign(&certificate, &offer)),
                Verdict::Usable(rank) => {
                    prop_assert!(plain::can_sign(&certificate, &offer));
                    prop_assert_eq!(rank.outside_validity, !plain::is_valid(&certificate, client.now));
                    prop_assert_eq!(rank.unverifiable_chain, !plain::can_verify(&certificate, &offer));
                    let is_it = |one: &plain::Candidate| Arc::ptr_eq(&one.certificate, &certificate) && one.tier == rank.tier;
                    prop_assert!(candidates.iter().any(is_it));
                }
            }
        }
    }

    #[test]
    fn the_choice_is_the_first_of_the_least_rank(entries in entries(), client in client()) {
        let (choice, witness) = choose(&entries, &client);
        let mut usable = Vec::new();
        for (certificate, verdict) in &witness {
            if let Verdict::Usable(rank) = verdict {
                usable.push((*rank, certificate));
            }
        }
        // Among equals, `min_by_key` returns the first.
        match (choice, usable.iter().min_by_key(|(rank, _)| *rank)) {
            (Ok(choice), Some((rank, certificate))) => {
                prop_assert!(Arc::ptr_eq(&choice.certificate, certificate));
                prop_assert_eq!((choice.tier, !choice.valid), (rank.tier, rank.outside_validity));
            }
            (Err(NoChoice::NoCommonScheme), None) => {}
            (Err(NoChoice::UnknownName), None) => prop_assert!(witness.is_empty()),
            (choice, least) => prop_assert!(false, "{choice:?} with {least:?}"),
        }
    }

    #[test]
    fn no_client_gets_what_is_reported_as_never_served(entries in entries(), client in client(), earlier in 0..12_i64) {
        let shadowed = Certificates::new(entries.clone()).shadowed(client.now - earlier);
        if let (Ok(choice), _) = choose(&entries, &client) {
            prop_assert!(!shadowed.iter().any(|(nobodys, _)| Arc::ptr_eq(nobodys, &choice.certificate)));
        }
    }

    #[test]
    fn certificates_of_other_names_do_not_matter(
        entries in entries(),
        others in prop::collection::vec((given::entries(), any::<prop::sample::Index>()), 0..3),
        client in client(),
    ) {
        let (before, _) = choose(&entries, &client);
        let asked = client.server_name.as_deref();
        let known = asked.is_some() && plain::candidates(&entries, asked, None, UnknownName::Reject).is_ok();
        // If there were no certificates at all, the first stranger would be the default.
        prop_assume!(known || !entries.is_empty());
        let mut more = entries.clone();
        for (strangers, at) in others {
            for stranger in strangers {
                let certificate = Arc::new(elsewhere(&stranger.certificate));
                // For a known name, a stranger's place and mark do not matter; a default depends on both.
                match known {
                    true => more.insert(at.index(more.len() + 1), Entry { certificate, ..stranger }),
                    false => more.push(Entry { certificate, default: false }),
                }
            }
        }
        let (after, _) = choose(&more, &client);
        prop_assert_eq!(format!("{before:?}"), format!("{after:?}"));
        if let (Ok(before), Ok(after)) = (before, after) {
            prop_assert!(Arc::ptr_eq(&before.certificate, &after.certificate));
        }
    }
}

/// A certificate with the same qualities, and with names that no client asks for.
fn elsewhere(one: &Certificate) -> Certificate {
    Certificate {
        key_type: one.key_type,
        key_bits: one.key_bits,
        not_before: one.not_before,
        not_after: one.not_after,
        hash: one.hash,
        chain_signatures: one.chain_signatures.clone(),
        // Otherwise it could be a default if all others belong to authorities.
        is_ca: true,
        ..certificate(&["else.where", "*.else.where"])
    }
}
