//! Other servers and proxies, with the configuration that a test gives them.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::NAME;
use crate::support::PATIENCE;
use crate::support::backend::Backend;
use crate::support::pki::{Extra, Key, Pki};

/// A certificate and its key.
#[derive(Debug, Clone)]
pub(super) struct Pair {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

/// A pair for [`NAME`], in the folder `certs`.
pub(super) fn pair(pki: &Pki, stem: &str, key: Key) -> Pair {
    let (certificate, key) = pki.write("certs", stem, &[NAME], key, &Extra::default());
    Pair { certificate, key }
}

/// A server that is stopped when it is dropped.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    child: Child,
    _folder: TempDir,
    /// `openssl s_server` ends with its input.
    _stdin: Option<ChildStdin>,
}

impl Drop for Server {
    fn drop(&mut self) {
        // If they were killed outright, nginx and HAProxy would leave their workers behind.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let deadline = Instant::now() + Duration::from_secs(5);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(BETWEEN_LOOKS);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// nginx, with that content of `stream { }` (or `http { }`), in which `LISTEN` is replaced by its address.
pub(super) fn nginx(block: &str, inside: &str) -> Server {
    let folder = TempDir::new().unwrap();
    let (listener, address) = bound();
    let path = folder.path().display();
    let inside = inside.replace("LISTEN", &address.to_string());
    let conf = folder.path().join("nginx.conf");
    let (module, logs) = match block {
        "stream" => ("load_module /usr/lib/nginx/modules/ngx_stream_module.so;", String::new()),
        _ => {
            let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
            let paths = kinds.map(|kind| format!("{kind}_temp_path {path}/{kind};"));
            ("", format!("access_log off; {}", paths.concat()))
        }
    };
    let text = format!(
        "{module}
daemon off;
worker_processes 1;
user root;
pid {path}/nginx.pid;
events {{ }}
{block} {{
    {logs}
    {inside}
}}
"
    );
    fs::write(&conf, text).unwrap();
    let mut command = Command::new("nginx");
    // It takes over the listening socket that is named here.
    command.arg("-p").arg(folder.path()).args(["-e", "stderr", "-c"]).arg(&conf).env("NGINX", "0;");
    serve(command, listener, folder, address)
}

/// HAProxy, with these lines in its one `listen` section and these before that section.
pub(super) fn haproxy(global: &str, bind: &str, inside: &str) -> Server {
    let folder = TempDir::new().unwrap();
    let (listener, address) = bound();
    let conf = folder.path().join("haproxy.cfg");
    let text = format!(
        "global
    {global}
defaults
    mode tcp
    timeout connect 30s
    timeout client 30s
    timeout server 30s
listen all
    bind fd@0 {bind}
    {inside}
"
    );
    fs::write(&conf, text).unwrap();
    let mut command = Command::new("haproxy");
    command.args(["-db", "-f"]).arg(&conf);
    serve(command, listener, folder, address)
}

/// Certificate and key in one file, as HAProxy requires.
pub(super) fn combined(folder: &Path, pair: &Pair) -> PathBuf {
    let path = folder.join("combined.pem");
    let text = [&pair.certificate, &pair.key].map(|part| fs::read_to_string(part).unwrap()).concat();
    fs::write(&path, text).unwrap();
    path
}

/// Starts a program whose standard input is the listening socket.
fn serve(mut command: Command, listener: TcpListener, folder: TempDir, address: SocketAddr) -> Server {
    let log = folder.path().join("log");
    let child = command
        .stdin(Stdio::from(OwnedFd::from(listener)))
        .stdout(Stdio::null())
        .stderr(File::create(&log).unwrap())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; tests/run installs it"));
    let mut server = Server { address, child, _folder: folder, _stdin: None };
    // Connections wait in the socket from the start, so it is enough to see that the program keeps running.
    thread::sleep(BETWEEN_LOOKS);
    if let Some(status) = server.child.try_wait().unwrap() {
        panic!("{command:?} ended with {status}:\n{}", fs::read_to_string(log).unwrap());
    }
    server
}

fn bound() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// `openssl s_server` on a port that it chooses.
pub(super) fn openssl(arguments: &[&str]) -> Server {
    let folder = TempDir::new().unwrap();
    let mut child = Command::new("openssl")
        .args(["s_server", "-accept", "127.0.0.1:0", "-naccept", "100000"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(File::create(folder.path().join("log")).unwrap())
        .spawn()
        .expect("openssl is not installed; tests/run installs it");
    let stdin = child.stdin.take();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    let address = loop {
        line.clear();
        let read = lines.read_line(&mut line).unwrap();
        assert_ne!(read, 0, "{}", fs::read_to_string(folder.path().join("log")).unwrap());
        if let Some(address) = line.strip_prefix("ACCEPT ") {
            break address.trim().parse().unwrap();
        }
    };
    // It blocks if nothing reads its output.
    thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
    Server { address, child, _folder: folder, _stdin: stdin }
}

/// Passes bytes on to `to`, both ways, without looking at them.
pub(super) fn forwarder(to: SocketAddr) -> Backend {
    Backend::start(move |client| {
        let server = TcpStream::connect_timeout(&to, PATIENCE)?;
        let (client_too, server_too) = (client.try_clone()?, server.try_clone()?);
        let back = thread::spawn(move || pour(server_too, client_too));
        pour(client, server);
        drop(back.join());
        Ok(())
    })
}

fn pour(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
