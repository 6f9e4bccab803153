//! tlsgate with an authority: everything of one test. Names and addresses are its own, the authority may be shared.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::thread;
use std::time::{Duration, SystemTime};

use rustls::AlertDescription;
use serde_json::Value;

use crate::support::acme::between::Between;
use crate::support::acme::kinds::Kind;
use crate::support::acme::own_address;
use crate::support::acme::pebble::Pebble;
use crate::support::acme::visitor::{ECDSA, RSA, Served, Visitor};
use crate::support::backend::Backend;
use crate::support::client::Ending;
use crate::support::http::Door;
use crate::support::pki::{Extra, Key, Pki};
use crate::support::procfs::eventually;
use crate::support::proxy::{PROGRAM, Proxy};
use crate::support::tool;

/// What differs from one test to another.
#[derive(Clone, Copy)]
pub(crate) struct Plan<'a> {
    pub(crate) pebble: &'static Pebble,
    /// Labels of names, each set of them a certificate: `a` is `a.s7.test`, and a name with a dot stays as it is.
    pub(crate) names: &'a [&'a [&'a str]],
    pub(crate) keys: &'a str,
    /// More lines of the configuration, in which `SOURCES` stands for the certificates of the authority, `HOME` for the
    /// scene's address, `NAME(a)` for the name with that label, and `PORT(tls)` and `PORT(http)` for those of challenges: at
    /// the top, of the authority, of the listener.
    pub(crate) top: &'a str,
    pub(crate) authority: &'a str,
    pub(crate) listener: &'a str,
}

impl Plan<'_> {
    /// One name, with tls-alpn-01 and an ECDSA key.
    pub(crate) fn simple() -> Self {
        Self {
            pebble: Pebble::shared(),
            names: &[&["a"]],
            keys: "[\"ecdsa-p256\"]",
            top: "",
            authority: TLS_ALPN,
            listener: LISTENER,
        }
    }
}

pub(crate) struct Scene {
    pub(crate) pebble: &'static Pebble,
    pub(crate) between: Between,
    pub(crate) pki: Pki,
    pub(crate) ip: Ipv4Addr,
    pub(crate) proxy: Proxy,
    home: Home,
}

/// What every process of a scene has in common.
struct Home {
    ip: Ipv4Addr,
    state: PathBuf,
    backend: SocketAddr,
}

impl Scene {
    /// Starts everything; certificates may not have been ordered yet.
    pub(crate) fn start(plan: &Plan<'_>) -> Self {
        Self::before(plan, |_, _| {})
    }

    /// The same, with something scripted before the program starts.
    pub(crate) fn before(plan: &Plan<'_>, script: impl FnOnce(&Between, &Path)) -> Self {
        Self::with(plan, script, Proxy::start)
    }

    /// The same, with the program started in another way.
    pub(crate) fn with(
        plan: &Plan<'_>,
        script: impl FnOnce(&Between, &Path),
        start: impl FnOnce(&Path, &str) -> Proxy,
    ) -> Self {
        let (pki, ip, backend) = (Pki::new(), own_address(), Backend::echo());
        pki.write("certs", "main", &["main.test"], Key::P256, &Extra::default());
        let between = Between::start(plan.pebble, ip, pki.folder());
        script(&between, pki.folder());
        for name in plan.names.iter().copied().flatten().filter(|name| **name != HOME) {
            let name = full(ip, name);
            plan.pebble.name(name.strip_prefix("*.").unwrap_or(&name), ip);
        }
        let home = Home { ip, state: pki.folder().join("state"), backend: backend.address };
        let proxy = start(pki.folder(), &home.config(plan, &between, ip));
        Self { pebble: plan.pebble, between, pki, ip, proxy, home }
    }

    /// Another process with the same state and authority, that listens on another address.
    pub(crate) fn second(&self, plan: &Plan<'_>, ip: Ipv4Addr) -> Proxy {
        let text = self.home.config(plan, &self.between, ip);
        let folder = self.pki.folder().join("second");
        fs::create_dir_all(&folder).unwrap();
        for file in ["certs", "between.pem"] {
            std::os::unix::fs::symlink(self.path(file), folder.join(file)).unwrap();
        }
        Proxy::start(&folder, &text)
    }

    /// Kills the program, and starts it again.
    pub(crate) fn restart(&mut self) {
        self.kill();
        self.resume();
    }

    pub(crate) fn kill(&mut self) {
        self.proxy.signal("KILL");
        self.proxy.wait();
    }

    pub(crate) fn resume(&mut self) {
        let config = fs::read_to_string(self.path("tlsgate.toml")).unwrap();
        self.proxy = Proxy::start(self.pki.folder(), &config);
    }

    pub(crate) fn name(&self, label: &str) -> String {
        full(self.ip, label)
    }

    /// Has a name lead to another address.
    pub(crate) fn leads(&self, label: &str, ip: Ipv4Addr) {
        let name = self.name(label);
        self.pebble.record("clear-a", &serde_json::json!({ "host": format!("{name}.") }));
        self.pebble.name(&name, ip);
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (self.ip, self.pebble.tls_port).into()
    }

    pub(crate) fn door(&self) -> Door {
        Door::Unix(self.path("admin.sock"))
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.pki.folder().join(file)
    }

    /// Runs a verb of the program against the one that runs.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        let config = self.path("tlsgate.toml");
        tool::run(PROGRAM, &[arguments, &["-c", config.to_str().unwrap()]].concat(), b"")
    }

    /// `tlsgate acme list` as JSON.
    pub(crate) fn list(&self) -> Value {
        let output = self.run(&["acme", "list", "--format", "json"]);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", tool::shown(&output)))
    }

    /// What is remembered of the only certificate, on the disk.
    pub(crate) fn remembered(&self) -> Value {
        let files = fs::read_dir(self.path("state/acme/test/orders")).unwrap().map(|entry| entry.unwrap().path());
        let files: Vec<_> =
            files.filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect();
        assert_eq!(files.len(), 1, "{files:?}");
        let text = fs::read_to_string(&files[0]).unwrap();
        assert!(text.len() < 10_000, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Makes the program look at the clock.
    pub(crate) fn look(&self) {
        let answer = self.door().ask("POST", "/api/v1/reload", &[], "");
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// When the next attempt for the first certificate is planned, in seconds since 1970.
    pub(crate) fn next(&self) -> Option<i64> {
        let listed = self.door().get("/api/v1/acme").json();
        let time = humantime::parse_rfc3339(listed["certificates"][0]["next"]["time"].as_str()?).unwrap();
        i64::try_from(time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()).ok()
    }

    pub(crate) fn now(&self) -> i64 {
        i64::try_from(SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap()
    }

    /// Waits until a certificate is served. An attempt that a crash has interrupted counts as failed, so the next one may
    /// have to wait: then it is asked for.
    pub(crate) fn completed(&self, label: &str) -> Served {
        let later = self.now() + 5;
        let waits = || self.next().is_some_and(|at| at > later);
        let visitor = Visitor::new();
        eventually("it goes on, or waits", || {
            let there = visitor.served(self.address(), &self.name(label)).is_ok();
            (there || waits()).then_some(())
        });
        if visitor.served(self.address(), &self.name(label)).is_err() {
            self.renew();
        }
        self.issued(label)
    }

    /// Waits until nothing is being ordered: who asks for a renewal before gets what comes of the order that is under way, and
    /// a certificate is served a little before its order ends.
    fn settled(&self) {
        eventually("orders end", || {
            let listed = self.door().get("/api/v1/acme").json();
            let mut states =
                listed["certificates"].as_array().unwrap().iter().map(|one| one["state"].as_str().unwrap());
            states.all(|state| !["pending", "renewing"].contains(&state)).then_some(())
        });
    }

    /// Renews everything now. It has to work.
    pub(crate) fn renew(&self) {
        let output = self.run(&["acme", "renew", "--all"]);
        assert!(output.status.success(), "{}\nlog:\n{}", tool::shown(&output), self.proxy.log());
    }

    /// A renewal that fails: what is printed has these words, and so have list and log. The old certificate of `a` stays.
    pub(crate) fn fails(&self, what: &str, words: &[&str]) {
        let (shown, old) = self.renewal_that_fails(what);
        for words in words {
            assert!(shown.contains(words), "{what}: no {words:?} in {shown}");
            let listed = self.list().to_string();
            assert!(listed.contains(words), "{what}: no {words:?} in {listed}");
            self.proxy.log_line(words);
        }
        assert_eq!(self.issued("a"), old, "{what}");
    }

    /// What is printed of a renewal that fails, and the certificate of `a` before. One in a hundred times pebble believes what it
    /// has found out before, even if it is told to do so never; then there is nothing that could fail, and it is tried again.
    fn renewal_that_fails(&self, what: &str) -> (String, Served) {
        for _ in 0..5 {
            self.settled();
            let (old, asked) = (self.issued("a"), self.between.count(Kind::Challenge));
            let output = self.run(&["acme", "renew", "--all"]);
            let shown = tool::shown(&output);
            if !output.status.success() {
                return (shown, old);
            }
            assert_eq!(self.between.count(Kind::Challenge), asked, "{what}: {shown}\n{}", self.proxy.log());
            self.replaced("a", &old);
        }
        panic!("{what}: pebble believes it again and again");
    }

    /// Nothing goes wrong any more, and the next renewal shows it.
    pub(crate) fn mended(&self, old: &Served) {
        self.between.mend();
        self.renew();
        self.replaced("a", old);
        let listed = self.list().to_string();
        assert!(listed.contains("valid"), "{listed}");
    }

    /// Waits until a certificate is served for that name, and returns it.
    pub(crate) fn issued(&self, label: &str) -> Served {
        self.awaited(label, |_| true)
    }

    /// Waits until another one than `old` is served.
    pub(crate) fn replaced(&self, label: &str, old: &Served) -> Served {
        self.awaited(label, |served| served.serial != old.serial)
    }

    fn awaited(&self, label: &str, is_it: impl Fn(&Served) -> bool) -> Served {
        let (visitor, name) = (Visitor::new(), self.name(label));
        let mut last = None;
        let look = || {
            let served = visitor.served(self.address(), &name);
            last = Some(served.clone());
            let found = served.ok().filter(|served| served.names != ["main.test"] && is_it(served));
            // Handshakes would take the time of the one who is to get there.
            if found.is_none() {
                thread::sleep(Duration::from_millis(20));
            }
            found
        };
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| eventually("a certificate", look)));
        found.unwrap_or_else(|_| panic!("{name} has {last:?}\nlog:\n{}\nlist: {}", self.proxy.log(), self.list()))
    }

    /// What a client that trusts the authority is served, if it can use one kind of key.
    pub(crate) fn trusted(&self, label: &str, rsa: bool) -> Served {
        let served = self.try_trusted(label, rsa).unwrap_or_else(|| panic!("{label} has nothing for rsa: {rsa}"));
        assert_eq!(served.rsa, rsa, "{served:?}");
        served
    }

    pub(crate) fn try_trusted(&self, label: &str, rsa: bool) -> Option<Served> {
        let visitor = Visitor::with(if rsa { RSA } else { ECDSA }, &[], Some(&self.pebble.root()));
        visitor.served(self.address(), &self.name(label)).ok()
    }

    /// Waits until the last failure of a certificate has these words, in the list and in the log.
    pub(crate) fn failed(&self, words: &str) {
        self.proxy.log_line(words);
        eventually("the failure is listed", || self.list().to_string().contains(words).then_some(()));
    }

    /// No certificate for that name: the alert, and the outcome in the log.
    pub(crate) fn is_pending(&self, label: &str) {
        let visit = Visitor::new().visit(self.address(), &self.name(label));
        let Err((ending, port)) = visit else { panic!("{label} is served") };
        assert_eq!(ending, Some(Ending::Alert(AlertDescription::UnrecognisedName)));
        assert_eq!(self.outcome(port), "certificate_pending");
    }

    /// Waits for the record of the connection from that port; returns its outcome.
    pub(crate) fn outcome(&self, port: u16) -> String {
        let record = self.proxy.record(|record| record["client.port"] == port);
        record["outcome"].as_str().unwrap().to_owned()
    }
}

/// `a` is `a.s7.test` on 127.x.x.7, `*.a` is `*.a.s7.test`, `HOME` is that address.
fn full(ip: Ipv4Addr, label: &str) -> String {
    if label == HOME { ip.to_string() } else { format!("{label}.s{}.test", ip.octets()[3]) }
}

impl Home {
    /// The configuration of a process that listens on that address.
    fn config(&self, plan: &Plan<'_>, between: &Between, ip: Ipv4Addr) -> String {
        let Plan { pebble, keys, top, authority, listener, names } = plan;
        let source = |names: &&[&str]| {
            let names: Vec<String> = names.iter().map(|label| format!("{:?}", full(self.ip, label))).collect();
            format!("{{ acme = \"test\", names = [{}], keys = {keys} }}", names.join(", "))
        };
        let sources: Vec<String> = names.iter().map(source).collect();
        let mut text = format!(
            r#"
{top}
[state]
directory = "{state}"

[resolver]
nameservers = ["{resolver}"]

[admin]
listen="unix:admin.sock"

[acme.test]
directory = "{directory}"
ca = "between.pem"
{authority}

[[listener]]
name = "main"
listen = "{ip}:{tls_port}"
{listener}

[backend.servers]
servers = ["{backend}"]
"#,
            state = self.state.display(),
            resolver = pebble.resolver,
            directory = between.directory(),
            tls_port = pebble.tls_port,
            backend = self.backend,
        );
        for label in names.iter().copied().flatten() {
            text = text.replace(&format!("NAME({label})"), &full(self.ip, label));
        }
        text = text.replace("PORT(tls)", &pebble.tls_port.to_string());
        text = text.replace("PORT(http)", &pebble.http_port.to_string());
        text.replace("SOURCES", &sources.join(", ")).replace(HOME, &self.ip.to_string())
    }
}

/// The scene's address, in names and configurations.
pub(crate) const HOME: &str = "HOME";

/// The usual lines of an authority and of a listener.
pub(crate) const TLS_ALPN: &str = "accept_terms = true\ntls_port = PORT(tls)\nchallenges = [\"tls-alpn-01\"]";
pub(crate) const LISTENER: &str = "certificates = [\"certs\", SOURCES]\nbackend = \"servers\"";
