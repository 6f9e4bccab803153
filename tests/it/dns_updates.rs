//! Records for dns-01 are published and removed: by updates of real name servers, and with programs.

use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tlsgate::acme::check::{self, Checked};
use tlsgate::acme::publish;
use tlsgate::acme::settings::{Publisher, Update};

use crate::support::PATIENCE;
use crate::support::bind::{KEY, Kind, NameServer, POWERLESS, SECRET, ZONE, wait};
use crate::support::procfs::eventually;

const NAME: &str = "_acme-challenge.web.example.test";
const VALUES: [&str; 2] =
    ["LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0", "9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI"];

#[test]
fn a_record_is_published_beside_others_and_only_it_is_removed() {
    for kind in [Kind::Bind, Kind::Knot] {
        let server = NameServer::start(kind, "");
        let publisher = server.publisher(KEY, SECRET);
        wait(async {
            let lookup = server.lookup();
            let found = async || {
                let mut found = lookup.txt(NAME).await.unwrap();
                found.sort_unstable();
                found
            };
            for value in VALUES {
                present(&publisher, NAME, value, PATIENCE).await.unwrap();
            }
            assert_eq!(found().await, [VALUES[1], VALUES[0]], "{kind:?}");
            // Twice is no error, as after a crash between the update and what comes next.
            present(&publisher, NAME, VALUES[0], PATIENCE).await.unwrap();
            assert_eq!(found().await.len(), 2);
            for _ in 0..2 {
                cleanup(&publisher, NAME, VALUES[0], PATIENCE).await.unwrap();
                assert_eq!(found().await, [VALUES[1]], "{kind:?}");
            }
            cleanup(&publisher, NAME, VALUES[1], PATIENCE).await.unwrap();
            assert!(found().await.is_empty());
        });
    }
}

#[test]
fn each_refusal_of_a_name_server_is_named() {
    for kind in [Kind::Bind, Kind::Knot] {
        let server = NameServer::start(kind, "");
        let refused = |publisher: &Publisher, name: &str| {
            let error = wait(present(publisher, name, VALUES[0], PATIENCE)).unwrap_err();
            assert!(wait(server.lookup().txt(name)).is_ok_and(|found| found.is_empty()), "{kind:?}: {error}");
            error
        };
        let good = server.publisher(KEY, SECRET);
        let Publisher::Update(update) = good.clone() else { unreachable!() };
        let cases = [
            (server.publisher(KEY, "YW5vdGhlciBzZWNyZXQ="), NAME, "BADSIG", "dns.tsig_key_file"),
            (server.publisher("stranger", SECRET), NAME, "BADKEY", "dns.tsig_name"),
            (server.publisher(POWERLESS, SECRET), NAME, "", POWERLESS),
            // Knot answers NOTAUTH where its rules do not allow an update, BIND REFUSED.
            (Publisher::Update(Update { tsig: None, ..update.clone() }), NAME, "", "without a signature"),
            (Publisher::Update(Update { zone: "test".into(), ..update.clone() }), NAME, "NOTAUTH", "dns.zone"),
            (good.clone(), "_acme-challenge.web.other.test", "dns.zone", "found \"example.test\""),
        ];
        for (publisher, name, code, hint) in cases {
            let error = match name {
                NAME => refused(&publisher, name),
                other => wait(present(&publisher, other, VALUES[0], PATIENCE)).unwrap_err(),
            };
            assert!(error.contains(code) && error.contains(hint), "{kind:?} {code}: {error}");
            assert!(!error.contains(&SECRET[..8]), "{error}");
        }
        // The key itself is good.
        wait(present(&good, NAME, VALUES[0], PATIENCE)).unwrap();
    }
}

#[test]
fn a_server_that_is_away_or_says_nothing_or_nonsense_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = listener.local_addr().unwrap();
    let publisher = Publisher::Update(Update { server, zone: ZONE.into(), tsig: None });
    let error = || wait(present(&publisher, NAME, VALUES[0], Duration::from_millis(300))).unwrap_err();
    let silent = error();
    assert!(silent.contains("in time") && silent.contains(&server.to_string()), "{silent}");
    let nonsense: [&[u8]; 4] = [b"", b"\0\x05hello", b"\xff\xffx", b"\0\x0c\0\0\xa8\0\0\0\0\0\0\0\0\0"];
    let answering = std::thread::spawn(move || {
        // The connection of the look that has waited in vain.
        drop(listener.accept().unwrap());
        for answer in nonsense {
            let (mut stream, _) = listener.accept().unwrap();
            let mut length = [0; 2];
            stream.read_exact(&mut length).unwrap();
            let mut update = vec![0; u16::from_be_bytes(length).into()];
            stream.read_exact(&mut update).unwrap();
            std::io::Write::write_all(&mut stream, answer).unwrap();
        }
    });
    let answered = || wait(present(&publisher, NAME, VALUES[0], PATIENCE)).unwrap_err();
    for expected in ["closed the connection", "not a DNS message", "65535 bytes", "does not belong"] {
        let error = answered();
        assert!(error.contains(expected), "{expected}: {error}");
    }
    answering.join().unwrap();
    let away = answered();
    assert!(away.contains("connection refused") && away.contains(&server.to_string()), "{away}");
}

#[test]
fn aliases_are_followed_and_a_circle_is_shown() {
    let server = NameServer::start(
        Kind::Bind,
        "_acme-challenge.web CNAME one\none CNAME Two\ntwo CNAME web.acme.elsewhere.test.\n\
         around CNAME back\nback CNAME around\n",
    );
    let lookup = server.lookup();
    // The server knows nothing of the other zone, and refuses a question for it.
    let error = wait(lookup.delegated(NAME)).unwrap_err();
    assert!(error.contains("web.acme.elsewhere.test"), "{error}");
    assert_eq!(
        wait(lookup.delegated("_acme-challenge.other.example.test")).unwrap(),
        "_acme-challenge.other.example.test"
    );
    let error = wait(lookup.delegated("around.example.test")).unwrap_err();
    assert!(error.contains("around.example.test -> back.example.test -> around.example.test"), "{error}");
    let chain: String = (0..20).map(|at| format!("c{at} CNAME c{}\n", at + 1)).collect();
    let server = NameServer::start(Kind::Knot, &format!("{chain}s1 CNAME s2\ns2 CNAME s3\n"));
    let error = wait(server.lookup().delegated("c0.example.test")).unwrap_err();
    assert!(error.contains("c0.example.test -> c1.example.test"), "{error}");
    assert_eq!(wait(server.lookup().delegated("S1.Example.Test.")).unwrap(), "s3.example.test");
}

#[test]
fn the_check_waits_until_the_record_is_visible() {
    let server = NameServer::start(Kind::Bind, "");
    let (lookup, publisher) = (server.lookup(), server.publisher(KEY, SECRET));
    let check = |limit| check::dns(&lookup, &publisher, NAME, VALUES[0], limit);
    let absent = wait(check(Duration::from_millis(700)));
    assert!(
        matches!(&absent, Checked::Wrong(why) if why.contains("no TXT record") && why.contains(VALUES[0])),
        "{absent:?}"
    );
    wait(present(&publisher, NAME, VALUES[1], PATIENCE)).unwrap();
    let other = wait(check(Duration::from_millis(700)));
    assert!(matches!(&other, Checked::Wrong(why) if why.contains(VALUES[1])), "{other:?}");
    // It becomes visible while the check waits.
    let passed = wait(async {
        let (passed, published) = tokio::join!(check(PATIENCE), async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            present(&publisher, NAME, VALUES[0], PATIENCE).await
        });
        published.unwrap();
        passed
    });
    assert_eq!(passed, Checked::Passed);
    // Without updates only the zone's own name servers are asked, which are found by its NS records.
    let program = Publisher::Program("/bin/true".into());
    assert_eq!(wait(check::dns(&lookup, &program, NAME, VALUES[0], PATIENCE)), Checked::Passed);
    let absent = wait(check::dns(&lookup, &program, NAME, "absent", Duration::from_millis(100)));
    assert!(matches!(&absent, Checked::Wrong(why) if why.contains(&server.address.to_string())), "{absent:?}");
    // Where these cannot be reached, what the resolver has is enough, and what it has not is no proof.
    let elsewhere = server.lookup().with_port(1);
    assert_eq!(wait(check::dns(&elsewhere, &program, NAME, VALUES[0], PATIENCE)), Checked::Passed);
    let absent = wait(check::dns(&elsewhere, &program, NAME, "absent", Duration::from_millis(100)));
    assert!(matches!(absent, Checked::Unreachable(_)), "{absent:?}");
}

#[test]
fn records_that_stay_are_read() {
    let account = "https://ca.test/acct/1";
    let record = check::persist_record("ca.test", account, false);
    let (begin, end) = record.split_at(20);
    let server = NameServer::start(Kind::Bind, &format!("_validation-persist.web TXT \"{begin}\" \"{end}\"\n"));
    let persist = |name: &str, account: &str, wildcard| {
        let (issuers, accounts) = ([String::from("ca.test")], [account.to_owned()]);
        wait(check::persist(&server.lookup(), name, &issuers, &accounts, wildcard, 0))
    };
    assert_eq!(persist("web.example.test", account, false), Checked::Passed);
    for (name, account, wildcard, expected) in [
        ("web.example.test", account, true, "policy=wildcard"),
        ("web.example.test", "https://ca.test/acct/2", false, "accounturi=https://ca.test/acct/2"),
        ("other.example.test", account, false, "no TXT record"),
    ] {
        let result = persist(name, account, wildcard);
        assert!(matches!(&result, Checked::Wrong(why) if why.contains(expected)), "{result:?}");
    }
}

fn script(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("program");
    fs::write(folder.join("text"), format!("#!/bin/sh\n{text}")).unwrap();
    fs::set_permissions(folder.join("text"), fs::Permissions::from_mode(0o755)).unwrap();
    // Another process copies it, so that it is never open for writing here while others are started (ETXTBSY).
    let copied = std::process::Command::new("cp").arg("-p").arg(folder.join("text")).arg(&path).status().unwrap();
    assert!(copied.success());
    path
}

#[test]
fn a_program_gets_the_record_as_arguments_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let seen = folder.path().join("seen");
    let seen_shown = seen.display();
    let text = format!("{{ echo \"$@\"; cat; env | cut -d= -f1 | sort; pwd; }} > {seen_shown}\n");
    let program = Publisher::Program(script(folder.path(), &text));
    wait(present(&program, NAME, VALUES[0], PATIENCE)).unwrap();
    let lines = fs::read_to_string(&seen).unwrap();
    // PWD, OLDPWD, SHLVL and `_` are the shell's own.
    let own = ["PWD", "OLDPWD", "SHLVL", "_"];
    let lines: Vec<&str> = lines.lines().filter(|line| !own.contains(line)).collect();
    assert_eq!(lines, [&format!("present {NAME}. {}", VALUES[0]), "PATH", "/"]);
    wait(cleanup(&program, NAME, VALUES[0], PATIENCE)).unwrap();
    assert!(fs::read_to_string(&seen).unwrap().starts_with(&format!("cleanup {NAME}. {}\n", VALUES[0])));
}

#[test]
fn a_program_that_fails_or_is_missing_is_named_with_what_it_said() {
    let folder = tempfile::tempdir().unwrap();
    let said = |text: &str| {
        let path = script(folder.path(), text);
        let error = wait(present(&Publisher::Program(path.clone()), NAME, VALUES[0], PATIENCE)).unwrap_err();
        assert!(error.contains("dns.program") && error.contains(path.to_str().unwrap()), "{error}");
        error
    };
    let error = said("seq 100000 >&2; echo quota exceeded >&2; exit 7");
    assert!(error.contains("exit code 7") && error.contains("quota exceeded") && error.len() < 1000, "{error}");
    assert!(said("kill -9 $$").contains("signal 9"));
    assert!(said("exit 1").contains("nothing to its standard error"));
    // A relative path is one from the folder of this process: `true` is in the search path, and is not run.
    for path in ["/nonexistent/program", "true"] {
        let error = wait(present(&Publisher::Program(path.into()), NAME, VALUES[0], PATIENCE)).unwrap_err();
        assert!(error.contains("no such file"), "{error}");
    }
}

#[test]
fn a_program_is_killed_at_the_limit_with_all_that_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    let text = format!("echo waiting for the zone >&2\nsleep 1000 &\necho $$ $! > {}\nwait\n", pids.display());
    let program = Publisher::Program(script(folder.path(), &text));
    let running = |pids: &str| pids.split_whitespace().filter(|pid| is_running(pid)).count();
    // The limit is for a slow machine: until then the program has begun.
    let error = wait(present(&program, NAME, VALUES[0], Duration::from_secs(2))).unwrap_err();
    assert!(error.contains("killed") && error.contains("waiting for the zone"), "{error}");
    let written = fs::read_to_string(&pids).unwrap();
    assert_eq!(written.split_whitespace().count(), 2);
    eventually("both are gone", || (running(&written) == 0).then_some(()));
    // The same if nobody waits for it any longer.
    fs::remove_file(&pids).unwrap();
    wait(async {
        let presenting = present(&program, NAME, VALUES[0], PATIENCE);
        let begun = async {
            while !fs::read_to_string(&pids).is_ok_and(|text| text.ends_with('\n')) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::select! {
            _ = presenting => panic!("it cannot have ended"),
            () = begun => {}
        }
    });
    let written = fs::read_to_string(&pids).unwrap();
    assert_eq!(written.split_whitespace().count(), 2);
    eventually("both are gone", || (running(&written) == 0).then_some(()));
}

/// A zombie does not count.
fn is_running(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
}

async fn present(publisher: &Publisher, fqdn: &str, value: &str, limit: Duration) -> Result<(), String> {
    publish::present(publisher, fqdn, value, limit, None).await
}

async fn cleanup(publisher: &Publisher, fqdn: &str, value: &str, limit: Duration) -> Result<(), String> {
    publish::cleanup(publisher, fqdn, value, limit, None).await
}
