//! What a machine of a fleet has of its own: `config/fleet.toml` against the code, and how it takes the place of a release's.

use std::path::PathBuf;

use super::*;
use crate::config::file::fleet::FleetFile;
use crate::config::validate::fleet::Machine;

const FLEET: &str = include_str!("../../../config/fleet.toml");

/// The keys that have no default.
const NEEDED: &str = "[fleet]\nnode = \"a\"\netcd = [\"https://10.0.0.1:2379\", \"https://10.0.0.2:2379\", \"https://10.0.0.3:2379\"]\nsecret_file = \"fleet.key\"\n[state]\ndirectory = \"/var/lib/tlsgate\"\n";

fn machine(text: &str) -> Machine {
    Machine::parse(text, Path::new("/etc/fleet/fleet.toml")).unwrap()
}

fn faults(text: &str) -> Vec<String> {
    match Machine::parse(text, Path::new("/etc/fleet/fleet.toml")) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn the_reference_of_a_machine_says_what_the_code_does() {
    let meaning = |text: &str| {
        let (file, errors) = FleetFile::decode(text).unwrap();
        assert_eq!(errors, []);
        without_places(&format!("{file:?}"))
    };
    assert_eq!(meaning(FLEET), meaning(&NEEDED.replace("node = \"a\"\n", "")));
    assert_eq!(faults(FLEET), Vec::<String>::new());
    // A section's error lists the keys that it has.
    let all = faults("zzz = 1\n[fleet]\nzzz = 1\n[state]\nzzz = 1\n").concat();
    let lists = all.split("expected one of ").skip(1).filter_map(|rest| rest.split_once(')'));
    let known: Vec<&str> = lists.flat_map(|(keys, _)| keys.split(", ")).collect();
    assert_eq!(known.len(), 19, "{known:?}");
    for key in known {
        let written = FLEET.lines().map(|line| line.trim_start_matches("# "));
        let mut written = written.filter(|line| line.starts_with(&format!("{key} = ")) || *line == format!("[{key}]"));
        assert!(written.next().is_some(), "{key} is not in config/fleet.toml");
    }
    // What is a comment, because it has no default, is accepted.
    let comments = FLEET.lines().filter_map(|line| line.strip_prefix("# ")).filter(|line| line.contains(" = "));
    for line in comments.filter(|line| line.chars().next().is_some_and(|first| first.is_ascii_lowercase())) {
        let section = if line.starts_with("ldaps") { "[listen]" } else { "[fleet]" };
        let found = faults(&format!("{section}\n{line}\n")).concat();
        assert!(!found.contains("unknown key") && !found.contains(": found "), "{line}: {found}");
    }
}

#[test]
fn what_is_wrong_with_a_machine_is_said_with_its_place() {
    let with = |line: &str| {
        let key = line.split('=').next().unwrap_or_default();
        let kept: Vec<&str> = NEEDED.lines().filter(|old| !old.starts_with(key)).collect();
        kept.join("\n").replace("[fleet]", &format!("[fleet]\n{line}"))
    };
    for (text, expected) in [
        (
            with("etcd = \"10.0.0.1:2379\""),
            "fleet.toml, line 2, column 8: fleet: etcd: found \"10.0.0.1:2379\", expected the URL of a member of etcd",
        ),
        (with("etcd = []"), "found an empty list"),
        (with("node = \"a/b\""), "fleet: node: found \"a/b\", expected 1 to 253 of the letters"),
        (with("prefix = \"tlsgate/\""), "fleet: prefix: found \"tlsgate/\", expected what all keys begin with"),
        (with("cert = \"a.pem\""), "fleet: cert: has no effect without \"key\""),
        (with("password_file = \"p\""), "fleet: password_file: has no effect without \"username\""),
        (with("timeout = 5"), "fleet: timeout: found 5, expected a time"),
        (with("nod = \"a\""), "unknown key \"nod\""),
        (NEEDED.replace("secret_file", "# "), "fleet: \"secret_file\" is missing"),
        (NEEDED.replace("etcd =", "# "), "fleet: \"etcd\" is missing"),
        (NEEDED.replace("https", "http").replace("[state]", "ca = \"x\"\n[state]"), "fleet: ca: has no effect: no URL"),
        (format!("{NEEDED}[listen]\nldaps = 7\n"), "line 8, column 9: listen: \"ldaps\": found 7, expected an address"),
        (format!("{NEEDED}[backend.x]\n"), "unknown key \"backend\""),
    ] {
        let found = faults(&text);
        assert!(found.len() == 1 && found[0].contains(expected), "{expected}: {found:?}");
        assert!(found[0].starts_with("fleet.toml, line "), "{found:?}");
    }
}

#[test]
fn a_machine_puts_its_own_in_place_of_what_the_release_has() {
    let release = format!(
        "{REQUIRED}[log]\nlevel = \"debug\"\naccess = \"access.log\"\n[state]\ndirectory = \"elsewhere\"\n[admin]\nlisten = \"unix:admin.sock\"\n"
    );
    let parsed = |more: &str| parse_release(&machine(&format!("{NEEDED}{more}")), &release, Path::new("/release"));
    let plain = parsed("").unwrap();
    assert_eq!(plain.log.access.value, crate::observe::access::target::Target::File("/release/access.log".into()));
    assert_eq!(plain.state.directory.unwrap().value, Path::new("/var/lib/tlsgate"));
    assert_eq!(plain.admin.listen.unwrap().value.to_string(), "unix:/release/admin.sock");
    assert_eq!(plain.listeners[0].listen.len(), 2);
    assert_eq!(plain.fleet.unwrap().node, "a");
    let own = parsed(
        "[listen]\nldaps = \"unix:l.sock\"\n[log]\naccess = \"own.log\"\n[admin]\nlisten = \"127.0.0.1:9\"\ntoken_file = \"t\"\n",
    )
    .unwrap();
    // Relative paths start from the folder of the file that they are in.
    assert_eq!(own.listeners[0].listen[0].value.to_string(), "unix:/etc/fleet/l.sock");
    assert_eq!(own.log.access.value, crate::observe::access::target::Target::File("/etc/fleet/own.log".into()));
    assert_eq!(own.log.level, crate::observe::log::Level::Info, "a whole table");
    assert_eq!(own.admin.token_file.unwrap().value, PathBuf::from("/etc/fleet/t"));
    let folders = own.listeners[0].certificates[0].value.watched().folders;
    assert_eq!(folders, [PathBuf::from("/release/certs")]);
}

#[test]
fn errors_of_a_release_on_a_machine_say_in_which_file_they_are() {
    let release = REQUIRED.replace("backend = \"directory\"", "backend = \"other\"");
    let machine = machine(&format!("{NEEDED}[process]\ngroup = \"x\"\n"));
    let errors = parse_release(&machine, &release, Path::new("/release")).unwrap_err();
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(errors.len(), 2, "{errors:#?}");
    assert!(errors[0].starts_with("line 6, column 11: listener \"ldaps\": backend: unknown backend"), "{errors:#?}");
    assert!(errors[1].starts_with("fleet.toml, line 8, column 9: process: group: has no effect"), "{errors:#?}");
}

#[test]
fn a_listener_that_the_release_lacks_is_a_warning() {
    let machine = machine(&format!("{NEEDED}[listen]\nldap = \"127.0.0.1:0\"\n"));
    let config = parse_release(&machine, REQUIRED, Path::new("/release")).unwrap();
    let expected = "fleet.toml, line 8, column 1: listen: found \"ldap\", which has no effect: the release has no listener of that name (expected one of \"ldaps\")";
    assert!(config.warnings.iter().any(|warning| warning == expected), "{:?}", config.warnings);
}

#[test]
fn what_a_process_may_do_is_not_said_by_a_release() {
    let errors = |own: &str, release: &str| {
        let parsed = parse_release(&machine(&format!("{NEEDED}{own}")), release, Path::new("/release"));
        parsed.err().unwrap_or_default().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    for (keys, first) in [
        ("user = \"root\"\n", "process: user"),
        ("sandbox = \"off\"\n", "process: sandbox"),
        ("sandbox_paths = [\"/\"]\n", "process: sandbox_paths"),
    ] {
        let release = format!("{REQUIRED}[process]\n{keys}");
        let found = errors("", &release);
        assert!(found.len() == 1 && found[0].contains(first), "{found:?}");
        assert!(
            found[0].contains("found in the release, expected in fleet.toml only: put [process] there"),
            "{found:?}"
        );
        assert_eq!(errors("[process]\n", &release), Vec::<String>::new(), "the machine's own counts");
    }
    assert_eq!(errors("", &format!("{REQUIRED}[process]\nsandbox = \"auto\"\n")), Vec::<String>::new());
}

#[test]
fn a_process_that_becomes_somebody_else_is_not_told_by_a_release_what_to_run() {
    let with = |own: &str, certificates: &str, more: &str| {
        let release = REQUIRED.replace("\"certs\"", certificates);
        let release = format!("{release}{more}");
        let parsed = parse_release(&machine(&format!("{NEEDED}{own}")), &release, Path::new("/release"));
        parsed.err().unwrap_or_default().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let token = "{ cert = \"a.crt\", key = \"pkcs11:token=t;object=a?module-path=/tmp/x.so&pin-source=file:/p\" }";
    let asked = "{ cert = \"a.crt\", key = \"a.key\", passphrase = \"program:/bin/a\" }";
    let any = "[keys]\npassphrases = [\"program:/bin/b\", \"file:/p\"]\n";
    let dns =
        "[acme.x]\ndirectory = \"https://ca.test/\"\nchallenges = \"dns-01\"\n[acme.x.dns]\nprogram = \"/bin/c\"\n";
    for (certificates, more, expected) in [
        (
            token,
            "",
            "certificates[0]: found the module /tmp/x.so, expected none: it would run with the rights of the start",
        ),
        (asked, "", "found the program /bin/a, expected none"),
        ("\"certs\"", any, "passphrases[0]: found the program /bin/b, expected none"),
        ("\"certs\"", dns, "program: found the program /bin/c, expected none"),
    ] {
        let found = with("[process]\nuser = \"nobody\"\n", certificates, more);
        assert!(found.len() == 1 && found[0].contains(expected), "{expected}: {found:?}");
        assert_eq!(with("", certificates, more), Vec::<String>::new(), "a node that keeps its rights");
    }
    // What the machine names itself is its operator's.
    let own = format!(
        "[process]\nuser = \"nobody\"\n[admin]\nlisten = \"127.0.0.1:9\"\ntoken_file = \"t\"\n[admin.tls]\ncertificates = [{token}]\n"
    );
    assert_eq!(with(&own, "\"certs\"", ""), Vec::<String>::new());
}

#[test]
fn whoever_publishes_needs_no_folder_and_a_node_does() {
    let machine = machine(NEEDED.split("[state]").next().unwrap());
    assert_eq!(machine.fleet.etcd.endpoints.len(), 3);
    let errors = parse_release(&machine, REQUIRED, Path::new("/release")).unwrap_err();
    assert!(errors[0].to_string().contains("state: \"directory\" is missing"), "{errors:?}");
}
