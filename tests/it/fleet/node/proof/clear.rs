//! Nothing that is secret is in etcd in the clear: neither in what it has now, nor in what it has on its disk of before.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Proof;
use crate::support::etcd::{Etcd, Version};
use crate::support::pki::write_private;
use crate::support::procfs::eventually;
use crate::support::proxy::PROGRAM;
use crate::support::tool;

/// What must not be found, by its first bytes.
#[derive(Default)]
struct Needles(HashMap<[u8; SHORTEST], Vec<(String, Vec<u8>)>>);

impl Needles {
    fn add(&mut self, what: &str, bytes: &[u8]) {
        for form in [bytes.to_vec(), STANDARD.encode(bytes).into_bytes(), hex(bytes).into_bytes()] {
            let first = form[..SHORTEST].try_into().unwrap();
            self.0.entry(first).or_default().push((what.to_owned(), form));
        }
    }

    /// All pieces of it.
    fn add_pieces(&mut self, what: &str, bytes: &[u8]) {
        bytes.chunks_exact(PIECE).for_each(|piece| self.add(what, piece));
    }

    /// A file of keys in PEM: as it is, and what it encodes.
    fn add_pem(&mut self, what: &str, text: &str) {
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("-----")).collect();
        lines.iter().for_each(|line| self.add_pieces(what, line.as_bytes()));
        // What precedes the key itself is the same in all keys, and harmless.
        self.add_pieces(what, &STANDARD.decode(lines.concat()).unwrap()[36..]);
    }

    fn find(&self, bytes: &[u8]) -> Option<&str> {
        (0..bytes.len().saturating_sub(SHORTEST)).find_map(|at| {
            let first: [u8; SHORTEST] = bytes[at..at + SHORTEST].try_into().unwrap();
            let found = self.0.get(&first)?.iter().find(|(_, needle)| bytes[at..].starts_with(needle));
            found.map(|(what, _)| what.as_str())
        })
    }
}

#[test]
fn nothing_secret_is_in_etcd_in_the_clear() {
    let mut proof = Proof::new(Etcd::one(Version::Debian), &["a", "b"]);
    let password = "correct horse battery staple";
    proof.scene.write("gate/health.password", password);
    let tickets = tool::run(PROGRAM, &["ticket-key", "new"], b"").stdout;
    write_private(&proof.scene.path("gate/tickets.keys"), std::str::from_utf8(&tickets).unwrap());
    let server = proof.scene.backend.address.to_string();
    proof.scene.configure(
        "ticket_keys = \"tickets.keys\"\n[listener.server_names]\n".trim_end_matches("[listener.server_names]\n"),
    );
    let config = proof.scene.path("gate/tlsgate.toml");
    let text = fs::read_to_string(&config).unwrap();
    let health = "[backend.secret-directory]\nservers = [\"127.0.0.1:9\"]\n[backend.secret-directory.health]\ntype = \"ldap\"\n\
                  interval = \"1h\"\nbind_dn = \"cn=monitor,dc=secret\"\npassword_file = \"health.password\"\n";
    fs::write(&config, format!("{text}{health}")).unwrap();
    proof.publishes();
    let ring = eventually("nodes share keys of tickets", || {
        fs::read_to_string(proof.scene.path("a/state/fleet/tickets.keys")).ok()
    });

    let mut needles = Needles::default();
    needles.add("the password", password.as_bytes());
    for (name, (_, key)) in &proof.published {
        needles.add_pem(&format!("the key of {name}"), key);
    }
    for line in [std::str::from_utf8(&tickets).unwrap(), &ring].into_iter().flat_map(str::lines) {
        line.split_whitespace()
            .filter(|word| word.len() >= 32)
            .for_each(|word| needles.add("a key of tickets", word.as_bytes()));
    }
    for word in ["[[listener]]", "servers = ", "secret-directory", "cn=monitor,dc=secret", &server, "BEGIN PRIVATE KEY"]
    {
        needles.add("the configuration", word.as_bytes());
    }
    needles.add("the secret of the fleet", "0123456789abcdef".as_bytes());
    // It would be found.
    let key = proof.published["a.test"].1.as_bytes();
    assert_eq!(needles.find(key), Some("the configuration"), "\"BEGIN PRIVATE KEY\"");
    assert_eq!(needles.find(&key[60..]), Some("the key of a.test"));

    let all = proof.scene.store.all();
    assert!(all.len() > 10);
    for (key, value) in &all {
        for (what, bytes) in [("key", key.as_bytes()), ("value", value)] {
            assert_eq!(needles.find(bytes), None, "in the {what} of {key}");
            // Names are too short to be looked for in bytes that may be anything.
            let text = String::from_utf8_lossy(bytes);
            assert!(!text.contains(".test"), "{key}: a name in the {what}");
        }
    }
    proof.ends();
    proof.scene.store.stop(0);
    let mut files = Vec::new();
    below(&proof.scene.store.data(0), &mut files);
    assert!(files.iter().any(|(name, _)| name.ends_with(".wal")) && files.iter().any(|(name, _)| name == "db"));
    for (name, bytes) in &files {
        assert_eq!(needles.find(bytes), None, "in etcd's file {name}");
    }
}

/// The files of a folder, and of all folders in it, without the zeros at their ends.
fn below(folder: &Path, files: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            below(&entry.path(), files);
            continue;
        }
        let mut bytes = fs::read(entry.path()).unwrap();
        bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
        files.push((entry.file_name().to_str().unwrap().to_owned(), bytes));
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A piece of a secret that is looked for.
const PIECE: usize = 16;

/// The first bytes of a needle.
const SHORTEST: usize = 8;
