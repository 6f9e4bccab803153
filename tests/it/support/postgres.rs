//! A real PostgreSQL, run by a user that is not root.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::pki::{Extra, Key, Pki, write_private};
use super::{PATIENCE, tool};

pub(crate) const USER: &str = "owner";
pub(crate) const PASSWORD: &str = "a database secret";

/// A running PostgreSQL. Dropping it stops it.
pub(crate) struct Postgres {
    pub(crate) address: SocketAddr,
    child: Child,
    _folder: TempDir,
}

impl Postgres {
    /// A server without TLS.
    pub(crate) fn start() -> Self {
        Self::configured(None)
    }

    /// A server that accepts connections with TLS only, with a certificate for `db.test`.
    pub(crate) fn start_with_tls(pki: &Pki) -> Self {
        Self::configured(Some(pki.pair(&["db.test"], Key::P256, &Extra::default())))
    }

    fn configured(tls: Option<(String, String)>) -> Self {
        let folder = TempDir::new().unwrap();
        let (data, secret) = (folder.path().join("data"), folder.path().join("secret"));
        fs::write(&secret, PASSWORD).unwrap();
        if is_root(folder.path()) {
            for path in [folder.path(), &secret] {
                chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
            }
        }
        let (data, secret) = (data.to_str().unwrap(), secret.to_str().unwrap());
        let pwfile = format!("--pwfile={secret}");
        let arguments = ["-D", data, "-U", USER, &pwfile, "--auth=scram-sha-256", "-N", "--no-instructions"];
        let command = unprivileged(folder.path(), "initdb");
        let all: Vec<&str> = command[1..].iter().map(String::as_str).chain(arguments).collect();
        let output = tool::run(&command[0], &all, b"");
        assert!(output.status.success(), "{}", tool::shown(&output));
        if let Some((certificate, key)) = tls {
            let owner = fs::metadata(data).unwrap();
            for (name, text) in [("server.crt", certificate), ("server.key", key)] {
                let file = Path::new(data).join(name);
                write_private(&file, &text);
                chown(&file, Some(owner.uid()), Some(owner.gid())).unwrap();
            }
            let settings = fs::read_to_string(format!("{data}/postgresql.conf")).unwrap() + "\nssl = on\n";
            fs::write(format!("{data}/postgresql.conf"), settings).unwrap();
            fs::write(format!("{data}/pg_hba.conf"), "hostssl all all 127.0.0.1/32 scram-sha-256\n").unwrap();
        }
        for _ in 0..TRIES {
            if let Some((child, address)) = try_start(folder.path(), data) {
                return Self { address, child, _folder: folder };
            }
        }
        panic!("PostgreSQL did not start:\n{}", fs::read_to_string(folder.path().join("log")).unwrap());
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // QUIT: immediately. setpriv has become the server, so this is its process.
        let _ = Command::new("kill").args(["-QUIT", &self.child.id().to_string()]).status();
        let deadline = Instant::now() + Duration::from_secs(10);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(BETWEEN_LOOKS);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts it on a port that was free a moment ago. `None` if it ends because another process was faster.
fn try_start(folder: &Path, data: &str) -> Option<(Child, SocketAddr)> {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let command = unprivileged(folder, "postgres");
    let mut child = Command::new(&command[0])
        .args(&command[1..])
        .args(["-D", data, "-p", &address.port().to_string()])
        .args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(folder.join("log")).unwrap())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + PATIENCE;
    loop {
        // The last line of its pid file shows when it accepts connections.
        if fs::read_to_string(format!("{data}/postmaster.pid")).is_ok_and(|text| text.contains("\nready")) {
            return Some((child, address));
        }
        if child.try_wait().unwrap().is_some() {
            return None;
        }
        assert!(Instant::now() < deadline, "PostgreSQL does not get ready");
        thread::sleep(BETWEEN_LOOKS);
    }
}

/// The program, run by a user that PostgreSQL accepts.
fn unprivileged(folder: &Path, program: &str) -> Vec<String> {
    let newest = fs::read_dir("/usr/lib/postgresql").ok().and_then(|versions| {
        versions.map(|version| version.unwrap().path()).max_by_key(|path| {
            path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse::<u32>().ok())
        })
    });
    let newest = newest.expect("PostgreSQL is not installed; tests/run installs it");
    let program = newest.join("bin").join(program).to_str().unwrap().to_owned();
    let nobody = NOBODY.to_string();
    let drop = ["setpriv", "--reuid", &nobody, "--regid", &nobody, "--clear-groups"].map(str::to_owned);
    // The owner of the folder runs it.
    if fs::metadata(folder).unwrap().uid() == NOBODY { [&drop[..], &[program]].concat() } else { vec![program] }
}

/// Whether this runs as root, which may change the owner of a folder.
fn is_root(folder: &Path) -> bool {
    fs::metadata(folder).unwrap().uid() == 0
}

/// The ids of Debian's nobody and nogroup.
const NOBODY: u32 = 65534;
const TRIES: usize = 10;
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
