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
        Self::with("127.0.0.1:0", |folder, address| configuration(folder, address, ""))
    }

    /// Serves them over HTTPS, with this certificate and its key.
    pub(crate) fn start_tls(certificate: &Path, key: &Path) -> Self {
        let (certificate, key) = (certificate.display(), key.display());
        let tls = format!(
            "ssl_certificate {certificate};\n        ssl_certificate_key {key};\n        ssl_protocols TLSv1.2 TLSv1.3;"
        );
        Self::with("127.0.0.1:0", |folder, address| configuration(folder, address, &tls))
    }

    /// On the given address, and with another configuration, made from folder and address.
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
            // nginx takes over a listening socket that this variable names, as in its own upgrades; so no other process
            // can take the port, and clients can connect immediately.
            .env("NGINX", "0;")
            .stdin(Stdio::from(OwnedFd::from(listener)))
            .stdout(Stdio::null())
            .spawn()
            .expect("nginx is not installed; tests/run installs it");
        Self { address, folder, child }
    }

    /// A file that it serves under `/name`, for the test to write.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("files").join(name)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // If it were killed outright, it would leave its worker behind.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

/// In the foreground, with one worker that may read the folder, and nothing outside it. (With `master_process off`
/// nginx 1.22 crashes on a socket that it takes over.)
fn configuration(folder: &Path, address: SocketAddr, tls: &str) -> String {
    let head = head(folder);
    let folder = folder.display();
    let ssl = if tls.is_empty() { "" } else { " ssl" };
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
        listen {address}{ssl};
        {tls}
        root {folder}/files;
        dav_methods PUT;
    }}
}}
"
    )
}

/// The beginning of every configuration.
pub(crate) fn head(folder: &Path) -> String {
    let folder = folder.display();
    format!("daemon off;\nworker_processes 1;\nuser root;\npid {folder}/nginx.pid;\nevents {{ }}\n")
}
