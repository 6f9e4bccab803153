//! A real Exim: a mail server that accepts every message and keeps it.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::pki::{Extra, Key, Pki};
use super::{PATIENCE, tool};

/// How the server uses TLS. Its certificate is for `mail.test`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Security {
    /// Not at all.
    None,
    /// After STARTTLS, without which it accepts no mail.
    Starttls,
    /// From the beginning.
    Implicit,
}

/// A running Exim. Dropping it kills it.
pub(crate) struct Exim {
    pub(crate) address: SocketAddr,
    child: Child,
    folder: TempDir,
}

impl Exim {
    pub(crate) fn start(security: Security, pki: &Pki) -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(path.join("spool")).unwrap();
        let (certificate, key) = pki.pair(&["mail.test"], Key::P256, &Extra::default());
        fs::write(path.join("crt"), certificate).unwrap();
        fs::write(path.join("key"), key).unwrap();
        // Exim gives up root's rights: its own user needs the files.
        if fs::metadata(path).unwrap().uid() == 0 {
            let user = tool::run("id", &["-u", "Debian-exim"], b"").stdout;
            let user = String::from_utf8(user).unwrap().trim().parse().expect("exim4 is not installed");
            for file in [path, &path.join("spool"), &path.join("crt"), &path.join("key")] {
                chown(file, Some(user), None).unwrap();
            }
        }
        for _ in 0..TRIES {
            let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            fs::write(path.join("conf"), configuration(path, security, address)).unwrap();
            if let Some(child) = try_start(path, address) {
                return Self { address, child, folder };
            }
        }
        panic!("Exim did not start:\n{}", fs::read_to_string(path.join("out")).unwrap());
    }

    /// The messages that it has accepted, as it keeps them: the sender and the recipients, then the text.
    pub(crate) fn messages(&self) -> Vec<String> {
        let folder = self.folder.path().join("spool/input");
        let files = fs::read_dir(folder).into_iter().flatten().map(|file| file.unwrap().path());
        // Two files for each message, of which the one with the envelope is written last.
        let heads = files.filter(|file| file.to_str().unwrap().ends_with("-H"));
        let whole = heads.map(|head| {
            let data = head.to_str().unwrap().replace("-H", "-D");
            fs::read_to_string(&head).unwrap() + &fs::read_to_string(data).unwrap()
        });
        whole.collect()
    }
}

impl Drop for Exim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configuration(folder: &Path, security: Security, address: SocketAddr) -> String {
    let (folder, port) = (folder.display(), address.port());
    let files = format!("tls_certificate = {folder}/crt\ntls_privatekey = {folder}/key\n");
    let tls = match security {
        Security::None => "tls_advertise_hosts =\n".to_owned(),
        Security::Starttls => format!("tls_advertise_hosts = *\n{files}"),
        Security::Implicit => format!("tls_advertise_hosts = *\ntls_on_connect_ports = {port}\n{files}"),
    };
    let encrypted = if security == Security::None { "" } else { "  require encrypted = *\n" };
    format!(
        "spool_directory = {folder}/spool
log_file_path = {folder}/%slog
primary_hostname = mail.test
qualify_domain = mail.test
keep_environment =
rfc1413_query_timeout = 0s
queue_only
never_users =
acl_smtp_mail = mail
acl_smtp_rcpt = any
acl_smtp_data = any
{tls}begin acl
mail:
{encrypted}  accept
any:
  accept
begin routers
begin transports
begin retry
"
    )
}

/// Starts it on a port that was free a moment ago. `None` if it ends because another process was faster.
fn try_start(folder: &Path, address: SocketAddr) -> Option<Child> {
    let _ = fs::remove_file(folder.join("pid"));
    let mut child = Command::new("/usr/sbin/exim4")
        .arg("-C")
        .arg(folder.join("conf"))
        .args(["-bdf", "-oX", &format!("{}.{}", address.ip(), address.port()), "-oP"])
        .arg(folder.join("pid"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(folder.join("out")).unwrap())
        .spawn()
        .expect("exim4 is not installed; tests/run installs it");
    let deadline = Instant::now() + PATIENCE;
    loop {
        // It writes its pid after it has the port.
        if folder.join("pid").exists() && TcpStream::connect(address).is_ok() {
            return Some(child);
        }
        if child.try_wait().unwrap().is_some() {
            return None;
        }
        assert!(Instant::now() < deadline, "Exim does not answer");
        thread::sleep(BETWEEN_LOOKS);
    }
}

const TRIES: usize = 10;
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);
