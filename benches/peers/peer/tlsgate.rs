//! tlsgate: one worker, no access log.

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use super::{Launch, Setting, printed};
use crate::material::NAME;

/// tlsgate's own record layer, which is its default.
pub(super) const OWN: &str = "tlsgate";

pub(super) fn about(program: &Path) -> String {
    printed(program, &["version"]).trim().replace('\n', "; ")
}

pub(super) fn configure(program: &Path, setting: &Setting<'_>, record_layer: &str) -> io::Result<Launch> {
    let path = setting.folder.join("tlsgate.toml");
    // Keys that the measured program does not know yet are left out.
    let layers = if record_layer == OWN { vec![Some(record_layer), None] } else { vec![Some(record_layer)] };
    let mut refused = String::new();
    for passthrough in [true, false] {
        for &layer in &layers {
            let text = text(setting, layer, passthrough && setting.many.is_none());
            fs::write(&path, &text)?;
            let check = Command::new(program).args(["check", "-c"]).arg(&path).stdin(Stdio::null()).output()?;
            if check.status.success() {
                return Ok(Launch {
                    program: program.to_owned(),
                    arguments: vec!["run".into(), "-c".into(), path.display().to_string()],
                    settings: text,
                    passthrough,
                    reload: Some(Signal::SIGHUP),
                });
            }
            let printed = [check.stdout, check.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
            let fault = printed.lines().find_map(|line| line.split_once("error: "));
            refused = fault.map_or(printed.trim(), |(_, fault)| fault).to_owned();
        }
    }
    Err(io::Error::other(refused))
}

fn text(setting: &Setting<'_>, record_layer: Option<&str>, passthrough: bool) -> String {
    let mut text = format!("[log]\nlevel = \"warn\"\naccess = \"off\"\n\n[runtime]\nworkers = {}\n", setting.workers);
    if let Some(layer) = record_layer {
        let _ = writeln!(text, "record_layer = \"{layer}\"");
    }
    let mut listener = |name: &str, address, certificates: String| {
        let _ = write!(
            text,
            "\n[[listener]]\nname = \"{name}\"\nlisten = \"{address}\"\ncertificates = [{certificates}]\n\
             max_connections = 20000\nbackend = \"backend\"\n"
        );
    };
    if let Some(many) = setting.many {
        listener("ecdsa", setting.ecdsa, format!("\"{}\"", many.pairs.display()));
    } else {
        for (name, address, pair) in
            [("ecdsa", setting.ecdsa, &setting.material.ecdsa), ("rsa", setting.rsa, &setting.material.rsa)]
        {
            let (cert, key) = (pair.certificate.display(), pair.key.display());
            listener(name, address, format!("{{ cert = \"{cert}\", key = \"{key}\" }}"));
        }
    }
    if passthrough {
        let _ = write!(
            text,
            "\n[[listener]]\nname = \"passthrough\"\nlisten = \"{}\"\nmax_connections = 20000\n\n\
             [[listener.route]]\nserver_names = [\"{NAME}\"]\nmode = \"passthrough\"\nbackend = \"backend\"\n",
            setting.passthrough
        );
    }
    let _ = write!(text, "\n[backend.backend]\nservers = [\"{}\"]\n", setting.backend);
    text
}
