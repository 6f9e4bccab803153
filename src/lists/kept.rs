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

/// Whether a list may take the place of the one that is kept, at `now`, in seconds since 1970. The error is why not. An older
/// list of the same CA is refused: whoever can answer in place of the server could undo revocations with it.
pub fn may_replace(new: &Facts, kept: Option<&Facts>, now: i64) -> Result<(), String> {
    let Some(kept) = kept else { return Ok(()) };
    if new.series != kept.series {
        // The other one goes on being used, by whom its CA has issued certificates to.
        return match kept.next_update < now {
            true => Ok(()),
            false => Err(format!(
                "found a list of \"{}\" that covers something else than the one before, which is of \"{}\"",
                new.issuer, kept.issuer
            )),
        };
    }
    // The number first: a list can be signed again with the number that it had.
    if new.newness < kept.newness {
        let (found, before) = (rfc3339(new.this_update), rfc3339(kept.this_update));
        return Err(format!("found the list of {found}, which is older than the one before, of {before}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn facts(issuer: &str, number: u8, this_update: i64) -> Facts {
        Facts {
            issuer: issuer.to_owned(),
            this_update,
            next_update: NOW + 10,
            entries: 0,
            newness: (1, vec![number], this_update),
            series: (issuer.as_bytes().to_vec(), None),
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
    fn the_list_of_another_ca_waits_until_the_one_before_has_ended() {
        let kept = facts("a", 7, NOW - 10);
        assert!(may_replace(&facts("b", 9, NOW), Some(&kept), NOW).unwrap_err().contains("\"b\""));
        assert_eq!(may_replace(&facts("b", 9, NOW), Some(&kept), NOW + 11), Ok(()));
        let part = Facts { series: (b"a".to_vec(), Some(vec![1])), ..facts("a", 9, NOW) };
        assert!(may_replace(&part, Some(&kept), NOW).is_err());
    }

    #[test]
    fn what_is_no_list_is_an_error() {
        for bytes in [&b""[..], b"<html>", &[0x30, 0x03, 0x02, 0x01, 0x01], &[0xff; 1000]] {
            assert!(read(bytes, &[]).is_err(), "{bytes:?}");
        }
    }
}
