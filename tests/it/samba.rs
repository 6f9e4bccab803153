//! LDAPS in front of a real Samba domain controller: what a simple bind needs there if TLS ends before it.
//!
//! Samba's LDAP server is on port 389 and no other, which requires root. Each test has a loopback address of its own.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{self, Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::http::Door;
use crate::support::pki::{Extra, Key, Pki, write_private};
use crate::support::procfs::eventually;
use crate::support::proxy::Proxy;
use crate::support::{PATIENCE, ldap, tool};

#[test]
fn a_simple_bind_is_taken_where_strong_auth_is_not_required() {
    as_root("a_simple_bind_is_taken_where_strong_auth_is_not_required", || {
        let site = Site::new("no");
        let (through, direct) = site.search(PASSWORD, &["-b", SUFFIX, "-s", "base", "name", "objectSid"]);
        assert!(text(&through.stdout).contains("name: corp"), "{}", tool::shown(&through));
        assert_eq!(through, direct);
        let (through, direct) = site.search("wrong", &["-b", SUFFIX]);
        assert_eq!(through.status.code(), Some(49), "{}", tool::shown(&through));
        assert_eq!(through, direct);
        // In pages, so that there are several requests and answers.
        let schema = format!("CN=Schema,CN=Configuration,{SUFFIX}");
        let (through, direct) = site.search(PASSWORD, &["-b", &schema, "-E", "pr=500/noprompt", "-o", "ldif-wrap=no"]);
        assert!(through.status.success(), "{}", text(&through.stderr));
        assert!(through.stdout.len() > 1_000_000, "only {} bytes", through.stdout.len());
        assert!(through == direct, "the answers differ");
        let records = site.proxy.records(3);
        assert!(records.iter().all(|record| record["outcome"] == "completed"), "{records:?}");
        // Health checks by the root entry, and by a bind with a DN or a principal's name.
        assert_eq!(site.checked("")["health"], "up");
        for name in [ADMIN, &format!("CN=Administrator,CN=Users,{SUFFIX}")] {
            let server = site.checked(&format!("bind_dn = \"{name}\", password_file = \"password\""));
            assert_eq!(server["health"], "up", "{server}");
        }
        let server = site.checked(&format!("bind_dn = \"{ADMIN}\", password_file = \"wrong\""));
        let reason = server["last_check"]["reason"].as_str().unwrap();
        assert!(reason.starts_with("bind: invalidCredentials (49)"), "{server}");
    });
}

#[test]
fn a_simple_bind_is_refused_where_strong_auth_is_required_but_the_root_entry_is_read() {
    as_root("a_simple_bind_is_refused_where_strong_auth_is_required_but_the_root_entry_is_read", || {
        let site = Site::new("yes");
        let (through, direct) = site.search(PASSWORD, &["-b", SUFFIX, "-s", "base"]);
        assert_eq!(through.status.code(), Some(8), "{}", tool::shown(&through));
        assert_eq!(through, direct);
        let (through, direct) = site.both_ways(&["-x", "-LLL", "-b", "", "-s", "base", "defaultNamingContext"]);
        assert!(text(&through.stdout).contains(SUFFIX), "{}", tool::shown(&through));
        assert_eq!(through, direct);
        assert_eq!(site.checked("")["health"], "up");
        let server = site.checked(&format!("bind_dn = \"{ADMIN}\", password_file = \"password\""));
        let reason = server["last_check"]["reason"].as_str().unwrap();
        assert!(reason.starts_with("bind: strongerAuthRequired (8)"), "{server}");
    });
}

/// A domain controller, and tlsgate before it.
struct Site {
    pki: Pki,
    samba: Samba,
    proxy: Proxy,
}

impl Site {
    /// `strong_auth`: the value of `ldap server require strong auth`.
    fn new(strong_auth: &str) -> Self {
        let pki = Pki::new();
        pki.write("certs", "ec", &["127.0.0.1"], Key::P256, &Extra::default());
        let samba = Samba::start(&pki.folder().join("samba"), strong_auth);
        let config = format!(
            r#"
[[listener]]
name = "ldaps"
listen = "127.0.0.1:0"
certificates = ["certs"]
backend = "directory"

[backend.directory]
servers = ["{}"]
"#,
            samba.address
        );
        let proxy = Proxy::start(pki.folder(), &config);
        Self { pki, samba, proxy }
    }

    /// The result that a health check with these keys has for the domain controller.
    fn checked(&self, keys: &str) -> Value {
        let folder = TempDir::new().unwrap();
        write_private(&folder.path().join("password"), PASSWORD);
        write_private(&folder.path().join("wrong"), "wrong");
        let (certificates, server) = (self.pki.folder().join("certs"), self.samba.address);
        let separator = if keys.is_empty() { "" } else { ", " };
        let config = format!(
            r#"
[admin]
listen="unix:admin.sock"

[[listener]]
name = "ldaps"
listen = "127.0.0.1:0"
certificates = [{certificates:?}]
backend = "directory"

[backend.directory]
servers = ["{server}"]
health = {{ type = "ldap", timeout = "1m"{separator}{keys} }}
"#
        );
        let _proxy = Proxy::start(folder.path(), &config);
        let door = Door::Unix(folder.path().join("admin.sock"));
        eventually("it is checked", || {
            let server = door.get("/api/v1/backends").json()["backends"][0]["servers"][0].clone();
            ["up", "down"].contains(&server["health"].as_str()?).then_some(server)
        })
    }

    /// Searches as the administrator, through tlsgate and directly.
    fn search(&self, password: &str, arguments: &[&str]) -> (Output, Output) {
        self.both_ways(&[&["-x", "-LLL", "-D", ADMIN, "-w", password], arguments].concat())
    }

    fn both_ways(&self, arguments: &[&str]) -> (Output, Output) {
        let search = |url: String| ldap::run("ldapsearch", &url, &self.pki.ca(), arguments);
        (search(format!("ldaps://{}", self.proxy.address("ldaps"))), search(format!("ldap://{}", self.samba.address)))
    }
}

/// A running Samba that does LDAP and nothing else. Dropping it kills it; if the tests are killed, it ends itself
/// when its standard input ends.
struct Samba {
    address: SocketAddr,
    child: Child,
}

impl Samba {
    fn start(folder: &Path, strong_auth: &str) -> Self {
        let root = folder.to_str().unwrap();
        let (target, password) = (format!("--targetdir={root}"), format!("--adminpass={PASSWORD}"));
        let domain = ["domain", "provision", "--configfile=/dev/null", "--realm=corp.example.com", "--domain=CORP"];
        let machine = ["--host-name=dc1", "--host-ip=127.0.0.1", "--server-role=dc", "--dns-backend=NONE"];
        let arguments = [&domain[..], &machine, &[&target, &password]].concat();
        // Provisioning writes and syncs hundreds of small files, which takes minutes on a busy machine.
        let provisioned = tool::run_for(Duration::from_secs(600), "samba-tool", &arguments, b"");
        assert!(provisioned.status.success(), "{}", tool::shown(&provisioned));

        let ip = address_of_its_own();
        let options = [
            format!("interfaces={ip}/8"),
            "bind interfaces only=yes".into(),
            "server services=ldap".into(),
            "dcerpc endpoint servers=-all".into(),
            "tls enabled=no".into(),
            "disable netbios=yes".into(),
            format!("ldap server require strong auth={strong_auth}"),
            format!("pid directory={root}/run"),
            format!("ncalrpc dir={root}/run/ncalrpc"),
            format!("ntp signd socket directory={root}/run/ntp"),
            format!("winbindd socket directory={root}/run/winbindd"),
        ];
        std::fs::create_dir(folder.join("run")).unwrap();
        let log = folder.join("log");
        let mut child = Command::new("/usr/sbin/samba")
            .args(["--interactive", "--model=single", "--debug-stdout", &format!("--configfile={root}/etc/smb.conf")])
            .args(options.map(|option| format!("--option={option}")))
            .stdin(Stdio::piped())
            .stdout(File::create(&log).unwrap())
            .stderr(File::options().append(true).open(&log).unwrap())
            .spawn()
            .expect("samba is not installed; tests/run installs it");
        let address = SocketAddr::from((ip, 389));
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            let ended = child.try_wait().unwrap();
            let log = || std::fs::read_to_string(&log).unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "Samba does not answer ({ended:?}):\n{}", log());
            thread::sleep(BETWEEN_LOOKS);
        }
        Self { address, child }
    }
}

impl Drop for Samba {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An unused loopback address for port 389, derived from this process's id.
fn address_of_its_own() -> Ipv4Addr {
    static USED: AtomicU8 = AtomicU8::new(1);
    let [.., high, low] = process::id().to_be_bytes();
    loop {
        // The high bit keeps clear of the addresses on which other tests listen.
        let ip = Ipv4Addr::new(127, high | 0x80, low, USED.fetch_add(1, Ordering::Relaxed));
        if TcpListener::bind((ip, 389)).is_ok() {
            return ip;
        }
    }
}

/// Runs the test of that name; for an ordinary user it runs the test again with sudo, which must not ask for a
/// password.
fn as_root(name: &str, test: fn()) {
    let output = tool::run("id", &["-u"], b"");
    if text(&output.stdout).trim() == "0" {
        return test();
    }
    let this = std::env::current_exe().unwrap();
    let output = tool::run("sudo", &["-n", this.to_str().unwrap(), "--exact", &format!("samba::{name}")], b"");
    assert!(output.status.success(), "Samba requires root, or sudo without a password:\n{}", tool::shown(&output));
    assert!(text(&output.stdout).contains("1 passed"), "{}", tool::shown(&output));
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

const SUFFIX: &str = "DC=corp,DC=example,DC=com";
const ADMIN: &str = "Administrator@corp.example.com";
const PASSWORD: &str = "Passw0rd.1";

/// The interval between looks at a starting server; what is seen decides whether it is ready.
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);
