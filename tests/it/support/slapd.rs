//! A real OpenLDAP directory.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

use super::pki::{Extra, Key, Pki};
use super::{PATIENCE, tool};

pub(crate) const SUFFIX: &str = "dc=example,dc=com";
pub(crate) const ADMIN: &str = "cn=admin,dc=example,dc=com";
pub(crate) const PASSWORD: &str = "a secret";

/// A running slapd. Dropping it kills it.
pub(crate) struct Slapd {
    pub(crate) address: SocketAddr,
    child: Child,
    folder: TempDir,
    /// Prevents others from taking the address while it is not running.
    place: Option<Socket>,
    scheme: &'static str,
}

impl Slapd {
    /// A directory with the suffix, and the entries of `ldif`.
    pub(crate) fn start(ldif: &str) -> Self {
        Self::configured(ldif, "", "ldap")
    }

    /// A directory that supports StartTLS, with a certificate for `localhost`.
    pub(crate) fn start_with_tls(ldif: &str, pki: &Pki) -> Self {
        let (certificate, key) = pki.write("slapd", "ldap", &["localhost"], Key::P256, &Extra::default());
        let (certificate, key) = (certificate.display(), key.display());
        let tls = format!("TLSCertificateFile {certificate}\nTLSCertificateKeyFile {key}\n");
        Self::configured(ldif, &tls, "ldap")
    }

    /// The same, which refuses everything but StartTLS without TLS.
    pub(crate) fn start_requiring_tls(ldif: &str, pki: &Pki) -> Self {
        let (certificate, key) = pki.write("slapd", "ldap", &["localhost"], Key::P256, &Extra::default());
        let (certificate, key) = (certificate.display(), key.display());
        let tls = format!("TLSCertificateFile {certificate}\nTLSCertificateKeyFile {key}\nsecurity tls=1\n");
        Self::configured(ldif, &tls, "ldap")
    }

    /// A directory that uses TLS from the beginning, with a certificate for `localhost`.
    pub(crate) fn start_over_tls(ldif: &str, pki: &Pki) -> Self {
        let (certificate, key) = pki.write("slapd", "ldap", &["localhost"], Key::P256, &Extra::default());
        let (certificate, key) = (certificate.display(), key.display());
        Self::configured(ldif, &format!("TLSCertificateFile {certificate}\nTLSCertificateKeyFile {key}\n"), "ldaps")
    }

    /// A directory that uses TLS from the beginning, with a certificate for `localhost`, requires a client certificate,
    /// and refuses simple binds without TLS.
    pub(crate) fn start_ldaps(ldif: &str, pki: &Pki) -> Self {
        let (certificate, key) = pki.write("slapd", "ldaps", &["localhost"], Key::P256, &Extra::default());
        let (certificate, key, ca) = (certificate.display(), key.display(), pki.ca());
        let tls = format!(
            "TLSCertificateFile {certificate}\nTLSCertificateKeyFile {key}\nTLSCACertificateFile {}\n\
             TLSVerifyClient demand\nsecurity simple_bind=128\n",
            ca.display()
        );
        Self::configured(ldif, &tls, "ldaps")
    }

    /// A directory on that address of this thread's network, which logs its connections. `rules` are lines of its configuration.
    pub(crate) fn start_at(host: &str, rules: &str, ldif: &str) -> Self {
        Self::placed(ldif, rules, "ldap", (host, STATS))
    }

    fn configured(ldif: &str, tls: &str, scheme: &'static str) -> Self {
        Self::placed(ldif, tls, scheme, ("127.0.0.1", NOTHING))
    }

    fn placed(ldif: &str, tls: &str, scheme: &'static str, (host, level): (&str, &str)) -> Self {
        let folder = TempDir::new().unwrap();
        // Some distributions confine /usr/sbin/slapd, by its path, to certain folders.
        let program = folder.path().join("slapd");
        // Another process copies it: a copy by this process would be open for writing, for a moment, in every program
        // that other tests start meanwhile, and a file that is open for writing cannot be run (ETXTBSY).
        let copied = Command::new("cp").arg("/usr/sbin/slapd").arg(&program).status().unwrap();
        assert!(copied.success(), "slapd is not installed; tests/run installs it");
        fs::create_dir(folder.path().join("data")).unwrap();
        fs::write(folder.path().join("slapd.conf"), configuration(folder.path(), tls, PASSWORD)).unwrap();
        let suffix =
            format!("dn: {SUFFIX}\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: Example\n\n");
        load(folder.path(), &(suffix + ldif));
        for _ in 0..TRIES {
            let address = TcpListener::bind((host, 0)).unwrap().local_addr().unwrap();
            if let Some(child) = try_start(folder.path(), scheme, address, level) {
                return Self { address, child, folder, place: None, scheme };
            }
        }
        panic!("slapd did not start:\n{}", fs::read_to_string(folder.path().join("log")).unwrap());
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// The Unix socket on which it listens too.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("ldapi")
    }

    /// Kills it, without a chance to end its connections.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let place = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        // Connections of the killed process in TIME_WAIT would otherwise prevent the bind.
        place.set_reuse_address(true).unwrap();
        place.bind(&self.address.into()).unwrap();
        self.place = Some(place);
    }

    /// Starts it again after [`Slapd::kill`], with that password for the administrator.
    pub(crate) fn restart(&mut self, password: &str) {
        // The start waits for this file, and the killed process left it behind.
        fs::remove_file(self.folder.path().join("pid")).unwrap();
        fs::write(self.folder.path().join("slapd.conf"), configuration(self.folder.path(), "", password)).unwrap();
        self.place = None;
        self.child =
            try_start(self.folder.path(), self.scheme, self.address, NOTHING).expect("slapd did not start again");
    }

    /// Stops the process (SIGSTOP): the kernel still accepts connections for it.
    pub(crate) fn freeze(&self) {
        self.signal("-STOP");
    }

    pub(crate) fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// `ldap://…`: the direct way, without tlsgate.
    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configuration(folder: &Path, tls: &str, password: &str) -> String {
    let folder = folder.display();
    format!(
        "include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/pid
{tls}sizelimit unlimited
database mdb
maxsize 268435456
dbnosync
directory {folder}/data
suffix \"{SUFFIX}\"
rootdn \"{ADMIN}\"
rootpw \"{password}\"
"
    )
}

fn load(folder: &Path, ldif: &str) {
    let (program, configuration) = (folder.join("slapd"), folder.join("slapd.conf"));
    let arguments = ["-T", "add", "-q", "-f", configuration.to_str().unwrap()];
    let output = tool::run(program.to_str().unwrap(), &arguments, ldif.as_bytes());
    assert!(output.status.success(), "slapadd: {}", tool::shown(&output));
}

/// Starts it on a port that was free a moment ago. `None` if it ends because another process was faster.
fn try_start(folder: &Path, scheme: &str, address: SocketAddr, level: &str) -> Option<Child> {
    let pidfile = folder.join("pid");
    let ldapi = folder.join("ldapi").display().to_string().replace('/', "%2F");
    let mut child = Command::new(folder.join("slapd"))
        .args(["-d", level, "-h", &format!("{scheme}://{address} ldapi://{ldapi}"), "-f"])
        .arg(folder.join("slapd.conf"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(folder.join("log")).unwrap())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + PATIENCE;
    loop {
        // It writes its pid after it has the port, so a server that answers after that is slapd.
        if pidfile.exists() && TcpStream::connect(address).is_ok() {
            return Some(child);
        }
        if child.try_wait().unwrap().is_some() {
            return None;
        }
        assert!(Instant::now() < deadline, "slapd does not answer");
        thread::sleep(BETWEEN_LOOKS);
    }
}

const TRIES: usize = 10;

/// What it logs (slapd.conf(5), loglevel).
const NOTHING: &str = "0";
const STATS: &str = "256";

/// The interval between looks at a starting server; what is seen decides whether it is ready.
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);
