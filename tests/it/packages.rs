//! The packages and the image, made out of the program under test by the scripts in `packaging`. The program of a package that is
//! published is another one only in how it was compiled.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::proxy::PROGRAM;
use crate::support::tool;

mod deb;
mod host;
mod image;
mod rpm;

/// Runs a script in `packaging`, which has to succeed.
fn packaging(script: &str, arguments: &[&str]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging").join(script);
    let output = tool::run_for(Duration::from_secs(300), path.to_str().unwrap(), arguments, b"");
    assert!(output.status.success(), "{script}: {}", tool::shown(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// A package for Debian, of that version.
fn deb(folder: &Path, version: &str) -> PathBuf {
    packaging("deb", &["--quick", PROGRAM, folder.to_str().unwrap(), version]);
    let mut made = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    made.find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(&format!("tlsgate_{version}_"))).unwrap()
}
