//! What the serving process has no right to once it is another user, and the monitor does for it. Needs root.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use crate::process::upgrade::Successor;
use crate::support::backend::Backend;
use crate::support::http::Door;
use crate::support::pki::Pki;
use crate::support::procfs::eventually;
use crate::support::proxy::Proxy;
use crate::support::stage::{Lines, certified, config};
use crate::support::tool;

/// A proxy that becomes the user nobody, in a folder that belongs to root.
struct Scene {
    pki: Pki,
    proxy: Proxy,
    text: String,
}

impl Scene {
    fn new() -> Self {
        assert!(rustix::process::geteuid().is_root(), "this test becomes another user, so it needs to be run as root");
        let (pki, backend) = (certified(), Backend::echo());
        let certificates = pki.folder().join("certs");
        let given = tool::run("chown", &["-R", "nobody", certificates.to_str().unwrap()], b"");
        assert!(given.status.success(), "{}", tool::shown(&given));
        fs::set_permissions(pki.folder(), fs::Permissions::from_mode(0o755)).unwrap();
        let top = "[admin]\nlisten=\"unix:admin.sock\"\n[process]\nuser = \"nobody\"\n";
        let text = config(&[backend.address], Lines { top, ..Lines::default() });
        let proxy = Proxy::start(pki.folder(), &text);
        assert_eq!(user(proxy.pid()), NOBODY);
        Self { pki, proxy, text }
    }

    fn door(&self) -> Door {
        Door::unix(self.pki.folder())
    }

    /// Listens on one more address.
    fn also(&self, address: &str) {
        let text = self.text.replace("\"127.0.0.1:0\"", &format!("[\"127.0.0.1:0\", {address:?}]"));
        fs::write(self.pki.folder().join("tlsgate.toml"), text).unwrap();
        let answer = self.door().ask("POST", "/api/v1/reload", &[], "");
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

/// Who a process is.
fn user(pid: impl std::fmt::Display) -> u32 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn a_reload_adds_a_port_that_only_root_may_listen_on() {
    let start = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap();
    let start: u16 = start.trim().parse().unwrap();
    let scene = Scene::new();
    let port = (1..start).rev().find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    let port = port.expect("no port is free that only root may listen on");
    scene.also(&format!("127.0.0.1:{port}"));
    TcpStream::connect(("127.0.0.1", port)).unwrap();
    // An upgrade takes it over, as another process that becomes nobody.
    let successor = Successor::of(&scene.proxy);
    assert_eq!(user(&successor.0), NOBODY);
    TcpStream::connect(("127.0.0.1", port)).unwrap();
}

/// Nobody may not make or remove a file in the folder.
#[test]
fn a_unix_socket_in_a_folder_of_root_comes_and_goes() {
    let mut scene = Scene::new();
    let (admin, more) = (scene.pki.folder().join("admin.sock"), scene.pki.folder().join("more.sock"));
    let owner = |path: &std::path::Path| fs::symlink_metadata(path).map(|is| is.uid()).ok();
    assert_eq!(owner(scene.pki.folder()), Some(0));
    assert_eq!(owner(&admin), Some(NOBODY));
    scene.also("unix:more.sock");
    assert_eq!(owner(&more), Some(NOBODY));
    // Handed over, the files stay; the one that has taken them over removes them.
    let before = fs::symlink_metadata(&admin).unwrap().ino();
    let successor = Successor::of(&scene.proxy);
    assert_eq!(scene.proxy.ended().code(), Some(0));
    assert_eq!(fs::symlink_metadata(&admin).unwrap().ino(), before);
    fs::write(scene.pki.folder().join("tlsgate.toml"), &scene.text).unwrap();
    assert_eq!(scene.door().ask("POST", "/api/v1/reload", &[], "").status, 200);
    eventually("the socket's file is gone", || owner(&more).is_none().then_some(()));
    super::signal("TERM", &successor.0);
    eventually("the admin server's file is gone", || owner(&admin).is_none().then_some(()));
}

/// Debian's, and that of other distributions.
const NOBODY: u32 = 65534;
