//! nginx's stream module: one worker, large buffers for bulk data, no log. With many certificates it finds each by
//! the server name when a client asks for it, which is the only way that this module has.

use std::fs;
use std::io;
use std::path::Path;

use nix::sys::signal::Signal;
use nix::unistd::geteuid;

use super::{Launch, Setting, Tuning, lines, printed};
use crate::material::NAME;

const MODULE: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";

pub(super) fn about(program: &Path) -> String {
    lines(&printed(program, &["-V"]), &["nginx version", "built with"])
}

pub(super) fn configure(program: &Path, setting: &Setting<'_>) -> io::Result<Launch> {
    let dynamic = printed(program, &["-V"]).contains("--with-stream=dynamic");
    if dynamic && !Path::new(MODULE).is_file() {
        return Err(io::Error::other("its stream module is missing: apt-get install libnginx-mod-stream"));
    }
    let path = setting.folder.join("nginx.conf");
    let text = text(setting, dynamic);
    fs::write(&path, &text)?;
    let folder = setting.folder.display().to_string();
    Ok(Launch {
        program: program.to_owned(),
        arguments: ["-e", "stderr", "-p", &folder, "-c", &path.display().to_string()].map(str::to_owned).to_vec(),
        settings: text,
        passthrough: true,
        reload: setting.many.map(|_| Signal::SIGHUP),
    })
}

fn text(setting: &Setting<'_>, dynamic: bool) -> String {
    let Setting { folder, ecdsa, rsa, passthrough, backend, material, workers, .. } = setting;
    let module = if dynamic { format!("load_module {MODULE};\n") } else { String::new() };
    // Workers read certificates themselves if the name decides which file is used.
    let user = if geteuid().is_root() { "user root;\n" } else { "" };
    let buffers = match setting.tuning {
        Tuning::Connections => "",
        Tuning::Bulk => "  proxy_buffer_size 256k;\n",
    };
    let mut text = format!(
        "{module}{user}daemon off;
worker_processes {workers};
pid {}/nginx.pid;
error_log stderr crit;
worker_rlimit_nofile 20000;
events {{ worker_connections 19000; accept_mutex off; multi_accept on; }}
stream {{
  access_log off;
{buffers}  tcp_nodelay on;
  proxy_timeout 1h;
  ssl_protocols TLSv1.2 TLSv1.3;
  ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256;
  ssl_ecdh_curve X25519:prime256v1;
  ssl_session_tickets on;
  ssl_session_timeout 1h;
",
        folder.display()
    );
    let server = |address, certificate: String, key: String| {
        format!(
            "  server {{\n    listen {address} ssl backlog=4096;\n    ssl_certificate {certificate};\n    \
             ssl_certificate_key {key};\n    proxy_pass {backend};\n  }}\n"
        )
    };
    if let Some(many) = setting.many {
        let file = |extension| format!("{}/$ssl_server_name.{extension}", many.pairs.display());
        text.push_str(&server(ecdsa, file("crt"), file("key")));
    } else {
        for (address, pair) in [(ecdsa, &material.ecdsa), (rsa, &material.rsa)] {
            text.push_str(&server(address, pair.certificate.display().to_string(), pair.key.display().to_string()));
        }
        text.push_str(&format!(
            "  map $ssl_preread_server_name $passed {{ {NAME} {backend}; }}
  server {{
    listen {passthrough} backlog=4096;
    ssl_preread on;
    proxy_pass $passed;
  }}
"
        ));
    }
    text + "}\n"
}
