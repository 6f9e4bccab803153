//! `tlsgate ca`: what it issues is judged by OpenSSL, GnuTLS and tlsgate itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::proxy::PROGRAM;
use crate::support::tool::{self, shown};

mod acme;
pub(crate) mod document;
mod folder;
mod issued;
mod keys;
mod requests;
mod revoked;

/// A folder with an authority in `ca`.
struct Ca {
    folder: TempDir,
}

impl Ca {
    fn new(options: &[&str]) -> Self {
        let ca = Self { folder: TempDir::new().unwrap() };
        ca.does(&[&["new", "ca"], options].concat());
        ca
    }

    /// Runs `tlsgate ca` in the folder.
    fn run(&self, arguments: &[&str]) -> Output {
        run(self.folder.path(), arguments)
    }

    /// The same; it must succeed. Returns what it printed.
    fn does(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", shown(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The same; it must fail with code 1. Returns its error.
    fn refuses(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", shown(&output));
        String::from_utf8(output.stderr).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Issues a certificate into `certs`, and returns its file.
    fn issue(&self, name: &str, options: &[&str]) -> PathBuf {
        let printed = self.does(&[&["issue", "ca", name, "--out", "certs"], options].concat());
        self.path(printed.split_once(": ").unwrap().0).join("tls.crt")
    }

    /// The records of `ca list` but for the issuing certificates.
    fn list(&self) -> Vec<Value> {
        self.all().into_iter().filter(|record| record["role"] != "issuing").collect()
    }

    fn all(&self) -> Vec<Value> {
        let report: Value = serde_json::from_str(&self.does(&["list", "ca", "--format", "json"])).unwrap();
        assert_eq!(report["errors"], serde_json::json!([]));
        report["certificates"].as_array().unwrap().clone()
    }

    /// Makes a key and a request with OpenSSL.
    fn request(&self, stem: &str, options: &[&str]) -> PathBuf {
        let (key, request) = (self.text(&format!("{stem}.key")), self.text(&format!("{stem}.csr")));
        let mut arguments = vec!["req", "-new", "-noenc", "-keyout", &key, "-out", &request];
        if !options.contains(&"-newkey") {
            arguments.extend(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
        }
        arguments.extend(options);
        let output = tool::run("openssl", &arguments, b"");
        assert!(output.status.success(), "{}", shown(&output));
        request.into()
    }
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(PROGRAM).arg("ca").args(arguments).current_dir(folder).output().unwrap()
}

/// Whether OpenSSL accepts the certificate in a file of a chain.
fn openssl_verifies(root: &Path, chain: &Path, more: &[&str]) -> bool {
    let (root, chain) = (root.to_str().unwrap(), chain.to_str().unwrap());
    let arguments = [&["verify", "-x509_strict", "-CAfile", root, "-untrusted", chain], more, &[chain]].concat();
    tool::run("openssl", &arguments, b"").status.success()
}

/// The same for GnuTLS.
fn gnutls_verifies(root: &Path, chain: &Path, more: &[&str]) -> bool {
    let arguments = [&["--verify", "--load-ca-certificate", root.to_str().unwrap()], more].concat();
    tool::run("certtool", &arguments, &fs::read(chain).unwrap()).status.success()
}
