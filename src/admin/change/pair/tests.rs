//! Changes that are made, taken back, and interrupted at every step.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::SystemTime;

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use tempfile::TempDir;

use super::*;
use crate::tls::certificate::source::Source;
use crate::tls::certificate::store::{Store, Trust};

thread_local! {
    /// Steps until the process is killed.
    static LEFT: Cell<usize> = const { Cell::new(usize::MAX) };
}

struct Killed;

pub(super) fn step() {
    match LEFT.get() {
        0 => resume_unwind(Box::new(Killed)),
        left => LEFT.set(left - 1),
    }
}

/// Runs `act`, killed after that many steps. Returns whether it ended before that.
fn killed_after(steps: usize, act: impl FnOnce()) -> bool {
    LEFT.set(steps);
    let ended = catch_unwind(AssertUnwindSafe(act));
    LEFT.set(usize::MAX);
    match ended {
        Ok(()) => true,
        Err(cause) if cause.is::<Killed>() => false,
        Err(cause) => resume_unwind(cause),
    }
}

fn scene(files: &[(&str, &str)]) -> (TempDir, Pair) {
    let folder = TempDir::new().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let pair = Pair { folder: folder.path().to_owned(), certificate: "x.crt".into(), key: "x.key".into() };
    (folder, pair)
}

fn files(folder: &TempDir) -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap());
    let named = entries.filter(|entry| entry.path().is_file());
    named.map(|entry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap())).collect()
}

fn everything(folder: &TempDir) -> usize {
    fs::read_dir(folder.path()).unwrap().count()
}

fn pem_pair() -> (String, String) {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let certificate = CertificateParams::new(["a.test".to_owned()]).unwrap().self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem())
}

/// The certificate that a program which starts now would serve.
fn served(folder: &TempDir) -> Option<[u8; 32]> {
    let store = Store::default();
    let mut loading = store.loading(Trust::Bytes, SystemTime::now(), &[]);
    let loaded = Source::path(folder.path().to_owned()).load(&mut loading).unwrap();
    assert!(loaded.failures.is_empty(), "{:?}", loaded.failures);
    assert!(loaded.items.len() <= 1);
    loaded.items.first().map(|item| item.entry.certificate.fingerprint)
}

#[test]
fn a_change_that_is_taken_back_restores_the_files() {
    let stands: [&[(&str, &str)]; 3] = [&[], &[("x.crt", "c"), ("x.key", "k")], &[("x.key", "k")]];
    for before in stands {
        let (folder, pair) = scene(before);
        let was = files(&folder);
        let change = Change::write(&pair, "C", "K").unwrap();
        assert_eq!(files(&folder), [("x.crt", "C\n"), ("x.key", "K\n")].map(|(a, b)| (a.into(), b.into())).into());
        change.take_back().unwrap();
        assert_eq!(files(&folder), was);
        Change::remove(&pair).unwrap().take_back().unwrap();
        assert_eq!(files(&folder), was);
        assert_eq!(everything(&folder), was.len());
    }
}

#[test]
fn a_change_that_is_kept_leaves_only_its_files() {
    let (folder, pair) = scene(&[("x.crt", "c"), ("x.key", "k"), ("y.crt", "y")]);
    Change::write(&pair, "C", "K").unwrap().keep().unwrap();
    assert_eq!(everything(&folder), 3);
    Change::remove(&pair).unwrap().keep().unwrap();
    assert_eq!(everything(&folder), 1);
}

#[test]
fn a_write_that_fails_half_way_is_undone() {
    let (folder, pair) = scene(&[("x.key", "k")]);
    // A folder in the certificate's place cannot be replaced.
    fs::create_dir(folder.path().join("x.crt")).unwrap();
    assert!(Change::write(&pair, "C", "K").is_err());
    assert_eq!(files(&folder), [("x.key".to_owned(), "k".to_owned())].into());
    assert_eq!(everything(&folder), 2);
}

#[test]
fn a_killed_process_leaves_the_old_pair_or_the_new_one_and_nothing_that_others_can_read() {
    let (old, new) = (pem_pair(), pem_pair());
    type Act = fn(&Pair, &(String, String));
    let acts: [(Act, Option<[u8; 32]>); 4] = [
        (|pair, (cert, key)| Change::write(pair, cert, key).unwrap().keep().unwrap(), served_by(&new)),
        (|pair, (cert, key)| Change::write(pair, cert, key).unwrap().take_back().unwrap(), served_by(&new)),
        (|pair, _| Change::remove(pair).unwrap().keep().unwrap(), None),
        (|pair, _| Change::remove(pair).unwrap().take_back().unwrap(), None),
    ];
    for (act, meant) in acts {
        for before in [Some(&old), None] {
            let whole = |steps| {
                let files = before.map(|(certificate, key)| [("x.crt", certificate.as_str()), ("x.key", key.as_str())]);
                let (folder, pair) = scene(files.as_ref().map_or(&[], |files| files.as_slice()));
                let was = served(&folder);
                let ended = killed_after(steps, || act(&pair, &new));
                for entry in fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap()) {
                    let mode = entry.metadata().unwrap().permissions().mode();
                    let is_hidden = entry.file_name().to_str().unwrap().starts_with('.');
                    assert!(!is_hidden || mode & 0o077 == 0, "{steps}: {mode:o}");
                }
                tidy(folder.path()).unwrap();
                assert!(
                    fs::read_dir(folder.path())
                        .unwrap()
                        .all(|entry| { !entry.unwrap().file_name().to_str().unwrap().starts_with('.') })
                );
                (ended, was, served(&folder), files_of(&folder))
            };
            let mut steps = 0;
            loop {
                let (ended, was, is, names) = whole(steps);
                assert!(is == was || is == meant, "after {steps} steps");
                // A key without its certificate is never left.
                assert_eq!(names.len(), if is.is_some() { 2 } else { 0 }, "after {steps} steps: {names:?}");
                if ended {
                    break;
                }
                steps += 1;
            }
            assert!(steps > 10, "{steps}");
        }
    }
}

#[test]
fn tidying_after_a_process_that_was_killed_while_tidying_works() {
    let (old, new) = (pem_pair(), pem_pair());
    let fresh = served_by(&new);
    for first in (0..40).step_by(4) {
        for second in 0..12 {
            let (folder, pair) = scene(&[("x.crt", &old.0), ("x.key", &old.1)]);
            let was = served(&folder);
            killed_after(first, || Change::write(&pair, &new.0, &new.1).unwrap().keep().unwrap());
            killed_after(second, || assert!(tidy(folder.path()).is_ok()));
            tidy(folder.path()).unwrap();
            let is = served(&folder);
            assert!(is == was || is == fresh, "{first}, {second}");
            assert_eq!(everything(&folder), 2);
        }
    }
}

#[test]
fn the_next_change_tidies_what_a_process_has_left_and_other_files_stay() {
    let (folder, pair) = scene(&[("x.crt", "c"), ("x.key", "k")]);
    killed_after(8, || drop(Change::write(&pair, "C", "K")));
    assert_eq!(everything(&folder), 3, "it was killed half-way");
    for name in [".tlsgate-", ".tlsgate-x.y", ".tlsgatex", "..data"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    fs::write(folder.path().join(".tlsgate-file"), "").unwrap();
    Change::write(&pair, "C", "K").unwrap().keep().unwrap();
    assert_eq!(everything(&folder), 2 + 5);
}

#[test]
fn a_folder_that_is_not_a_journal_stays_whatever_its_name_is() {
    let (folder, pair) = scene(&[("x.crt", "c"), ("x.key", "k")]);
    let at = |name: &str| folder.path().join(name);
    for name in [".tlsgate-backup/x.key", ".tlsgate-old.do/x.crt", ".tlsgate-1.undo/new-x.crt/y", ".tlsgate-2/old-/y"] {
        fs::create_dir_all(at(name).parent().unwrap()).unwrap();
        fs::write(at(name), "precious").unwrap();
    }
    assert_eq!(tidy(folder.path()).unwrap(), 0);
    Change::write(&pair, "C", "K").unwrap().keep().unwrap();
    assert_eq!(everything(&folder), 2 + 4);
    assert_eq!(fs::read_to_string(at(".tlsgate-backup/x.key")).unwrap(), "precious");
    assert!(at(".tlsgate-1.undo/new-x.crt/y").exists());
}

#[test]
fn the_error_names_a_change_that_cannot_be_finished() {
    let (folder, pair) = scene(&[("x.crt", "c"), ("x.key", "k")]);
    fs::create_dir(folder.path().join("y.crt")).unwrap();
    let decided = folder.path().join(".tlsgate-1.do");
    fs::create_dir(&decided).unwrap();
    fs::write(decided.join("new-y.crt"), "").unwrap();
    for error in [tidy(folder.path()).unwrap_err(), Change::write(&pair, "C", "K").unwrap_err()] {
        assert!(error.to_string().starts_with(&format!("{}: ", decided.display())), "{error}");
    }
}

#[test]
fn a_change_that_another_process_makes_is_not_finished() {
    let (folder, pair) = scene(&[("x.crt", "c"), ("x.key", "k")]);
    let change = Change::write(&pair, "C", "K").unwrap();
    assert_eq!(tidy(folder.path()).unwrap(), 0);
    assert!(Change::write(&pair, "D", "L").is_err());
    change.take_back().unwrap();
    assert_eq!(files(&folder)["x.crt"], "c");
}

fn files_of(folder: &TempDir) -> Vec<String> {
    files(folder).into_keys().collect()
}

fn served_by((certificate, key): &(String, String)) -> Option<[u8; 32]> {
    served(&scene(&[("x.crt", certificate), ("x.key", key)]).0)
}
