//! A real OpenLDAP directory.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{PATIENCE, tool};

pub(crate) const SUFFIX: &str = "dc=example,dc=com";
pub(crate) const ADMIN: &str = "cn=admin,dc=example,dc=com";
pub(crate) const PASSWORD: &str = "a secret";

/// A running slapd. Dropping it kills it.
pub(crate) struct Slapd {
    pub(crate) address: SocketAddr,
    child: Child,
    _folder: TempDir,
}

impl Slapd {
    /// A directory that holds the suffix, and the entries of `ldif`.
    pub(crate) fn start(ldif: &str) -> Self {
        let folder = TempDir::new().unwrap();
        // Some distributions confine /usr/sbin/slapd, by its path, to folders of its own.
        let program = folder.path().join("slapd");
        fs::copy("/usr/sbin/slapd", &program).expect("slapd is not installed; tests/run installs it");
        fs::create_dir(folder.path().join("data")).unwrap();
        fs::write(folder.path().join("slapd.conf"), configuration(folder.path())).unwrap();
        let suffix =
            format!("dn: {SUFFIX}\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: Example\n\n");
        load(folder.path(), &(suffix + ldif));
        for _ in 0..TRIES {
            if let Some((child, address)) = try_start(folder.path()) {
                return Self { address, child, _folder: folder };
            }
        }
        panic!("slapd did not start:\n{}", fs::read_to_string(folder.path().join("log")).unwrap());
    }

    /// `ldap://…`: the way around tlsgate.
    pub(crate) fn url(&self) -> String {
        format!("ldap://{}", self.address)
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configuration(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/pid
sizelimit unlimited
database mdb
maxsize 268435456
dbnosync
directory {folder}/data
suffix \"{SUFFIX}\"
rootdn \"{ADMIN}\"
rootpw \"{PASSWORD}\"
"
    )
}

fn load(folder: &Path, ldif: &str) {
    let (program, configuration) = (folder.join("slapd"), folder.join("slapd.conf"));
    let arguments = ["-T", "add", "-q", "-f", configuration.to_str().unwrap()];
    let output = tool::run(program.to_str().unwrap(), &arguments, ldif.as_bytes());
    assert!(output.status.success(), "slapadd: {}", tool::shown(&output));
}

/// Starts it on a port that was free a moment ago. `None` if it ends: somebody else was faster.
fn try_start(folder: &Path) -> Option<(Child, SocketAddr)> {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let pidfile = folder.join("pid");
    let mut child = Command::new(folder.join("slapd"))
        .args(["-d", "0", "-h", &format!("ldap://{address}"), "-f"])
        .arg(folder.join("slapd.conf"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(folder.join("log")).unwrap())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + PATIENCE;
    loop {
        // It writes its pid once the port is its own, so that whoever answers after that is slapd.
        if pidfile.exists() && TcpStream::connect(address).is_ok() {
            return Some((child, address));
        }
        if child.try_wait().unwrap().is_some() {
            return None;
        }
        assert!(Instant::now() < deadline, "slapd does not answer");
        thread::sleep(BETWEEN_LOOKS);
    }
}

const TRIES: usize = 10;

/// Only how often a starting server is looked at; when it is ready is told by what is seen.
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);
