//! HAProxy: one thread, large buffers and pipes for bulk data, no log. With many certificates it has a master, since
//! only a master can reload it.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;

use super::{Launch, Setting, Tuning, lines, printed};
use crate::material::{Many, NAME};

pub(super) fn about(program: &Path) -> String {
    let text = printed(program, &["-vv"]);
    let version = text.lines().next().unwrap_or_default().trim_end_matches(" - https://haproxy.org/");
    let crypto = [
        "Built with OpenSSL version",
        "Running on OpenSSL version",
        // HAProxy 3.2 and newer, whatever the library is.
        "Built with SSL library version",
        "Running on SSL library version",
    ];
    format!("{version}; {}", lines(&text, &crypto))
}

pub(super) fn configure(program: &Path, setting: &Setting<'_>) -> io::Result<Launch> {
    let path = setting.folder.join("haproxy.cfg");
    let mut answer = String::new();
    // The second list is for a crypto library without the post-quantum group.
    for curves in ["X25519MLKEM768:X25519:P-256", "X25519:P-256"] {
        // A check with few certificates is enough; thousands would take it a long time.
        fs::write(&path, text(setting, None, curves))?;
        let check = Command::new(program).arg("-c").arg("-f").arg(&path).output()?;
        if check.status.success() {
            let text = text(setting, setting.many, curves);
            fs::write(&path, &text)?;
            let master = setting.many.map(|_| "-W".to_owned());
            return Ok(Launch {
                program: program.to_owned(),
                arguments: master.into_iter().chain(["-db".into(), "-f".into(), path.display().to_string()]).collect(),
                settings: text,
                passthrough: true,
                reload: setting.many.map(|_| Signal::SIGUSR2),
            });
        }
        answer = String::from_utf8_lossy(&check.stderr).into_owned();
    }
    Err(io::Error::other(answer))
}

fn text(setting: &Setting<'_>, many: Option<&Many>, curves: &str) -> String {
    let Setting { ecdsa, rsa, passthrough, backend, material, workers, .. } = setting;
    let buffers = match setting.tuning {
        Tuning::Connections => "",
        Tuning::Bulk => "  tune.bufsize 131072\n  tune.pipesize 524288\n",
    };
    let mut text = format!(
        "global
  nbthread {workers}
  maxconn 9500
  maxpipes 200
{buffers}  ssl-default-bind-options ssl-min-ver TLSv1.2
  ssl-default-bind-ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256
  ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256

defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  default_backend backend

backend backend
  option splice-request
  option splice-response
  server backend {backend}
"
    );
    let listen = |name: &str, address, crt: String| {
        format!("\nfrontend {name}\n  bind {address} ssl crt {crt} curves {curves}\n")
    };
    if let Some(many) = many {
        text.push_str(&listen("ecdsa", ecdsa, many.combined.display().to_string()));
        return text;
    }
    text.push_str(&listen("ecdsa", ecdsa, material.ecdsa.combined.display().to_string()));
    text.push_str(&listen("rsa", rsa, material.rsa.combined.display().to_string()));
    text.push_str(&format!(
        "
frontend passthrough
  bind {passthrough}
  option splice-request
  option splice-response
  tcp-request inspect-delay 5s
  tcp-request content accept if {{ req.ssl_hello_type 1 }}
  tcp-request content reject
  use_backend backend if {{ req.ssl_sni -i {NAME} }}
"
    ));
    text
}
