//! The folder: private, whole after a crash, and safe when several commands run at once.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{Ca, openssl_verifies, run};
use crate::support::procfs::eventually;
use crate::support::proxy::PROGRAM;
use crate::support::tool::shown;

/// Every file and folder below a folder.
fn below(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(below(&path));
        }
        found.push(path);
    }
    found
}

#[test]
fn nobody_else_can_read_any_of_it() {
    let ca = Ca::new(&[]);
    let chain = ca.issue("web.test", &[]);
    ca.does(&["revoke", "ca", chain.to_str().unwrap()]);
    let mut all = below(&ca.path("ca"));
    all.extend(below(&ca.path("certs")));
    all.extend([ca.path("ca"), ca.path("certs")]);
    assert!(all.len() > 12, "{all:?}");
    for path in all {
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
    }
    // What is for others can be read by them.
    ca.does(&["crl", "ca", "--out", "crl.pem"]);
    assert_eq!(fs::metadata(ca.path("crl.pem")).unwrap().permissions().mode() & 0o777, 0o644);
}

#[test]
fn an_authority_is_made_only_where_nothing_is() {
    let ca = Ca::new(&[]);
    let before = fs::read(ca.path("ca/ca.pem")).unwrap();
    assert!(ca.refuses(&["new", "ca"]).contains("ca is not empty"));
    assert_eq!(fs::read(ca.path("ca/ca.pem")).unwrap(), before);
    fs::create_dir(ca.path("empty")).unwrap();
    ca.does(&["new", "empty"]);
    ca.does(&["new", "some/where/else"]);
    fs::write(ca.path("file"), "").unwrap();
    assert!(ca.refuses(&["new", "file"]).contains("file cannot be made"));
    fs::create_dir(ca.path("none")).unwrap();
    for command in [&["issue", "none", "web.test"][..], &["crl", "none"], &["revoke", "none", "00"], &["renew", "gone"]]
    {
        let error = ca.refuses(command);
        assert!(error.contains("is no authority") && error.contains("tlsgate ca new"), "{error}");
    }
    assert!(!ca.path("gone").exists());
    let left: Vec<_> = fs::read_dir(ca.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_str().unwrap().starts_with('.')), "{left:?}");
}

#[test]
fn files_that_do_not_belong_together_are_named() {
    let (ca, other) = (Ca::new(&[]), Ca::new(&[]));
    let index = fs::read_to_string(ca.path("ca/authority.json")).unwrap();
    let issuing: serde_json::Value = serde_json::from_str(&index).unwrap();
    let key = format!("ca/issuing/{}.key", issuing["issuing"][0].as_str().unwrap());
    let good = fs::read(ca.path(&key)).unwrap();
    fs::copy(other.path("ca/ca.key"), ca.path(&key)).unwrap();
    assert!(ca.refuses(&["issue", "ca", "web.test"]).contains("has another key"));
    fs::write(ca.path(&key), "garbage").unwrap();
    assert!(ca.refuses(&["issue", "ca", "web.test"]).contains(&key));
    fs::remove_file(ca.path(&key)).unwrap();
    assert!(ca.refuses(&["issue", "ca", "web.test"]).contains(&key));
    fs::write(ca.path(&key), good).unwrap();
    for broken in ["", "{", "{\"version\": 9}"] {
        fs::write(ca.path("ca/authority.json"), broken).unwrap();
        assert!(ca.refuses(&["issue", "ca", "web.test"]).contains("ca/authority.json: "));
    }
    fs::write(ca.path("ca/authority.json"), index).unwrap();
    ca.issue("web.test", &[]);
    // A file among the certificates that is none: the others are still listed.
    fs::write(ca.path("ca/issued/00.pem"), "garbage").unwrap();
    let output = ca.run(&["list", "ca"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stdout.clone()).unwrap().contains("web.test"), "{}", shown(&output));
    assert!(String::from_utf8(output.stderr.clone()).unwrap().contains("00.pem"), "{}", shown(&output));
}

#[test]
fn a_folder_of_other_things_is_never_replaced() {
    let ca = Ca::new(&[]);
    let pair = ca.path("certs/web.test.ecdsa-p256");
    fs::create_dir_all(&pair).unwrap();
    fs::set_permissions(ca.path("certs"), fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(pair.join("notes"), "mine").unwrap();
    let error = ca.refuses(&["issue", "ca", "web.test", "--out", "certs"]);
    assert!(error.contains("notes"), "{error}");
    assert_eq!(fs::read_to_string(pair.join("notes")).unwrap(), "mine");
}

#[test]
fn nothing_is_issued_if_it_cannot_be_written() {
    let ca = Ca::new(&[]);
    fs::create_dir(ca.path("shared")).unwrap();
    fs::set_permissions(ca.path("shared"), fs::Permissions::from_mode(0o777)).unwrap();
    let error = ca.refuses(&["issue", "ca", "web.test", "--out", "shared"]);
    assert!(error.contains("shared") && error.contains("by others"), "{error}");
    fs::write(ca.path("file"), "").unwrap();
    let error = ca.refuses(&["issue", "ca", "web.test", "--out", "file"]);
    assert!(error.contains("file cannot be opened"), "{error}");
    assert!(ca.list().is_empty());
}

#[test]
fn commands_at_the_same_time_all_count() {
    let ca = Ca::new(&[]);
    let revoked: Vec<_> = (0..4).map(|number| ca.issue(&format!("old{number}.test"), &[])).collect();
    let number = || {
        let index: serde_json::Value =
            serde_json::from_slice(&fs::read(ca.path("ca/authority.json")).unwrap()).unwrap();
        index["crl_number"].as_u64().unwrap()
    };
    let before = number();
    let start = |arguments: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command.arg("ca").args(arguments).current_dir(ca.folder.path()).stdout(Stdio::null()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let mut running = Vec::new();
    for (number, chain) in revoked.iter().enumerate() {
        running.push(start(&["revoke", "ca", chain.to_str().unwrap()]));
        running.push(start(&["issue", "ca", &format!("new{number}.test"), "--out", "certs"]));
        running.push(start(&["crl", "ca"]));
    }
    for command in running {
        let output = command.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", shown(&output));
    }
    let states: Vec<_> = ca.list().into_iter().map(|record| record["state"].as_str().unwrap().to_owned()).collect();
    assert_eq!((states.len(), states.iter().filter(|state| *state == "revoked").count()), (8, 4));
    assert_eq!(number(), before + 8);
    for chain in &revoked {
        let lists = ca.text("ca/crl.pem");
        assert!(!openssl_verifies(&ca.path("ca/issuers.pem"), chain, &["-crl_check_all", "-CRLfile", &lists]));
    }
}

/// Each round kills a command as soon as it has changed something. Whatever it was about to do, the folder works.
#[test]
fn a_command_that_is_killed_leaves_a_folder_that_works() {
    let ca = Ca::new(&[]);
    let snapshot = || {
        let mut all: Vec<_> = below(&ca.path("ca")).into_iter().map(|path| (fs::read(&path).ok(), path)).collect();
        all.sort_by(|one, other| one.1.cmp(&other.1));
        all
    };
    for round in 0..24 {
        let chain = ca.issue(&format!("kept{round}.test"), &[]);
        let chain = chain.to_str().unwrap();
        let commands = [&["issue", "ca", "new.test", "--out", "certs"][..], &["revoke", "ca", chain], &["renew", "ca"]];
        let before = snapshot();
        let mut command = Command::new(PROGRAM);
        command.arg("ca").args(commands[round % 3]).current_dir(ca.folder.path()).stdout(Stdio::null());
        let mut child = command.spawn().unwrap();
        eventually("something changes, or it ends", || {
            // Later in each round of the three commands, so that the kills are spread.
            let changed = snapshot().iter().filter(|file| !before.contains(file)).count() > round / 3;
            (changed || child.try_wait().unwrap().is_some()).then_some(())
        });
        let _ = child.kill();
        child.wait().unwrap();
        ca.all();
        let good = ca.issue("good.test", &[]);
        let lists = ca.text("ca/crl.pem");
        ca.does(&["revoke", "ca", chain]);
        let check = ["-crl_check_all", "-CRLfile", &lists];
        assert!(openssl_verifies(&ca.path("ca/issuers.pem"), &good, &check), "round {round}");
        assert!(!openssl_verifies(&ca.path("ca/issuers.pem"), Path::new(chain), &check), "round {round}");
        let hidden = |path: &std::path::PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with('.');
        assert!(!below(&ca.path("ca")).iter().any(hidden), "round {round}");
    }
}

#[test]
fn a_disk_that_takes_nothing_is_an_error_that_names_the_file() {
    let ca = Ca::new(&[]);
    let chain = ca.issue("web.test", &[]);
    let before = fs::read(ca.path("ca/authority.json")).unwrap();
    // With a file size limit of zero each write fails, also for root.
    let script = "trap '' XFSZ; ulimit -f 0; exec \"$0\" ca revoke ca \"$1\"";
    let output = Command::new("sh")
        .args(["-c", script, PROGRAM, chain.to_str().unwrap()])
        .current_dir(ca.folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", shown(&output));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("ca/") && error.contains("cannot be written"), "{error}");
    assert_eq!(fs::read(ca.path("ca/authority.json")).unwrap(), before);
    let output = run(ca.folder.path(), &["revoke", "ca", chain.to_str().unwrap()]);
    assert!(output.status.success(), "{}", shown(&output));
}
