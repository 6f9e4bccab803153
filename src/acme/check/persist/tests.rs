//! Records as the draft has them, and everything that is wrong with others.

use super::*;

const ACCOUNT: &str = "https://ca.example/acct/123";
const NOW: i64 = 1_721_952_000;

fn judged(text: &str, wildcard: bool) -> Result<(), String> {
    let issuers = ["authority.example".to_owned(), "ca.example.net".to_owned()];
    persist_matches(text, &issuers, ACCOUNT, wildcard, NOW)
}

#[test]
fn the_record_that_is_printed_is_good_enough() {
    assert_eq!(persist_record("authority.example", ACCOUNT, false), format!("authority.example; accounturi={ACCOUNT}"));
    for wildcard in [false, true] {
        for issuer in ["authority.example", "ca.example.net"] {
            assert_eq!(judged(&persist_record(issuer, ACCOUNT, wildcard), wildcard), Ok(()));
        }
    }
    // A record for wildcards is good enough for the name itself, and not the other way round.
    assert_eq!(judged(&persist_record("authority.example", ACCOUNT, true), false), Ok(()));
    assert!(
        judged(&persist_record("authority.example", ACCOUNT, false), true).unwrap_err().contains("policy=wildcard")
    );
}

/// The test vectors of section 10.2.
#[test]
fn a_hashed_account_is_that_of_the_draft() {
    let hashed = |domain: &str| {
        let thumbprint = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";
        hashed_account("https://ca.example/account-hash/", domain, thumbprint, ACCOUNT)
    };
    let uri = |hash: &str| Some(format!("https://ca.example/account-hash/sha-256/{hash}"));
    assert_eq!(hashed("example.com"), uri("5SQm7n6tPh2-PlLbCKGnViTXX5z19SCN4cPGQHSk-kw"));
    assert_eq!(hashed("*"), uri("NpDnSwUthQK8zCgFdefYxAdAVPnygMLbs9US6oO-5ug"));
    assert_eq!(hashed(&"a".repeat(256)), None);
}

#[test]
fn white_space_case_and_unknown_parameters_do_not_count() {
    for text in [
        format!("Authority.Example.;accounturi={ACCOUNT}"),
        format!(" \tauthority.example ; AccountURI = {ACCOUNT}\t"),
        format!("authority.example; new-thing=1; new-thing=2; accounturi={ACCOUNT}; x="),
        format!("authority.example; accounturi={ACCOUNT}; persistUntil={NOW}"),
        format!("authority.example; accounturi={ACCOUNT}; persistuntil=99999999999999999999; policy=other"),
    ] {
        assert_eq!(judged(&text, false), Ok(()), "{text}");
    }
    assert_eq!(judged(&format!("authority.example; Policy=WILDCARD; accounturi={ACCOUNT}"), true), Ok(()));
}

#[test]
fn what_an_authority_would_refuse_is_named() {
    let good = persist_record("authority.example", ACCOUNT, false);
    let fault = |text: &str| judged(text, false).unwrap_err();
    for (text, expected) in [
        ("", "no accounturi"),
        ("authority.example", "no accounturi"),
        ("authority.example;", "no accounturi"),
        ("authority.example; accounturi=", "no accounturi"),
        ("authority.example; accounturi", "no `=`"),
        ("other.example; accounturi=https://ca.example/acct/123", "it is for \"other.example\""),
        ("; accounturi=https://ca.example/acct/123", "it is for \"\""),
        ("authority.example; accounturi=https://ca.example/acct/1234", "accounturi: found"),
        ("authority.example; accounturi=https://CA.example/acct/123", "accounturi: found"),
        (&format!("{good};"), "no `=`"),
        (&format!("{good}; ; x=1"), "no `=`"),
        (&format!("{good}; -x=1"), "is not a parameter"),
        (&format!("{good}; x=a b"), "is not a parameter"),
        (&format!("{good}; accounturi={ACCOUNT}"), "is there twice"),
        (&format!("{good}; persistUntil={}", NOW - 1), "1 s ago"),
        (&format!("{good}; persistUntil=-1"), "expected seconds"),
        (&format!("{good}; persistUntil=+1"), "expected seconds"),
        (&format!("{good}; persistUntil="), "expected seconds"),
    ] {
        assert!(fault(text).contains(expected), "{text:?}: {}", fault(text));
    }
}

#[test]
fn no_prefix_of_a_record_is_good_enough() {
    let record = persist_record("authority.example", ACCOUNT, true);
    for end in 0..record.len() {
        assert!(judged(&record[..end], true).is_err(), "{}", &record[..end]);
    }
}
