//! hitch: one worker, no log. Its buffers cannot be set.

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::Path;

use nix::sys::signal::Signal;
use nix::unistd::geteuid;

use super::{Launch, Setting, printed};

pub(super) fn about(program: &Path) -> String {
    let version = printed(program, &["--version"]);
    let library = library(program).unwrap_or_else(|| "an unknown library".into());
    format!("{}; running on {library}", version.trim())
}

/// hitch does not print its crypto library, so its version is read from the library itself.
fn library(program: &Path) -> Option<String> {
    let loaded = printed(Path::new("ldd"), &[&program.display().to_string()]);
    let path = loaded.lines().find(|line| line.contains("libcrypto"))?.split_whitespace().nth(2)?;
    let bytes = fs::read(path).ok()?;
    let version = |rest: &[u8]| {
        let text = rest.strip_prefix(b"OpenSSL ").filter(|text| text.first().is_some_and(u8::is_ascii_digit))?;
        let text = text.iter().take_while(|byte| (b' '..=b'~').contains(byte)).copied().collect();
        String::from_utf8(text).ok()
    };
    (0..bytes.len()).find_map(|at| version(&bytes[at..])).map(|version| format!("OpenSSL {version}"))
}

pub(super) fn configure(program: &Path, setting: &Setting<'_>) -> io::Result<Launch> {
    let mut text = format!(
        "backend = \"[{}]:{}\"\nworkers = {}\nbacklog = 4096\ndaemon = off\nsyslog = off\nlog-level = 0\n\
         tls-protos = TLSv1.2 TLSv1.3\nciphers = \"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256\"\n\
         ciphersuites = \"TLS_AES_128_GCM_SHA256\"\necdh-curve = \"X25519:prime256v1\"\nocsp-dir = \"\"\n",
        setting.backend.ip(),
        setting.backend.port(),
        setting.workers
    );
    // It refuses to serve as root.
    if geteuid().is_root() {
        text.push_str("user = \"nobody\"\n");
    }
    let mut frontend = |address: std::net::SocketAddr, certificates: String| {
        let (host, port) = (address.ip(), address.port());
        let _ = write!(text, "frontend = {{\n  host = \"{host}\"\n  port = \"{port}\"\n{certificates}}}\n");
    };
    if let Some(many) = setting.many {
        frontend(setting.ecdsa, String::new());
        let _ = writeln!(text, "pem-dir = \"{}\"", many.combined.display());
    } else {
        for (address, pair) in [(setting.ecdsa, &setting.material.ecdsa), (setting.rsa, &setting.material.rsa)] {
            frontend(address, format!("  pem-file = \"{}\"\n", pair.combined.display()));
        }
    }
    let path = setting.folder.join("hitch.conf");
    fs::write(&path, &text)?;
    Ok(Launch {
        program: program.to_owned(),
        arguments: vec![format!("--config={}", path.display())],
        settings: text,
        passthrough: false,
        reload: Some(Signal::SIGHUP),
    })
}
