//! A warning that many certificates share is one line of the log; `check` and the admin API show it for each
//! certificate.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::config;
use crate::support::backend::Backend;
use crate::support::check::check;
use crate::support::http::Door;
use crate::support::pki::{Extra, Key, Pki};
use crate::support::proxy::Proxy;

const COUNT: usize = 12;
const OPEN: &str = "the private key can be read by everyone";

fn write_open(pki: &Pki, stem: &str) {
    let (_, key) = pki.write("certs", stem, &[&format!("{stem}.test")], Key::P256, &Extra::default());
    fs::set_permissions(key, fs::Permissions::from_mode(0o644)).unwrap();
}

#[test]
fn a_warning_that_many_certificates_share_is_one_line() {
    let (pki, backend) = (Pki::new(), Backend::echo());
    for number in 0..COUNT {
        write_open(&pki, &format!("n{number:02}"));
    }
    let lines = config(&backend, "certificates = [\"certs\"]");
    let lines = format!("{lines}\n[admin]\nlisten=\"unix:admin.sock\"\n");
    let checked = check(pki.folder(), &lines);
    assert_eq!(checked.warnings.iter().filter(|one| one.contains(OPEN)).count(), COUNT);
    assert_eq!(checked.warnings.len(), COUNT);
    let proxy = Proxy::start(pki.folder(), &lines);
    let warnings = || proxy.log().lines().filter(|line| line.contains(OPEN)).map(str::to_owned).collect::<Vec<_>>();
    let first = warnings();
    assert_eq!(first.len(), 1, "{first:?}");
    assert!(first[0].contains(&format!("{COUNT} in all")) && first[0].contains("n00.key"), "{first:?}");
    assert!(!first[0].contains("n11.key"), "{first:?}");
    let known = || {
        let status = Door::unix(pki.folder()).get("/api/v1/status").json();
        let texts = status["warnings"].as_array().unwrap().clone();
        texts.iter().filter(|text| text.as_str().unwrap().contains(OPEN)).count()
    };
    assert_eq!(known(), COUNT);
    // A reload reports only what is new.
    write_open(&pki, "new");
    proxy.log_line("new.crt added");
    let now = warnings();
    assert_eq!(now.len(), 2, "{now:?}");
    assert!(now[1].contains("new.key") && !now[1].contains("in all"), "{now:?}");
    assert_eq!(known(), COUNT + 1);
}

#[test]
fn of_many_certificates_that_changed_the_log_names_the_first_and_counts_the_rest() {
    let (pki, backend) = (Pki::new(), Backend::echo());
    pki.write("certs", "first", &["first.test"], Key::P256, &Extra::default());
    let lines = config(&backend, "certificates = [\"certs\"]") + "\n[admin]\nlisten=\"unix:admin.sock\"\n";
    let proxy = Proxy::start(pki.folder(), &lines);
    // Written to another folder, so that one reload finds all of them.
    for number in 0..COUNT {
        pki.write("more", &format!("n{number:02}"), &[&format!("n{number}.test")], Key::P256, &Extra::default());
    }
    let lines = lines.replace("[\"certs\"]", "[\"certs\", \"more\"]\nidle_timeout = \"77s\"");
    fs::write(pki.folder().join("tlsgate.toml"), lines).unwrap();
    let line = proxy.log_line("reloaded: ");
    assert!(line.contains("idle_timeout = \"1m 17s\""), "{line}");
    assert!(line.contains("n09.crt added; and 2 more certificates") && !line.contains("n10.crt"), "{line}");
}
