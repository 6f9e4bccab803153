//! Releases of a fleet: each has a folder of its own, and mostly the files of the one before.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::*;

/// Certificate and key.
fn pair() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec!["a.test".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

struct Releases(tempfile::TempDir);

impl Releases {
    /// Writes a certificate and its key into a release.
    fn write(&self, release: char, (certificate, key): &(String, String)) -> Origin {
        let root = std::iter::repeat_n(release, 64).collect::<String>();
        let folder = self.0.path().join("fleet/releases").join(root).join("certs");
        fs::create_dir_all(&folder).unwrap();
        let write = |name: &str, text: &str| -> PathBuf {
            let path = folder.join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            path
        };
        Origin::of(write("a.crt", certificate), Some(write("a.key", key)))
    }
}

/// Loads one certificate.
fn load(before: &Store, origin: &Origin) -> Result<(Store, Arc<Certificate>), StoreError> {
    let mut loading = before.loading(Trust::Bytes, SystemTime::now(), &[]);
    let kept = loading.current(origin)?;
    let item = loading.keep(origin.clone(), kept, false);
    Ok((loading.finish(), item.entry.certificate))
}

#[test]
fn what_a_release_has_in_common_with_the_one_before_is_not_built_again() {
    let releases = Releases(tempfile::tempdir().unwrap());
    let (one, other) = (pair(), pair());
    let (store, first) = load(&Store::default(), &releases.write('a', &one)).unwrap();
    assert_eq!(&*first.label, "certs/a.crt");
    let (store, second) = load(&store, &releases.write('b', &one)).unwrap();
    assert!(Arc::ptr_eq(&first, &second));
    assert_eq!(store.kept.len(), 1, "those of the release before are let go");
    let (_, third) = load(&store, &releases.write('c', &other)).unwrap();
    assert_ne!(second.fingerprint, third.fingerprint);
}

#[test]
fn what_cannot_be_used_in_a_release_does_not_keep_its_version_of_the_one_before() {
    let releases = Releases(tempfile::tempdir().unwrap());
    let (one, other) = (pair(), pair());
    let (store, _) = load(&Store::default(), &releases.write('a', &one)).unwrap();
    let mixed = releases.write('b', &(one.0, other.1));
    assert!(load(&store, &mixed).is_err());
    let loading = store.loading(Trust::Bytes, SystemTime::now(), &[]);
    assert!(loading.last_good(&mixed).is_none());
}
