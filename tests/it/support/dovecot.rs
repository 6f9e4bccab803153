//! A real Dovecot without TLS, with one mailbox: IMAP and POP3.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::PATIENCE;

pub(crate) const USER: &str = "me";
pub(crate) const PASSWORD: &str = "mailsecret";
/// The text of the only message.
pub(crate) const TEXT: &str = "The only message in the box.";

/// A running Dovecot. Dropping it stops it.
pub(crate) struct Dovecot {
    pub(crate) imap: SocketAddr,
    pub(crate) pop3: SocketAddr,
    child: Child,
    _folder: TempDir,
}

impl Dovecot {
    pub(crate) fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        let is_root = fs::metadata(path).unwrap().uid() == 0;
        let folders = ["mail", "mail/new", "mail/cur", "mail/tmp"].map(|name| path.join(name));
        for folder in &folders {
            fs::create_dir(folder).unwrap();
        }
        let message = path.join("mail/new/1.a.test");
        fs::write(&message, format!("From: a@a.test\nTo: b@b.test\nSubject: one\n\n{TEXT}\n")).unwrap();
        // Dovecot serves a mailbox as its owner, who cannot be root.
        for file in folders.iter().chain([&message]).filter(|_| is_root) {
            chown(file, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        for _ in 0..TRIES {
            // Both at one time, so that they are not the same.
            let free = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
            let [imap, pop3] = free.map(|listener| listener.local_addr().unwrap());
            fs::write(path.join("conf"), configuration(path, is_root, imap, pop3)).unwrap();
            if let Some(child) = try_start(path, imap, pop3) {
                return Self { imap, pop3, child, _folder: folder };
            }
        }
        panic!("Dovecot did not start:\n{}", fs::read_to_string(path.join("log")).unwrap());
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        // Its other processes end with it only if it ends in order.
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let deadline = Instant::now() + Duration::from_secs(10);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(BETWEEN_LOOKS);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configuration(folder: &Path, is_root: bool, imap: SocketAddr, pop3: SocketAddr) -> String {
    let owner = fs::metadata(folder.join("mail")).unwrap();
    let (uid, gid, folder) = (owner.uid(), owner.gid(), folder.display());
    let (imap, pop3) = (imap.port(), pop3.port());
    // Its processes change their user only if they are root.
    let users = match is_root {
        true => {
            "default_internal_user = nobody\ndefault_internal_group = nogroup\ndefault_login_user = nobody\n".into()
        }
        false => format!("default_internal_user = {uid}\ndefault_internal_group = {gid}\ndefault_login_user = {uid}\n"),
    };
    let services = ["imap-login", "pop3-login", "anvil", "stats"].map(|name| {
        let listeners = match name {
            "imap-login" => {
                format!("  inet_listener imap {{\n port = {imap}\n}}\n  inet_listener imaps {{\n port = 0\n}}\n")
            }
            "pop3-login" => {
                format!("  inet_listener pop3 {{\n port = {pop3}\n}}\n  inet_listener pop3s {{\n port = 0\n}}\n")
            }
            _ => String::new(),
        };
        format!("service {name} {{\n  chroot =\n{listeners}}}\n")
    });
    format!(
        "base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap pop3
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
first_valid_uid = 1
{users}mail_location = maildir:{folder}/mail
passdb {{
  driver = static
  args = password={PASSWORD}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/mail
}}
{}",
        services.concat()
    )
}

/// Starts it on ports that were free a moment ago. `None` if it ends because another process was faster.
fn try_start(folder: &Path, imap: SocketAddr, pop3: SocketAddr) -> Option<Child> {
    let mut child = Command::new("/usr/sbin/dovecot")
        .args(["-F", "-c"])
        .arg(folder.join("conf"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(folder.join("out")).unwrap())
        .spawn()
        .expect("dovecot is not installed; tests/run installs it");
    let deadline = Instant::now() + PATIENCE;
    loop {
        if folder.join("run/master.pid").exists() && [imap, pop3].iter().all(|at| TcpStream::connect(at).is_ok()) {
            return Some(child);
        }
        if child.try_wait().unwrap().is_some() {
            return None;
        }
        assert!(Instant::now() < deadline, "Dovecot does not answer");
        thread::sleep(BETWEEN_LOOKS);
    }
}

/// The ids of Debian's nobody and nogroup.
const NOBODY: u32 = 65534;
const TRIES: usize = 10;
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);
