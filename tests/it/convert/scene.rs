//! One configuration, run by its own program and, converted, by tlsgate: what is observed of both has to be the same. Must not
//! know: what is observed.

use std::fmt::Debug;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use super::peers::{Peer, free};
use crate::support::backend::Backend;
use crate::support::pki::{Extra, Key, Pki, write_private};
use crate::support::proxy::{PROGRAM, Proxy};
use crate::support::tool;

/// Certificates, a backend, and what stands for them in texts.
pub(crate) struct Scene {
    pub(crate) pki: Pki,
    pub(crate) backend: Backend,
    /// Where the program listens: `ADDRESS` and `OTHER`.
    addresses: [SocketAddr; 2],
    /// Words of texts, each with what is put in. A word that contains another one comes first.
    words: Vec<(String, String)>,
}

/// What is the same of both, and the list.
pub(crate) struct Both<T> {
    pub(crate) got: T,
    pub(crate) list: String,
}

impl Scene {
    /// `a.test` with RSA and ECDSA, `b.test` and `*.wild.test` with ECDSA: pairs, and files with certificate and key.
    pub(crate) fn new() -> Self {
        Self::with(Backend::echo())
    }

    /// The same with another backend.
    pub(crate) fn with(backend: Backend) -> Self {
        let pki = Pki::new();
        for (stem, name, key) in [
            ("a", "a.test", Key::Rsa2048),
            ("b", "b.test", Key::P256),
            ("e", "a.test", Key::P256),
            ("w", "*.wild.test", Key::P256),
        ] {
            let (certificate, key) = pki.write("pairs", stem, &[name], key, &Extra::default());
            let both = [&certificate, &key].map(|file| fs::read_to_string(file).unwrap()).concat();
            write_private(&pki.folder().join(format!("{stem}.pem")), &both);
        }
        let addresses = [free(), free()];
        let mut scene = Self { pki, backend, addresses, words: Vec::new() };
        let folder = scene.pki.folder().display().to_string();
        let [first, second] = addresses;
        for (word, value) in [
            ("FOLDER", folder),
            ("ADDRESS", first.to_string()),
            ("OTHER_PORT", second.port().to_string()),
            ("OTHER", second.to_string()),
            ("PORT", first.port().to_string()),
            ("SERVED", scene.backend.address.port().to_string()),
            ("BACKEND", scene.backend.address.to_string()),
        ] {
            scene.put(word, value);
        }
        scene
    }

    /// Puts the value in for the word.
    pub(crate) fn put(&mut self, word: &str, value: impl ToString) {
        self.words.push((word.to_owned(), value.to_string()));
    }

    /// Writes a file of the configuration.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.pki.folder().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, self.words.iter().fold(text.to_owned(), |text, (word, value)| text.replace(word, value)))
            .unwrap();
        file
    }

    /// Runs the program, then tlsgate with what is converted, and observes both.
    pub(crate) fn both<T: PartialEq + Debug>(
        &self,
        program: &str,
        text: &str,
        observe: impl Fn(&[SocketAddr]) -> T,
    ) -> Both<T> {
        let file = self.write(&format!("{program}.conf"), text);
        let theirs = {
            let _peer = Peer::start(program, &file, self.addresses[0]);
            observe(&self.addresses)
        };
        let output = Command::new(PROGRAM).arg("convert").arg(&file).output().unwrap();
        let list = String::from_utf8(output.stderr.clone()).unwrap();
        assert!(matches!(output.status.code(), Some(0 | 3)), "{}", tool::shown(&output));
        let mut config = String::from_utf8(output.stdout).unwrap();
        let listeners = self.addresses.map(|address| listener(&config, address));
        for address in self.addresses {
            config = config.replace(&format!("\"{address}\""), "\"127.0.0.1:0\"");
        }
        let proxy = Proxy::start(self.pki.folder(), &config);
        let addresses: Vec<SocketAddr> = listeners.iter().flatten().map(|name| proxy.address(name)).collect();
        let ours = observe(&addresses);
        assert_eq!(theirs, ours, "{program} on the left, tlsgate on the right\n{config}\n{list}");
        Both { got: ours, list }
    }

    /// A server of TLS with that certificate, in front of `backend`; its address is that of "own".
    pub(crate) fn served(&self, stem: &str, backend: SocketAddr) -> Proxy {
        let folder = self.pki.folder();
        let own = folder.join(format!("server-{stem}"));
        fs::create_dir(&own).unwrap();
        let certificate = folder.join(format!("{stem}.pem"));
        let config = format!(
            "[[listener]]\nname = \"own\"\nlisten = \"127.0.0.1:0\"\ncertificates = [{certificate:?}]\nbackend = \"b\"\n[backend.b]\nservers = [\"{backend}\"]\n"
        );
        Proxy::start(&own, &config)
    }
}

/// The listener of that address, if there is one.
fn listener(config: &str, address: SocketAddr) -> Option<String> {
    let mut name = None;
    for line in config.lines() {
        name = line.strip_prefix("name = \"").and_then(|line| line.strip_suffix('"')).or(name);
        if line.starts_with("listen = ") && line.contains(&format!("\"{address}\"")) {
            return name.map(str::to_owned);
        }
    }
    None
}

pub(crate) const HAPROXY: &str =
    "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1m\n  timeout server 1m\n";
pub(crate) const NGINX: &str = "daemon off;\nuser root;\nworker_processes 1;\npid FOLDER/nginx.pid;\nload_module /usr/lib/nginx/modules/ngx_stream_module.so;\nevents { }\n";
pub(crate) const STUNNEL: &str = "foreground = yes\npid =\nsyslog = no\n";
pub(crate) const HITCH: &str = "daemon = off\nuser = \"nobody\"\nworkers = 1\nbackend = \"[127.0.0.1]:SERVED\"\n";
