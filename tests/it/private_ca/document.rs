//! `docs/private-ca.md`: every command in it is run, in its order, and every configuration is used.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::Path;

use tempfile::TempDir;

use crate::documents::blocks;
use crate::routes::{answers_once, s_client};
use crate::support::nginx::Nginx;
use crate::support::procfs::eventually;
use crate::support::proxy::{PROGRAM, Proxy};
use crate::support::tool::{self, shown};

/// The blocks of the document: their language and text.
pub(super) fn blocks() -> Vec<(String, String)> {
    blocks::of("docs/private-ca.md").into_iter().map(|block| (block.language, block.text)).collect()
}

/// Where the document's addresses are in the test.
struct Scene {
    folder: TempDir,
    directory: SocketAddr,
    web: Option<Nginx>,
    proxy: Option<Proxy>,
}

impl Scene {
    fn sh(&self, text: &str) {
        let address = self.proxy.as_ref().map(|proxy| proxy.address("ldaps").to_string());
        let text = text.replace(LISTEN, address.as_deref().unwrap_or(LISTEN));
        let path = format!("{}:{}", self.folder.path().join("bin").display(), std::env::var("PATH").unwrap());
        let script = format!("set -euo pipefail\ncd \"$1\"\nexport PATH=\"$2\"\n{text}");
        let folder = self.folder.path().to_str().unwrap();
        let output = tool::run("bash", &["-c", &script, "bash", folder, &path], b"");
        assert!(output.status.success(), "{text}\n{}", shown(&output));
    }

    fn toml(&mut self, text: &str) {
        let (certificate, key) = (self.path("web.crt"), self.path("web.key"));
        if text.contains(WEB) && self.web.is_none() {
            self.web = Some(Nginx::start_tls(&certificate, &key));
        }
        let web = self.web.as_ref().map(|web| web.address.to_string());
        let text = text.replace(LISTEN, "127.0.0.1:0").replace(DIRECTORY, &self.directory.to_string());
        let text = text.replace(WEB, web.as_deref().unwrap_or(WEB));
        self.proxy = None;
        self.proxy = Some(Proxy::start(self.folder.path(), &text));
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// What OpenSSL's client shows if it presents that client's certificate.
    fn client(&self, name: &str) -> String {
        let pair = self.path(&format!("clients/{name}.ecdsa-p256"));
        let [chain, key] = ["tls.crt", "tls.key"].map(|file| pair.join(file).to_str().unwrap().to_owned());
        let address = self.proxy.as_ref().unwrap().address("ldaps");
        let more = ["-cert", &chain, "-cert_chain", &chain, "-key", &key];
        s_client(address, Some("ldap.internal"), &self.path("ca/ca.pem"), &more)
    }

    fn is_served(&self, name: &str) -> bool {
        self.client(name).contains("hello\n")
    }
}

#[test]
pub(crate) fn every_command_of_the_document_does_what_the_document_says() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("bin")).unwrap();
    symlink(Path::new(PROGRAM), folder.path().join("bin/tlsgate")).unwrap();
    let backend = answers_once();
    let mut scene = Scene { folder, directory: backend.address, web: None, proxy: None };
    let (mut commands, mut configurations, mut looked) = (0, 0, 0);
    for (language, text) in blocks() {
        match &*language {
            "sh" => {
                scene.sh(&text);
                commands += text.lines().filter(|line| !line.starts_with(' ')).count();
                if text.contains("ca revoke ca clients/bob") {
                    eventually("bob is refused", || scene.client("bob").contains("alert number 44").then_some(()));
                    assert!(scene.is_served("alice"));
                    looked += 1;
                }
            }
            // Those need an authority of another program, and have a test of their own.
            "toml" if text.contains("[acme.") => {}
            "toml" => {
                scene.toml(&text);
                configurations += 1;
                if text.contains("client_auth") {
                    assert!(scene.is_served("alice") && scene.is_served("bob"), "{}", scene.client("bob"));
                    looked += 1;
                }
            }
            // So have those of other programs.
            "caddyfile" | "hcl" | "bash" => {}
            other => panic!("a block of language {other:?}"),
        }
    }
    assert!(commands > 20 && configurations == 3 && looked == 2, "{commands} {configurations} {looked}");
}

// As the document writes them.
const LISTEN: &str = "127.0.0.1:8443";
const DIRECTORY: &str = "10.0.0.5:389";
const WEB: &str = "10.0.0.6:443";
