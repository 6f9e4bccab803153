//! What has been fetched → a list that may take the place of the one that is kept. Pure. Must not know: files, servers.

use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};

use crate::tls::certificate::pem;
use crate::tls::certificate::x509::rfc3339;
use crate::tls::trust::lists::prove::{Facts, prove};

/// A list that one of its CAs has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proved {
    pub der: Vec<u8>,
    pub facts: Facts,
}

/// Reads one list, in DER or PEM, and proves it against these CAs.
pub fn read(bytes: &[u8], ca: &[CertificateDer<'_>]) -> Result<Proved, String> {
    let found = pem::read_crls(bytes).map_err(|error| error.to_string())?.crls;
    let [list]: [CertificateRevocationListDer<'static>; 1] =
        found.try_into().map_err(|found: Vec<_>| format!("found {} lists, expected one", found.len()))?;
    let facts = prove(&list, ca).map_err(|fault| fault.to_string())?;
    Ok(Proved { der: list.as_ref().to_vec(), facts })
}

/// Whether a list may take the place of the one that is kept, at `now`, in seconds since 1970. The error is why not. Whoever can
/// answer in place of the server could undo revocations with an older list of the same CA, and with any list of another one.
/// One that is kept, and whose CA is no longer trusted, must not be given.
pub fn may_replace(new: &Facts, kept: Option<&Facts>, now: i64) -> Result<(), String> {
    let Some(kept) = kept else { return Ok(()) };
    let (series, before) = (&new.series, &kept.series);
    if series.issuer != before.issuer {
        let (found, before) = (&new.issuer, &kept.issuer);
        return Err(format!("found a list of \"{found}\", expected one of \"{before}\", as the one before"));
    }
    let follows_the_end = kept.next_update < now && new.this_update > kept.this_update;
    if series.scope != before.scope {
        // One that covers everything covers what the other one did.
        let has_ended = follows_the_end && series.scope.is_none();
        let found = &new.issuer;
        let wrong = format!("found a list of \"{found}\" that covers something else than the one before");
        return if has_ended { Ok(()) } else { Err(wrong) };
    }
    let is_older = match series.key == before.key {
        // The number first: a list can be signed again with the number that it had.
        true => new.newness < kept.newness,
        false => new.this_update < kept.this_update,
    };
    // After the end, a CA that has been set up anew may count from the beginning.
    if is_older && !follows_the_end {
        let (found, before) = (rfc3339(new.this_update), rfc3339(kept.this_update));
        return Err(format!("found the list of {found}, which is older than the one before, of {before}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::trust::lists::prove::Series;

    const NOW: i64 = 1_800_000_000;

    fn facts(issuer: &str, number: u8, this_update: i64) -> Facts {
        Facts {
            issuer: issuer.to_owned(),
            this_update,
            next_update: NOW + 10,
            entries: 0,
            newness: (1, vec![number], this_update),
            series: Series { issuer: issuer.as_bytes().to_vec(), key: [0; 32], scope: None },
            digest: [0; 32],
        }
    }

    #[test]
    fn an_older_list_does_not_come_back() {
        let kept = facts("a", 7, NOW - 10);
        let judge = |new: &Facts| may_replace(new, Some(&kept), NOW);
        assert_eq!(may_replace(&facts("a", 1, 0), None, NOW), Ok(()));
        assert_eq!(judge(&facts("a", 7, NOW - 10)), Ok(()));
        assert_eq!(judge(&facts("a", 8, NOW)), Ok(()));
        assert_eq!(judge(&facts("a", 7, NOW)), Ok(()), "the same number, signed again");
        assert!(judge(&facts("a", 6, NOW)).unwrap_err().contains("older"));
        assert!(judge(&facts("a", 7, NOW - 11)).unwrap_err().contains("older"));
    }

    #[test]
    fn numbers_begin_anew_with_a_new_key_and_after_the_end() {
        let kept = facts("a", 70, NOW - 10);
        let by_another_key = |number, this_update| {
            let list = facts("a", number, this_update);
            Facts { series: Series { key: [1; 32], ..list.series }, ..list }
        };
        assert_eq!(may_replace(&by_another_key(1, NOW), Some(&kept), NOW), Ok(()));
        assert!(may_replace(&by_another_key(71, NOW - 11), Some(&kept), NOW).unwrap_err().contains("older"));
        assert!(may_replace(&facts("a", 1, NOW), Some(&kept), NOW).is_err());
        assert_eq!(may_replace(&facts("a", 1, NOW), Some(&kept), NOW + 11), Ok(()));
        for old in [facts("a", 1, NOW - 10), by_another_key(71, NOW - 11)] {
            assert!(may_replace(&old, Some(&kept), NOW + 11).is_err(), "not even then");
        }
    }

    #[test]
    fn the_list_of_another_ca_never_takes_its_place() {
        let kept = facts("a", 7, NOW - 10);
        for now in [NOW, NOW + 11] {
            assert!(may_replace(&facts("b", 9, NOW), Some(&kept), now).unwrap_err().contains("\"b\""));
        }
    }

    #[test]
    fn a_list_of_something_else_waits_until_the_one_before_has_ended_and_must_cover_everything() {
        let part = |covered: u8, this_update| {
            let whole = facts("a", 9, this_update);
            Facts { series: Series { scope: Some(vec![covered]), ..whole.series }, ..whole }
        };
        let kept = facts("a", 7, NOW - 10);
        for now in [NOW, NOW + 11] {
            assert!(may_replace(&part(1, NOW), Some(&kept), now).is_err());
            assert!(may_replace(&part(1, NOW), Some(&part(2, NOW - 10)), now).is_err());
        }
        let kept = part(1, NOW - 10);
        assert!(may_replace(&facts("a", 9, NOW), Some(&kept), NOW).is_err());
        assert_eq!(may_replace(&facts("a", 9, NOW), Some(&kept), NOW + 11), Ok(()));
        assert!(may_replace(&facts("a", 9, NOW - 10), Some(&kept), NOW + 11).is_err(), "it is no newer");
    }

    #[test]
    fn what_is_no_list_is_an_error() {
        for bytes in [&b""[..], b"<html>", &[0x30, 0x03, 0x02, 0x01, 0x01], &[0xff; 1000]] {
            assert!(read(bytes, &[]).is_err(), "{bytes:?}");
        }
    }
}
