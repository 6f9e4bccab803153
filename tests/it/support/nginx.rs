//! A real nginx in a folder of its own, on a port that the test has bound for it.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// Serves files over plain HTTP. Dropping it stops it.
pub(crate) struct Nginx {
    pub(crate) address: SocketAddr,
    folder: TempDir,
    child: Child,
}

impl Nginx {
    pub(crate) fn start() -> Self {
        Self::with("127.0.0.1:0", configuration)
    }

    /// On an address of one's own choice, and with another configuration, given folder and address.
    pub(crate) fn with(listen: &str, configuration: impl FnOnce(&Path, SocketAddr) -> String) -> Self {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("files")).unwrap();
        let listener = TcpListener::bind(listen).unwrap();
        let address = listener.local_addr().unwrap();
        let conf = folder.path().join("nginx.conf");
        fs::write(&conf, configuration(folder.path(), address)).unwrap();
        let child = Command::new("nginx")
            .arg("-p")
            .arg(folder.path())
            .args(["-e", "stderr", "-c"])
            .arg(&conf)
            // A listening socket that it finds in this variable it takes over, as in its own upgrades; so the port cannot
            // be lost to somebody else, and clients can connect at once.
            .env("NGINX", "0;")
            .stdin(Stdio::from(OwnedFd::from(listener)))
            .stdout(Stdio::null())
            .spawn()
            .expect("nginx is not installed; tests/run installs it");
        Self { address, folder, child }
    }

    /// A file that it serves under `/name`, to be written.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("files").join(name)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Killed outright it would leave its worker behind.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

/// In the foreground, one worker who may read the folder, and nothing outside it. (With `master_process off` nginx 1.22
/// crashes on a socket that it takes over.)
fn configuration(folder: &Path, address: SocketAddr) -> String {
    let head = head(folder);
    let folder = folder.display();
    format!(
        "{head}http {{
    access_log off;
    client_body_temp_path {folder}/body;
    client_max_body_size 0;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen {address};
        root {folder}/files;
        dav_methods PUT;
    }}
}}
"
    )
}

/// What every configuration begins with.
pub(crate) fn head(folder: &Path) -> String {
    let folder = folder.display();
    format!("daemon off;\nworker_processes 1;\nuser root;\npid {folder}/nginx.pid;\nevents {{ }}\n")
}
