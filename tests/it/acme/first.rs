//! From nothing to certificates: by each challenge, for each kind of name and key, with what an authority may require.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use serde_json::{Value, json};

use super::scene::{HOME, Plan, Scene, TLS_ALPN};
use crate::monitor;
use crate::support::acme::faults::Moment;
use crate::support::acme::kinds::Kind;
use crate::support::acme::pebble::Pebble;
use crate::support::acme::visitor::Visitor;
use crate::support::http::Door;
use crate::support::procfs::eventually;
use crate::support::proxy::{PROGRAM, Proxy};
use crate::support::tool;

#[test]
fn clients_of_both_kinds_get_theirs_and_nothing_before_it_is_there() {
    let plan = Plan { names: &[&["a", "b"], &["c"]], keys: "[\"ecdsa-p256\", \"rsa-2048\"]", ..Plan::simple() };
    let mut gate = None;
    let scene = Scene::before(&plan, |between, _| gate = Some(between.hold(Kind::NewOrder, Moment::Before)));
    let gate = gate.unwrap();
    gate.wait();
    for label in ["a", "b", "c"] {
        scene.is_pending(label);
    }
    let own = Visitor::new().served(scene.address(), "main.test").unwrap();
    assert_eq!(own.names, ["main.test"]);
    let pending = scene.list().to_string();
    assert!(pending.contains("pending") && pending.contains(&scene.name("a")), "{pending}");
    gate.open();
    scene.between.wait(Kind::Certificate, 4);
    for label in ["a", "b", "c"] {
        eventually("both kinds", || {
            let kinds = [true, false].map(|rsa| scene.try_trusted(label, rsa).is_some_and(|served| served.rsa == rsa));
            (kinds == [true; 2]).then_some(())
        });
        let names = scene.trusted(label, true).names;
        assert_eq!(names, if label == "c" { vec![scene.name("c")] } else { vec![scene.name("a"), scene.name("b")] });
    }
    assert_eq!((scene.between.count(Kind::NewOrder), scene.between.count(Kind::NewAccount)), (4, 1));
    assert_eq!(Visitor::new().served(scene.address(), "main.test").unwrap(), own);
    assert_eq!(modes(&scene.path("state")), 0, "others may read what is kept");
    let log = scene.proxy.log();
    assert!(log.contains(&scene.name("a")), "{log}");
    let listed = scene.list().to_string();
    assert!(listed.contains("valid") && !listed.contains("pending"), "{listed}");
}

/// What differs here: the authority and how it is reached, and where the state is.
#[test]
fn what_init_writes_for_an_authority_gets_its_certificate() {
    let plan = Plan::simple();
    let start = |folder: &Path, whole: &str| {
        let of = |key: &str| whole.lines().find(|line| line.starts_with(key)).unwrap().to_owned();
        let (listen, server) = (of("listen = "), of("servers = "));
        let [listen, server] = [&listen, &server].map(|line| line.split('"').nth(1).unwrap());
        let name =
            listen.split(':').next().unwrap().rsplit('.').next().map(|label| format!("a.s{label}.test")).unwrap();
        let options = [
            ["--kind", "tcp"],
            ["--listen", listen],
            ["--acme", "ops@example.com"],
            ["--name", &name],
            ["--backend", server],
        ];
        let mut command = Command::new(PROGRAM);
        command.arg("init").args(options.as_flattened()).arg("--accept-terms").current_dir(folder).stdin(Stdio::null());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", tool::shown(&output));
        let mut text = fs::read_to_string(folder.join("tlsgate.toml")).unwrap();
        let http = format!("{}:{}", listen.split(':').next().unwrap(), plan.pebble.http_port);
        let directories = "directory = \"https://acme-v02.api.letsencrypt.org/directory\"";
        for (old, new) in [
            (
                directories,
                format!("{}\nca = \"between.pem\"\ntls_port = {}", of("directory = \"https"), plan.pebble.tls_port),
            ),
            ("directory = \"/var/lib/tlsgate\"", of("directory = \"/")),
            ("\"0.0.0.0:80\", \"[::]:80\"", format!("{http:?}")),
        ] {
            assert!(text.contains(old), "{text}");
            text = text.replace(old, &new);
        }
        let resolver = of("nameservers = ");
        Proxy::start(folder, &format!("{text}\n[resolver]\n{resolver}\n\n[admin]\nlisten=\"unix:admin.sock\"\n"))
    };
    let scene = Scene::with(&plan, |_, _| {}, start);
    let served = scene.issued("a");
    assert_eq!(served.names, [scene.name("a")]);
}

/// The permissions of others, of all files below a folder together.
fn modes(folder: &Path) -> u32 {
    let mut all = fs::metadata(folder).unwrap().permissions().mode() & 0o077;
    let mut keys = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let metadata = entry.metadata().unwrap();
            all |= metadata.permissions().mode() & 0o077;
            keys += usize::from(entry.file_name() == "tls.key");
            if metadata.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    assert!(keys > 0, "no keys are there");
    all
}

#[test]
fn by_http_01_and_everything_else_is_redirected() {
    let pebble = Pebble::shared();
    let authority = "accept_terms = true
challenges = [\"http-01\"]
http_port = PORT(http)
http = [\"HOME:PORT(http)\"]
";
    let plan = Plan { names: &[&["a", "b"]], authority, ..Plan::simple() };
    let scene = Scene::start(&plan);
    let served = scene.issued("a");
    assert_eq!(served.names, [scene.name("a"), scene.name("b")]);
    let door = Door::Tcp((scene.ip, pebble.http_port).into());
    let name = scene.name("a");
    for path in ["/x?y=1", "/.well-known/acme-challenge/unknown"] {
        let answer = door.ask("GET", path, &[("Host", &name)], "");
        let location = format!("location: https://{name}");
        assert!(matches!(answer.status, 301 | 302 | 307 | 308), "{answer:?}");
        assert!(answer.head.contains(&location) && answer.head.contains(path), "{answer:?}");
    }
}

#[test]
fn by_dns_01_with_a_program_also_for_wildcards() {
    let pebble = Pebble::shared();
    let authority = "accept_terms = true\nchallenges = [\"dns-01\"]\ndns = { program = \"publish\" }";
    let plan = Plan { names: &[&["w", "*.w"]], authority, ..Plan::simple() };
    let scene = Scene::before(&plan, |_, folder| drop(pebble.publisher(folder)));
    let served = scene.issued("x.w");
    let mut names = [scene.name("w"), scene.name("*.w")];
    names.sort();
    let mut found = served.names.clone();
    found.sort();
    assert_eq!(found, names);
    assert_eq!(scene.issued("w"), served);
    // What was published is gone again.
    let record = format!("_acme-challenge.{}", scene.name("w"));
    let calls = eventually("both records are removed", || {
        let calls = fs::read_to_string(scene.path("calls")).unwrap();
        (calls.matches("cleanup").count() == 2).then_some(calls)
    });
    assert_eq!(calls.matches("present").count(), 2, "{calls}");
    assert!(calls.lines().all(|line| line.contains(&record)), "{calls}");
}

#[test]
fn by_dns_01_with_a_program_of_a_configuration_named_by_a_relative_path() {
    let authority = "accept_terms = true\nchallenges = [\"dns-01\"]\ndns = { program = \"publish\" }";
    let plan = Plan { authority, ..Plan::simple() };
    let here = |folder: &Path, text: &str| {
        fs::write(folder.join("tlsgate.toml"), text).unwrap();
        let mut command = Command::new(PROGRAM);
        command.current_dir(folder).args(["run", "-c", "tlsgate.toml"]);
        Proxy::spawn(command, 1).unwrap_or_else(|log| panic!("tlsgate did not start:\n{log}"))
    };
    let scene = Scene::with(&plan, |_, folder| drop(plan.pebble.publisher(folder)), here);
    scene.issued("a");
}

/// The process that serves has no right to start programs.
#[test]
fn by_dns_01_with_a_program_that_the_monitor_starts() {
    let authority = "accept_terms = true\nchallenges = [\"dns-01\"]\ndns = { program = \"program\" }";
    let plan = Plan { authority, ..Plan::simple() };
    let scene = Scene::before(&plan, |_, folder| {
        let publish = plan.pebble.publisher(folder);
        // In front of the program that publishes: notes who has started it.
        monitor::script(
            folder,
            &format!("echo $PPID >> {}/parents\nexec {} \"$@\"\n", folder.display(), publish.display()),
        );
    });
    scene.issued("a");
    let monitor = monitor::monitor_of(scene.proxy.pid()).to_string();
    let parents = fs::read_to_string(scene.path("parents")).unwrap();
    assert!(!parents.is_empty() && parents.lines().all(|parent| parent == monitor), "{parents}, not {monitor}");
}

/// Whoever must not change the zone itself delegates one name (RFC 8555 section 8.4 allows CNAME records).
#[test]
fn by_dns_01_where_the_record_is_delegated() {
    let pebble = Pebble::shared();
    let authority = "accept_terms = true\nchallenges = [\"dns-01\"]\ndns = { program = \"publish\" }";
    let mut target = String::new();
    let scene = Scene::before(&Plan { authority, ..Plan::simple() }, |between, folder| {
        let host = between.address.ip().to_string().replace('.', "-");
        target = format!("challenges.{host}.test");
        pebble.publisher(folder);
        let name = format!("_acme-challenge.a.s{}.test.", host.rsplit_once('-').unwrap().1);
        pebble.record("set-cname", &json!({ "host": name, "target": format!("{target}.") }));
    });
    scene.issued("a");
    let calls = fs::read_to_string(scene.path("calls")).unwrap();
    assert!(calls.starts_with(&format!("present {target}")), "{calls}");
}

#[test]
fn for_an_ip_address() {
    let scene = Scene::start(&Plan { names: &[&[HOME]], ..Plan::simple() });
    let served = scene.issued(HOME);
    assert_eq!(served.names, [scene.ip.to_string()]);
}

#[test]
fn with_an_account_of_the_authority() {
    static PEBBLE: LazyLock<Pebble> = LazyLock::new(|| {
        let keys = json!({ "kid-1": KEY });
        Pebble::start(&json!({ "externalAccountBindingRequired": true, "externalAccountMACKeys": keys }), &[])
    });
    let bound = format!("{TLS_ALPN}\neab = {{ kid = \"kid-1\", key_file = \"eab.key\" }}");
    let script = |folder: &Path| crate::support::pki::write_private(&folder.join("eab.key"), &format!("{KEY}\n"));
    let plan = Plan { pebble: &PEBBLE, ..Plan::simple() };
    let scene = Scene::before(&Plan { authority: &bound, ..plan }, |_, folder| script(folder));
    scene.issued("a");
    // Without it there is none, and the key that is missing is named.
    let scene = Scene::start(&plan);
    scene.failed("acme.test.eab");
    scene.is_pending("a");
    assert_eq!(scene.between.count(Kind::NewAccount), 0);
}

#[test]
fn with_a_profile() {
    let profile = format!("{TLS_ALPN}\nprofile = \"short\"");
    let plan = Plan { authority: &profile, ..Plan::simple() };
    let scene = Scene::before(&plan, |between, _| between.offer(|offers| offers.profiles = vec!["default", "short"]));
    scene.issued("a");
    let orders = scene.between.seen(Kind::NewOrder);
    assert!(orders.iter().all(|order| order.payload["profile"] == "short"), "{orders:?}");
    // One that is not offered is not asked for.
    let scene = Scene::before(&plan, |between, _| between.offer(|offers| offers.profiles = vec!["default"]));
    scene.failed("short");
    assert_eq!(scene.between.seen(Kind::NewOrder).len(), 0);
}

#[test]
fn not_without_agreement_to_the_terms() {
    let authority = TLS_ALPN.replace("true", "false");
    let scene = Scene::start(&Plan { authority: &authority, ..Plan::simple() });
    scene.failed("accept_terms");
    assert_eq!(scene.between.count(Kind::NewAccount), 0);
}

#[test]
fn by_dns_persist_01_once_the_record_is_there() {
    let authority = "accept_terms = true\nchallenges = [\"dns-persist-01\"]";
    let plan = Plan { pebble: Pebble::credulous(), authority, ..Plan::simple() };
    let scene = Scene::before(&plan, |between, _| between.offer(|offers| offers.persist = Some("issuer.test")));
    let record = format!("_validation-persist.{}", scene.name("a"));
    scene.failed(&record);
    assert_eq!(scene.between.count(Kind::Challenge), 0, "the authority was asked to look for nothing");
    let account = scene.between.seen(Kind::NewAccount).into_iter().find_map(|seen| seen.location).unwrap();
    let value = format!("issuer.test; accounturi={account}");
    assert!(scene.list().to_string().contains(&value), "{}", scene.list());
    scene.pebble.record("set-txt", &json!({ "host": format!("{record}."), "value": value }));
    scene.renew();
    scene.issued("a");
    let asked = scene.between.seen(Kind::Challenge);
    assert!(!asked.is_empty() && asked.iter().all(|asked| asked.payload != Value::Null), "{asked:?}");
}

const KEY: &str = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";
