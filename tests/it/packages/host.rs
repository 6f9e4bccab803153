//! A machine on which packages are installed, and what is seen of tlsgate there.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::thread;

use crate::support::backend::Backend;
use crate::support::client::{Client, Tls, trusting};
use crate::support::pki::Pki;
use crate::support::tool;
use crate::systemd::machine::Machine;

pub(super) const CONFIG: &str = "/etc/tlsgate/tlsgate.toml";
pub(super) const LISTENER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8443);

/// A machine of systemd's, with files of packages in it that are not installed yet.
pub(super) struct Host {
    pub(super) machine: Machine,
}

impl Host {
    /// Its files are those below `system`.
    fn on(system: &Path, packages: &[&Path]) -> Self {
        let host = Self { machine: Machine::start_on(system) };
        for package in packages {
            fs::copy(package, host.machine.file("/root").join(package.file_name().unwrap())).unwrap();
        }
        // There is no journal.
        host.write(
            "/etc/systemd/system/tlsgate.service.d/test.conf",
            "[Service]\nStandardError=append:/run/tlsgate.log\n",
        );
        host
    }

    pub(super) fn write(&self, path: &str, text: &str) {
        let path = self.machine.file(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Runs a command that installs or removes packages, with all that it needs of the environment.
    pub(super) fn manage(&self, command: &[&str]) -> Output {
        let output = self.machine.output(&[&["env", "DEBIAN_FRONTEND=noninteractive"], command].concat());
        assert!(output.status.success(), "{command:?}: {}\n{}", tool::shown(&output), self.log());
        output
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.machine.file("/run/tlsgate.log")).unwrap_or_default()
    }

    pub(super) fn exists(&self, path: &str) -> bool {
        self.machine.file(path).symlink_metadata().is_ok()
    }

    pub(super) fn property(&self, name: &str) -> String {
        self.machine.property("tlsgate.service", name)
    }

    pub(super) fn is_active(&self) -> bool {
        self.property("ActiveState") == "active"
    }

    /// Permissions and group, as the machine knows it.
    pub(super) fn access(&self, path: &str) -> String {
        self.machine.run(&["stat", "--format=%U:%G %a", path])
    }

    /// What somebody who follows the head of the configuration sees.
    pub(super) fn first_page(&self, path: &str) -> String {
        let trust = Arc::new(trusting(&self.machine.file("/etc/tlsgate/localhost-ca.pem"), Tls::V13));
        let mut client = Client::silent(LISTENER, &trust, "localhost");
        client.handshake().unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost:8443\r\nConnection: close\r\n\r\n");
        client.send(request.as_bytes()).unwrap();
        String::from_utf8(client.read_to_end().0).unwrap()
    }

    /// Puts a pair into the folder of certificates, and has the listener lead to another backend.
    pub(super) fn configure(&self, pki: &Pki, backend: &Backend) {
        for file in fs::read_dir(pki.folder().join("certs")).unwrap().map(|file| file.unwrap().path()) {
            let place = self.machine.file("/etc/tlsgate/certs").join(file.file_name().unwrap());
            fs::copy(&file, &place).unwrap();
            fs::set_permissions(&place, PermissionsExt::from_mode(0o640)).unwrap();
        }
        self.machine.run(&["sh", "-c", "chgrp tlsgate /etc/tlsgate/certs/*.*"]);
        let text = fs::read_to_string(self.machine.file(CONFIG)).unwrap();
        let own = text.replace("servers = [\"127.0.0.1:9900\"]", &format!("servers = [\"{}\"]", backend.address));
        assert_ne!(own, text);
        self.write(CONFIG, &own);
        self.machine.run(&["tlsgate", "check", "--strict", "-c", CONFIG]);
        self.machine.run(&["systemctl", "reload", "tlsgate"]);
    }
}

/// Where the machine sees a package.
pub(super) fn inside(package: &Path) -> String {
    format!("/root/{}", package.file_name().unwrap().to_str().unwrap())
}

/// Runs a test with a host on a thread of its own, which stays in the network of the machine.
pub(super) fn with_host(system: &Path, packages: &[&Path], test: impl FnOnce(&Host) + Send) {
    thread::scope(|scope| scope.spawn(|| test(&Host::on(system, packages))).join().unwrap());
}
