//! Code that an attacker has brought into the process finds nothing to use.

use std::fs;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::process::{Child, Command, Stdio};

use serde_json::json;

use super::{Scene, landlock};
use crate::support::attacker::{Call, assert_each, bytes, fails, result, text, threads, works};
use crate::support::client::{Client, Tls, trusting};

/// Another process of this machine, which nobody may touch.
struct Victim(Child);

impl Victim {
    fn new() -> Self {
        Self(Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_compromised_process_can_use_nothing_but_what_it_needs() {
    let version = landlock();
    assert!(version > 0, "this kernel has no Landlock: a kernel that has it is needed here (Linux 5.13)");
    let scene = Scene::new("[log]\naccess = \"../logs/access.log\"\n", &["certs"]);
    let outside = tempfile::tempdir().unwrap();
    fs::set_permissions(outside.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let secret = outside.path().join("secret");
    fs::write(&secret, "readable for everyone").unwrap();
    let victim = Victim::new();
    let abstract_name = format!("tlsgate-test-{}", scene.proxy.pid());
    let address = SocketAddr::from_abstract_name(&abstract_name).unwrap();
    let _listener = UnixListener::bind_addr(&address).unwrap();

    let mut calls = files(&scene, secret.to_str().unwrap(), outside.path().to_str().unwrap());
    calls.extend(sockets(&scene, &abstract_name, version));
    calls.extend(processes(i64::from(victim.0.id()), i64::from(scene.proxy.pid())));
    calls.extend(kernel());
    for thread in threads(scene.proxy.pid()) {
        assert_each(&calls, thread);
    }
    // It still serves, as if nothing had happened.
    let config = trusting(&scene.pki.ca(), Tls::V13).into();
    Client::silent(scene.proxy.address("main"), &config, "certs.test").handshake().unwrap();
    assert_eq!(scene.door().get("/livez").status, 200);
}

fn files(scene: &Scene, secret: &str, folder: &str) -> Vec<Call> {
    let open = |path: &str, flags: i32| json!([libc::AT_FDCWD, text(path), flags, 0o600]);
    let own = |below: &str| scene.path(below).to_str().unwrap().to_owned();
    vec![
        works("read a certificate", libc::SYS_openat, open(&own("certs/a.crt"), libc::O_RDONLY)),
        works("append to the log", libc::SYS_openat, open(&own("logs/new.log"), libc::O_CREAT | libc::O_WRONLY)),
        fails(
            libc::EPERM,
            "make a file that runs with the rights of its owner",
            libc::SYS_openat,
            json!([libc::AT_FDCWD, text(&own("logs/set.log")), libc::O_CREAT | libc::O_WRONLY, 0o4755]),
        ),
        works(
            "close the log to others",
            libc::SYS_fchmodat,
            json!([libc::AT_FDCWD, text(&own("logs/new.log")), 0o600]),
        ),
        fails(
            libc::EPERM,
            "let others run it with the rights of its owner",
            libc::SYS_fchmodat,
            json!([libc::AT_FDCWD, text(&own("logs/new.log")), 0o4755]),
        ),
        fails(libc::EACCES, "read a file outside", libc::SYS_openat, open(secret, libc::O_RDONLY)),
        fails(libc::EACCES, "read a folder outside", libc::SYS_openat, open(folder, libc::O_RDONLY)),
        fails(
            libc::EACCES,
            "make a file outside",
            libc::SYS_openat,
            open(&format!("{folder}/x"), libc::O_CREAT | libc::O_WRONLY),
        ),
        fails(libc::EACCES, "read the users", libc::SYS_openat, open("/etc/passwd", libc::O_RDONLY)),
        fails(libc::EACCES, "read the passwords", libc::SYS_openat, open("/etc/shadow", libc::O_RDONLY)),
        fails(
            libc::EACCES,
            "write the configuration",
            libc::SYS_openat,
            open(&own("conf/tlsgate.toml"), libc::O_WRONLY),
        ),
        fails(libc::EACCES, "read the log", libc::SYS_openat, open(&own("logs/access.log"), libc::O_RDONLY)),
        fails(libc::EACCES, "memory of another process", libc::SYS_openat, open("/proc/1/maps", libc::O_RDONLY)),
        fails(libc::EACCES, "remove a file outside", libc::SYS_unlinkat, json!([libc::AT_FDCWD, text(secret), 0])),
    ]
}

fn sockets(scene: &Scene, abstract_name: &str, version: u64) -> Vec<Call> {
    let internet = |port: u16| {
        let mut address = libc::AF_INET.to_le_bytes()[..2].to_vec();
        address.extend(port.to_be_bytes());
        address.extend([127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        bytes(&address)
    };
    let mut unix = libc::AF_UNIX.to_le_bytes()[..2].to_vec();
    unix.push(0);
    unix.extend(abstract_name.as_bytes());
    let backend = internet(scene.backend.address.port());
    let mut calls = vec![
        works("a socket", libc::SYS_socket, json!([libc::AF_INET, libc::SOCK_STREAM, 0])),
        fails(libc::EPERM, "listen", libc::SYS_listen, json!([result("a socket"), 1])),
        works("another socket", libc::SYS_socket, json!([libc::AF_INET, libc::SOCK_STREAM, 0])),
        works("connect", libc::SYS_connect, json!([result("another socket"), backend, 16])),
        works("a Unix socket", libc::SYS_socket, json!([libc::AF_UNIX, libc::SOCK_STREAM, 0])),
        fails(libc::EPERM, "netlink", libc::SYS_socket, json!([libc::AF_NETLINK, libc::SOCK_RAW, 0])),
        fails(libc::EPERM, "packets", libc::SYS_socket, json!([libc::AF_PACKET, libc::SOCK_RAW, 0])),
        fails(libc::EPERM, "keys of the kernel", libc::SYS_socket, json!([libc::AF_ALG, libc::SOCK_SEQPACKET, 0])),
    ];
    if version >= 4 {
        calls.push(fails(libc::EACCES, "bind", libc::SYS_bind, json!([result("a socket"), internet(0), 16])));
    }
    if version >= 6 {
        let connect = json!([result("a Unix socket"), bytes(&unix), unix.len()]);
        calls.push(fails(libc::EPERM, "an abstract Unix socket", libc::SYS_connect, connect));
    }
    calls
}

fn processes(victim: i64, own: i64) -> Vec<Call> {
    let program = text("/bin/true");
    vec![
        fails(libc::EPERM, "fork", libc::SYS_clone, json!([libc::SIGCHLD, 0, 0, 0, 0])),
        fails(
            libc::EPERM,
            "vfork",
            libc::SYS_clone,
            json!([libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD, 0, 0, 0, 0]),
        ),
        fails(libc::ENOSYS, "clone3", libc::SYS_clone3, json!([0, 0])),
        fails(libc::EPERM, "execute", libc::SYS_execve, json!([program, 0, 0])),
        fails(libc::EPERM, "execute at", libc::SYS_execveat, json!([libc::AT_FDCWD, program, 0, 0, 0])),
        fails(libc::EPERM, "kill", libc::SYS_kill, json!([victim, libc::SIGKILL])),
        fails(libc::EPERM, "kill a thread", libc::SYS_tgkill, json!([victim, victim, libc::SIGKILL])),
        works("signal itself", libc::SYS_tgkill, json!([own, own, 0])),
        fails(libc::ENOSYS, "pidfd", libc::SYS_pidfd_open, json!([victim, 0])),
        fails(libc::EPERM, "trace", libc::SYS_ptrace, json!([libc::PTRACE_ATTACH, victim, 0, 0])),
        fails(libc::EPERM, "read memory", libc::SYS_process_vm_readv, json!([victim, 0, 0, 0, 0, 0])),
        fails(libc::EPERM, "write memory", libc::SYS_process_vm_writev, json!([victim, 0, 0, 0, 0, 0])),
        fails(
            libc::EPERM,
            "limits of another process",
            libc::SYS_prlimit64,
            json!([victim, libc::RLIMIT_NOFILE, 0, 0]),
        ),
    ]
}

fn kernel() -> Vec<Call> {
    let map = |rights: i32| json!([0, 4096, rights, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0]);
    vec![
        works("memory", libc::SYS_mmap, map(libc::PROT_READ | libc::PROT_WRITE)),
        fails(libc::EPERM, "memory with code", libc::SYS_mmap, map(libc::PROT_READ | libc::PROT_EXEC)),
        fails(libc::EPERM, "code in memory", libc::SYS_mprotect, json!([result("memory"), 4096, libc::PROT_EXEC])),
        fails(libc::EPERM, "a file in memory", libc::SYS_memfd_create, json!([text("x"), 0])),
        fails(libc::EPERM, "user", libc::SYS_setresuid, json!([0, 0, 0])),
        fails(libc::EPERM, "capabilities", libc::SYS_capset, json!([0, 0])),
        fails(libc::EPERM, "visible memory", libc::SYS_prctl, json!([libc::PR_SET_DUMPABLE, 1, 0, 0, 0])),
        fails(libc::EPERM, "namespaces", libc::SYS_unshare, json!([libc::CLONE_NEWUSER])),
        fails(libc::EPERM, "a namespace", libc::SYS_setns, json!([0, 0])),
        fails(libc::EPERM, "mount", libc::SYS_mount, json!([0, 0, 0, 0, 0])),
        fails(libc::EPERM, "chroot", libc::SYS_chroot, json!([text("/")])),
        fails(libc::EPERM, "bpf", libc::SYS_bpf, json!([0, 0, 0])),
        fails(libc::EPERM, "io_uring", libc::SYS_io_uring_setup, json!([1, 0])),
        fails(libc::EPERM, "userfaultfd", libc::SYS_userfaultfd, json!([0])),
        fails(libc::EPERM, "perf", libc::SYS_perf_event_open, json!([0, 0, -1, -1, 0])),
        fails(libc::EPERM, "keys", libc::SYS_keyctl, json!([0, 0, 0, 0, 0])),
        fails(libc::EPERM, "personality", libc::SYS_personality, json!([0])),
        fails(libc::EPERM, "modules", libc::SYS_init_module, json!([0, 0, 0])),
        fails(libc::EPERM, "terminal", libc::SYS_ioctl, json!([0, libc::TIOCSTI, 0])),
        fails(libc::ENOSYS, "a call of the future", 9999, json!([])),
    ]
}
