//! stunnel: no log, no delay. Its buffers cannot be set.

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::Path;

use nix::sys::signal::Signal;

use super::{Launch, Setting, lines, printed};

pub(super) fn about(program: &Path) -> String {
    lines(&printed(program, &["-version"]), &["stunnel", "Compiled with", "Running  with"]).replace("  ", " ")
}

pub(super) fn configure(program: &Path, setting: &Setting<'_>) -> io::Result<Launch> {
    let mut text = String::from(
        "foreground = yes\npid =\nsyslog = no\ndebug = emerg\nsocket = l:TCP_NODELAY=1\nsocket = r:TCP_NODELAY=1\n\
         sslVersionMin = TLSv1.2\ncurves = X25519:P-256\nciphersuites = TLS_AES_128_GCM_SHA256\n\
         ciphers = ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256\nlibwrap = no\nsessionCacheSize = 20000\n",
    );
    let backend = setting.backend;
    let service = |name: &str, at: String, certificate: &Path, key: &Path| {
        let (certificate, key) = (certificate.display(), key.display());
        format!("\n[{name}]\n{at}\nconnect = {backend}\ncert = {certificate}\nkey = {key}\n")
    };
    if let Some(many) = setting.many {
        for (number, name) in many.names.iter().enumerate() {
            let at = if number == 0 {
                format!("accept = {}", setting.ecdsa)
            } else {
                format!("sni = {}:{name}", many.names[0])
            };
            let file = |extension| many.pairs.join(format!("{name}.{extension}"));
            text.push_str(&service(name, at, &file("crt"), &file("key")));
        }
    } else {
        for (name, address, pair) in
            [("ecdsa", setting.ecdsa, &setting.material.ecdsa), ("rsa", setting.rsa, &setting.material.rsa)]
        {
            let _ = write!(text, "{}", service(name, format!("accept = {address}"), &pair.certificate, &pair.key));
        }
    }
    let path = setting.folder.join("stunnel.conf");
    fs::write(&path, &text)?;
    Ok(Launch {
        program: program.to_owned(),
        arguments: vec![path.display().to_string()],
        settings: text,
        passthrough: false,
        reload: Some(Signal::SIGHUP),
    })
}
