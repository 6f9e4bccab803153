//! The package for Fedora and its like. There is none of them here: its scripts run on a machine with the files of this one, which
//! has rpm, and nothing of what it depends on is looked for.

use std::fs;
use std::path::{Path, PathBuf};

use super::host::{CONFIG, Host, inside, with_host};
use super::packaging;
use crate::support::proxy::PROGRAM;

fn rpm(folder: &Path, release: &str) -> PathBuf {
    packaging("rpm", &["--quick", PROGRAM, folder.to_str().unwrap(), "0.1.0", release]);
    let mut made = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    made.find(|path| path.to_str().unwrap().contains(&format!("-{release}."))).unwrap()
}

fn install(host: &Host, package: &Path) {
    host.manage(&["rpm", "--upgrade", "--nodeps", &inside(package)]);
}

#[test]
fn a_package_for_rpm_serves_as_installed_is_upgraded_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (rpm(folder.path(), "1"), rpm(folder.path(), "2"));
    with_host(Path::new("/"), &[&first, &second], |host| {
        install(host, &first);
        // Unlike Debian, these leave it to the administrator to start a service.
        assert!(!host.is_active());
        host.machine.run(&["systemctl", "start", "tlsgate"]);
        assert!(host.first_page("/readyz").starts_with("HTTP/1.1 200"), "{}", host.log());
        host.machine.run(&["tlsgate", "check", "--strict", "-c", CONFIG]);
        for (path, access) in [("/etc/tlsgate", "root:tlsgate 750"), (CONFIG, "root:tlsgate 640")] {
            assert_eq!(host.access(path), access, "{path}");
        }
        let own = fs::read_to_string(host.machine.file(CONFIG)).unwrap() + "# mine\n";
        host.write(CONFIG, &own);
        let before = host.property("MainPID");
        install(host, &second);
        let after = host.property("MainPID");
        assert!(after != before && after != "0", "{before}: {}", host.log());
        assert!(host.first_page("/readyz").starts_with("HTTP/1.1 200"));
        assert_eq!(fs::read_to_string(host.machine.file(CONFIG)).unwrap(), own);

        host.manage(&["rpm", "--erase", "tlsgate"]);
        assert_eq!(host.property("ActiveState"), "inactive", "{}", host.log());
        assert!(!host.exists("/usr/bin/tlsgate") && host.exists("/etc/tlsgate/certs"));
    });
}
