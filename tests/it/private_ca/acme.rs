//! Other private authorities that speak ACME, configured as the document has them: tlsgate gets certificates from each, and
//! serves them. The names are shown to be the client's by records in the DNS (dns-01), of pebble's name server.

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};

use super::Ca;
use super::document::blocks;
use crate::routes::{answers_once, s_client};
use crate::support::check::check;
use crate::support::procfs::eventually;
use crate::support::proxy::Proxy;
use crate::support::tool::{self, shown};

/// A loopback address of this test's own, so that every port on it is free.
fn own_address() -> Ipv4Addr {
    static LAST: AtomicU8 = AtomicU8::new(0);
    let [.., high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 128 + high % 64, low, LAST.fetch_add(1, Ordering::Relaxed) + 1)
}

/// The only block of that language in the document.
fn block(language: &str) -> String {
    let mut found = blocks().into_iter().filter(|(of, _)| of == language);
    let (_, text) = found.next().unwrap();
    assert!(found.next().is_none(), "several blocks of {language}");
    text
}

/// A program that runs until it is dropped.
struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    fn start(mut command: Command, folder: &Path, name: &str) -> Self {
        let log = folder.join(format!("{name}.log"));
        let (out, err) = (File::create(&log).unwrap(), File::options().append(true).open(&log).unwrap());
        // Nothing is read or written in the home of whoever runs the tests.
        command.current_dir(folder).env("HOME", folder).env("XDG_DATA_HOME", folder.join("data"));
        let child = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn();
        Self { child: child.unwrap_or_else(|error| panic!("{name}: {error}; tests/run installs it")), log }
    }

    /// Waits until `ready` finds something; shows the log if the program ends.
    fn until<T>(&mut self, mut ready: impl FnMut() -> Option<T>) -> T {
        eventually(&format!("{} shows that it is ready", self.log.display()), || {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("it has ended ({status}):\n{}", fs::read_to_string(&self.log).unwrap());
            }
            ready()
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The status of an HTTPS request, verified with this root.
fn status(url: &str, root: &Path) -> Option<u16> {
    let arguments =
        ["-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "10", "--cacert", root.to_str().unwrap(), url];
    let output = tool::run("curl", &arguments, b"");
    String::from_utf8(output.stdout).unwrap().parse().ok().filter(|status| *status != 0)
}

/// pebble's name server.
fn dns(folder: &Path, address: Ipv4Addr) -> Running {
    let mut command = Command::new("pebble-challtestsrv");
    command.args(["-dns01", &format!("{address}:8053"), "-management", &format!("{address}:8055")]);
    command.args(["-http01", "", "-https01", "", "-tlsalpn01", ""]);
    let mut running = Running::start(command, folder, "dns");
    let management = format!("{address}:8055");
    running.until(|| std::net::TcpStream::connect(&management).ok());
    running
}

/// A program that publishes records in the name server, as the document has it.
fn hook(folder: &Path, address: Ipv4Addr) -> PathBuf {
    let hook = folder.join("hook");
    let text = format!(
        "#!/bin/sh\ncase $1 in present) what=set-txt ;; *) what=clear-txt ;; esac\n\
         exec curl -s --fail -d \"{{\\\"host\\\": \\\"$2\\\", \\\"value\\\": \\\"$3\\\"}}\" http://{address}:8055/$what\n"
    );
    fs::write(&hook, text).unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    hook
}

/// The document's configuration for this authority, with other places.
fn configuration(folder: &Path, address: Ipv4Addr, authority: &str, replaced: &[(&str, &str)]) -> String {
    let wanted = format!("[acme.{authority}]");
    let mut found = blocks().into_iter().filter(|(language, text)| language == "toml" && text.contains(&wanted));
    let (_, mut text) = found.next().unwrap();
    let (state, hook) = (folder.join("state"), hook(folder, address));
    let own = [("/var/lib/tlsgate", state.to_str().unwrap()), ("/usr/local/bin/publish", hook.to_str().unwrap())];
    for (old, new) in own.iter().chain(replaced) {
        assert!(text.contains(old), "{old} is not in {text}");
        text = text.replace(old, new);
    }
    let checked = check(folder, &text);
    assert!(checked.ok && checked.warnings.is_empty(), "{:?} {:?}", checked.errors, checked.warnings);
    format!("[resolver]\nnameservers = [\"{address}:8053\"]\n{text}")
}

/// tlsgate gets an ECDSA and an RSA certificate, and serves each to the client that can verify it and trusts the root.
fn keeps(folder: &Path, text: &str, root: &Path, name: &str) {
    let backend = answers_once();
    let text = text.replace("10.0.0.5:389", &backend.address.to_string()).replace("127.0.0.1:8443", "127.0.0.1:0");
    let proxy = Proxy::start(folder, &text);
    for schemes in ["ECDSA+SHA256:ECDSA+SHA384", "RSA-PSS+SHA256:RSA+SHA256"] {
        let verified = ["-verify_return_error", "-verify_hostname", name, "-sigalgs", schemes];
        eventually(schemes, || {
            s_client(proxy.address("ldaps"), Some(name), root, &verified).contains("hello\n").then_some(())
        });
    }
}

#[test]
fn caddy_is_an_authority_for_others() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, address) = (folder.path(), own_address());
    let _dns = dns(folder, address);
    let text =
        block("caddyfile").replace("https://localhost:9443 {", &format!("https://{address}:9443 {{\n\tbind {address}"));
    fs::write(folder.join("Caddyfile"), text.replace("127.0.0.1:53", &format!("{address}:8053"))).unwrap();
    let mut command = Command::new(tool::from_pypi("caddy"));
    command.args(["run", "--config", "Caddyfile"]);
    let mut caddy = Running::start(command, folder, "caddy");
    let root = folder.join("data/caddy/pki/authorities/local/root.crt");
    let directory = format!("https://{address}:9443/acme/local/directory");
    caddy.until(|| root.exists().then(|| status(&directory, &root)).flatten().filter(|status| *status == 200));
    let own = [("localhost:9443", &*format!("{address}:9443")), ("/var/lib/caddy/root.crt", root.to_str().unwrap())];
    keeps(folder, &configuration(folder, address, "caddy", &own), &root, "web.internal");
}

#[test]
fn openbao_is_an_authority_for_others_with_a_certificate_from_this_one() {
    let ca = Ca::new(&["--permit", "internal", "--permit", "127.0.0.0/8"]);
    let (folder, address) = (ca.folder.path(), own_address());
    let _dns = dns(folder, address);
    ca.does(&["issue", "ca", "openbao.internal", &format!("ip:{address}"), "--out", "openbao"]);
    symlink("openbao/openbao.internal.ecdsa-p256/tls.crt", folder.join("openbao.crt")).unwrap();
    symlink("openbao/openbao.internal.ecdsa-p256/tls.key", folder.join("openbao.key")).unwrap();
    fs::create_dir(folder.join("data")).unwrap();
    fs::write(folder.join("openbao.hcl"), block("hcl").replace("127.0.0.1", &address.to_string())).unwrap();
    let bao = tool::from_pypi("bao");
    let mut command = Command::new(&bao);
    command.args(["server", "-config", "openbao.hcl"]);
    let mut server = Running::start(command, folder, "openbao");
    let root = ca.path("ca/ca.pem");
    let health = format!("https://{address}:8200/v1/sys/health");
    // 501: not initialized; 200: the active node.
    server.until(|| status(&health, &root).filter(|status| *status == 501));
    let own = format!("BAO_ADDR=https://{address}:8200");
    let (trust, home) = (format!("BAO_CACERT={}", root.display()), format!("HOME={}", folder.display()));
    let run = |more: &[&str]| {
        let output = tool::run("env", &[&["-C", folder.to_str().unwrap(), &own, &trust, &home], more].concat(), b"");
        assert!(output.status.success(), "{}", shown(&output));
        output.stdout
    };
    let program = bao.to_str().unwrap();
    let made = run(&[program, "operator", "init", "-key-shares=1", "-key-threshold=1", "-format=json"]);
    let made: serde_json::Value = serde_json::from_slice(&made).unwrap();
    run(&[program, "operator", "unseal", made["unseal_keys_b64"][0].as_str().unwrap()]);
    server.until(|| status(&health, &root).filter(|status| *status == 200));
    let text = block("bash").replace("127.0.0.1:8200", &format!("{address}:8200"));
    let text = text.replace("127.0.0.1:53", &format!("{address}:8053"));
    let token = format!("BAO_TOKEN={}", made["root_token"].as_str().unwrap());
    let path = format!("PATH={}:{}", bao.parent().unwrap().display(), std::env::var("PATH").unwrap());
    run(&[&token, &path, "bash", "-euo", "pipefail", "-c", &text]);
    let own = [("127.0.0.1:8200", &*format!("{address}:8200"))];
    keeps(folder, &configuration(folder, address, "openbao", &own), &ca.path("root.pem"), "db.internal");
}
