//! `tlsgate check`, and its report.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::proxy::PROGRAM;

/// The report of `check --format json` for a configuration.
pub(crate) struct Checked {
    pub(crate) ok: bool,
    pub(crate) errors: Vec<String>,
    pub(crate) warnings: Vec<String>,
    pub(crate) report: Value,
}

/// Writes `config` to `folder/tlsgate.toml` and checks it.
pub(crate) fn check(folder: &Path, config: &str) -> Checked {
    let path = folder.join("tlsgate.toml");
    std::fs::write(&path, config).unwrap();
    let output = Command::new(PROGRAM).args(["check", "--format", "json", "-c"]).arg(&path).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.success(), report["ok"] == true, "exit code and report differ");
    let texts = |list: &Value, text: fn(&Value) -> String| list.as_array().unwrap().iter().map(text).collect();
    Checked {
        ok: output.status.success(),
        errors: texts(&report["errors"], |error| {
            format!("{}: {}", error["path"].as_str().unwrap(), error["message"].as_str().unwrap())
        }),
        warnings: texts(&report["warnings"], |warning| warning.as_str().unwrap().to_owned()),
        report,
    }
}
