//! What every process uses of the system. Must not know: the configuration.

use std::env;
use std::path::PathBuf;

use crate::sandbox::plan::access::Access;

/// Paths that a process uses whatever its configuration is, and how. Those that do not exist are not used.
pub(super) fn paths() -> Vec<(PathBuf, Access)> {
    let read = READ
        .iter()
        .map(PathBuf::from)
        .chain(VARIABLES.iter().filter_map(env::var_os).flat_map(|list| env::split_paths(&list).collect::<Vec<_>>()));
    let read = read.chain(env::current_exe()).map(|path| (path, Access::Read));
    read.chain([("/dev/null".into(), Access::Change)]).collect()
}

/// What is made anew by the kernel when it was not used for a while: Landlock would not know it again. As long as a
/// descriptor of it is open, it stays.
pub(in crate::sandbox) const MADE_ANEW: &[&str] = &["/proc/self", "/sys/fs/cgroup"];

const READ: &[&str] = &[
    // How names are resolved.
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    // Public: the certificates of authorities, in the places of the distributions. Not /etc/ssl/private.
    "/etc/ssl/certs",
    "/etc/ssl/cert.pem",
    "/etc/ssl/openssl.cnf",
    "/etc/ca-certificates",
    "/etc/pki/ca-trust",
    "/etc/pki/tls/certs",
    "/etc/pki/tls/cert.pem",
    "/usr/lib/ssl/cert.pem",
    "/usr/local/share/ca-certificates",
    "/usr/share/ca-certificates",
    "/usr/share/pki",
    "/var/lib/ca-certificates",
    // The process itself, its limits, and the machine.
    "/proc/self",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/sys/net",
    "/proc/sys/vm",
    "/sys/devices/system/cpu",
    "/sys/fs/cgroup",
    "/sys/kernel/mm/transparent_hugepage",
    "/dev/urandom",
    "/dev/random",
    // Time zones.
    "/etc/localtime",
    "/usr/share/zoneinfo",
];

/// Where the certificates of authorities are, if it is not one of the above; and credentials from systemd.
const VARIABLES: &[&str] = &["SSL_CERT_FILE", "SSL_CERT_DIR", "CREDENTIALS_DIRECTORY"];
