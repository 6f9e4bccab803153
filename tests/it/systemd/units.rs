//! The units in `config/systemd`, under a real systemd with all that they forbid.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use rustls::ClientConfig;

use super::machine::Machine;
use super::restarted::{Over, load};
use super::watchdog::{Held, thread_of};
use crate::sandbox::landlock;
use crate::support::backend::Backend;
use crate::support::client::{Client, Tls, trusting};
use crate::support::procfs::eventually;
use crate::support::proxy::PROGRAM;
use crate::support::stage::{NAME, certified};
use crate::support::tool;

fn unit(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/systemd").join(name);
    fs::read_to_string(path).unwrap()
}

/// A machine on which the shipped units are installed and started.
struct Service {
    machine: Machine,
    trust: Arc<ClientConfig>,
    backend: Backend,
}

impl Service {
    fn start() -> Self {
        let machine = Machine::start();
        // It is in the network of the machine, as is everything that this thread starts.
        let (pki, backend) = (certified(), Backend::echo());
        let trust = Arc::new(trusting(&pki.ca(), Tls::V13));
        let put = |from: &[u8], to: &str, mode: u32| {
            let path = machine.file(to);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, from).unwrap();
            fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        };
        put(&fs::read(PROGRAM).unwrap(), "/usr/local/bin/tlsgate", 0o755);
        put(unit("tlsgate.service").as_bytes(), "/etc/systemd/system/tlsgate.service", 0o644);
        put(unit("tlsgate.socket").as_bytes(), "/etc/systemd/system/tlsgate.socket", 0o644);
        put(unit("tlsgate.sysusers").as_bytes(), "/etc/sysusers.d/tlsgate.conf", 0o644);
        put(DROP_IN.as_bytes(), "/etc/systemd/system/tlsgate.service.d/test.conf", 0o644);
        put(b"a-token-of-enough-letters", "/etc/tlsgate-secrets/admin-token", 0o400);
        for file in fs::read_dir(pki.folder().join("certs")).unwrap().map(|file| file.unwrap().path()) {
            let name = file.file_name().unwrap().to_str().unwrap();
            put(&fs::read(&file).unwrap(), &format!("/etc/tlsgate/certs/{name}"), 0o640);
        }
        let service = Self { machine, trust, backend };
        service.configure("");
        service.machine.run(&["systemd-sysusers"]);
        service.machine.run(&["chgrp", "-R", "tlsgate", "/etc/tlsgate"]);
        service.machine.run(&["systemctl", "daemon-reload"]);
        let started = service.machine.output(&["systemctl", "start", "tlsgate.socket", "tlsgate.service"]);
        let log = || fs::read_to_string(service.machine.file("/run/tlsgate.log")).unwrap_or_default();
        assert!(started.status.success(), "{}\n{}", tool::shown(&started), log());
        service
    }

    /// Writes the configuration, with another listener's lines if they are not empty.
    fn configure(&self, more: &str) {
        let text = format!(
            "[admin]\nlisten = \"unix:/run/tlsgate/admin.sock\"\ntoken_file = \"credential:admin-token\"\n\
             [state]\ndirectory = \"/var/lib/tlsgate\"\n[log]\naccess = \"/var/log/tlsgate/access.log\"\n\
             [[listener]]\nname = \"ldaps\"\nlisten = \"systemd:ldaps\"\ncertificates = [\"certs\"]\nbackend = \"b\"\n{more}\n\
             [backend.b]\nservers = [\"{}\"]\n",
            self.backend.address
        );
        fs::write(self.machine.file("/etc/tlsgate/tlsgate.toml"), text).unwrap();
    }

    fn property(&self, name: &str) -> String {
        self.machine.property("tlsgate.service", name)
    }

    /// The main process, once it is another one than `before`.
    fn main_process(&self, before: &str) -> String {
        eventually("there is a main process", || {
            let pid = self.property("MainPID");
            (pid != before && pid != "0" && self.property("ActiveState") == "active").then_some(pid)
        })
    }

    fn serves(&self) {
        for address in ["127.0.0.1:636", "[::1]:636"] {
            self.serves_at(address.parse().unwrap());
        }
    }

    fn serves_at(&self, address: SocketAddr) {
        let mut client = Client::silent(address, &self.trust, NAME);
        client.handshake().unwrap();
        client.send(b"ping").unwrap();
        assert_eq!(client.read_exact(4), b"ping");
    }
}

/// Runs a test on a thread of its own, which stays in the network of the machine.
fn with_service(test: impl FnOnce(&Service) + Send) {
    thread::scope(|scope| scope.spawn(|| test(&Service::start())).join().unwrap());
}

#[test]
fn the_service_starts_reloads_upgrades_and_restarts_with_all_that_its_unit_forbids() {
    with_service(|service| {
        let machine = &service.machine;
        service.serves();
        let first = service.main_process("0");
        let status = fs::read_to_string(machine.file(&format!("/proc/{first}/status"))).unwrap();
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
        let user = machine.run(&["id", "--user", "tlsgate"]);
        assert_eq!(field("Uid:").split_whitespace().collect::<Vec<_>>(), vec![user.as_str(); 4]);
        // 2 is a filter of system calls.
        assert_eq!(field("CapEff:"), format!("{:016x}", 0));
        assert_eq!((&*field("NoNewPrivs:"), &*field("Seccomp:")), ("1", "2"));
        // The unit alone does as much: what tlsgate itself gives up comes on top, unless a kernel has no Landlock.
        let log = fs::read_to_string(machine.file("/run/tlsgate.log")).unwrap();
        let given = log.lines().find(|line| line.contains("rights given up: ")).unwrap_or_else(|| panic!("{log}"));
        let files = if landlock() > 0 { "files: Landlock " } else { "files: all" };
        assert!(given.contains(files) && given.contains("system calls: seccomp"), "{given}");
        // A port below 1024 that the monitor, which keeps the right to it, binds once it is asked to.
        service.configure(
            "[[listener]]\nname = \"more\"\nlisten = \"127.0.0.1:637\"\ncertificates = [\"certs\"]\nbackend = \"b\"",
        );
        machine.run(&["systemctl", "reload", "tlsgate"]);
        let own: SocketAddr = "127.0.0.1:637".parse().unwrap();
        eventually("the reload is done", || {
            service.property("StatusText").starts_with("listening on 3 ").then_some(())
        });
        service.serves_at(own);
        machine.run(&["systemctl", "kill", "--kill-whom=main", "--signal=USR2", "tlsgate"]);
        let second = service.main_process(&first);
        service.serves_at(own);
        service.serves();
        // The one before has ended, and systemd follows the new one: this is not a restart.
        eventually("the old one has ended", || (!machine.file(&format!("/proc/{first}")).exists()).then_some(()));
        assert_eq!((service.property("NRestarts"), service.main_process("0")), ("0".to_owned(), second.clone()));
        machine.run(&["systemctl", "reload", "tlsgate"]);
        // Killed, it is started again.
        machine.run(&["systemctl", "kill", "--kill-whom=main", "--signal=KILL", "tlsgate"]);
        service.main_process(&second);
        assert_eq!(service.property("NRestarts"), "1");
        service.serves();
        machine.run(&["systemctl", "stop", "tlsgate.socket", "tlsgate.service"]);
        assert_eq!(
            (service.property("ActiveState"), service.property("Result")),
            ("inactive".into(), "success".into())
        );
        assert!(machine.file("/var/log/tlsgate/access.log").exists());
    });
}

#[test]
fn systemd_restarts_a_service_in_which_a_worker_hangs() {
    with_service(|service| {
        let first = service.main_process("0");
        let held = Held::of(thread_of(service.machine.outside(&first), "worker-0"));
        // A process with a thread that is traced ends when its tracer has seen the thread end.
        thread::scope(|scope| {
            let second = eventually("there is another main process", || {
                held.has_ended();
                let pid = service.property("MainPID");
                (pid != first && pid != "0").then_some(pid)
            });
            assert_ne!(second, first);
            scope.spawn(|| service.serves()).join().unwrap();
        });
        assert_eq!(service.property("NRestarts"), "1");
    });
}

#[test]
fn no_connection_fails_while_systemd_restarts_the_service() {
    with_service(|service| {
        let (done, served) = (AtomicBool::new(false), AtomicU64::new(0));
        thread::scope(|scope| {
            let _over = Over(&done);
            for address in ["127.0.0.1:636", "[::1]:636"] {
                let (trust, done, served) = (&service.trust, &done, &served);
                scope.spawn(move || load(address.parse().unwrap(), trust, 1, done, served));
            }
            for _ in 0..3 {
                let seen = served.load(Ordering::Relaxed);
                service.machine.run(&["systemctl", "restart", "tlsgate"]);
                eventually("it serves", || (served.load(Ordering::Relaxed) > seen + 4).then_some(()));
            }
        });
    });
}

#[test]
fn the_units_are_valid_and_leave_little_exposed() {
    with_service(|service| {
        service.machine.run(&["systemd-analyze", "verify", "tlsgate.service", "tlsgate.socket"]);
        // In tenths: 2.0 of 10.
        let unit = "/etc/systemd/system/tlsgate.service";
        service.machine.run(&["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", unit]);
    });
}

/// For a test a hang is noticed sooner. The machine has no journal.
const DROP_IN: &str = "[Service]\nWatchdogSec=5s\nStandardError=append:/run/tlsgate.log\n\
                       LoadCredential=admin-token:/etc/tlsgate-secrets/admin-token\n";
