//! Releases that one node of five refuses.

use std::net::TcpListener;

use super::Proof;
use crate::support::pki::{Extra, Key};

impl Proof {
    /// Publishes a release with one listener more, whose port is taken on that node, and nowhere else. It is refused.
    pub(super) fn port_is_taken_at(&mut self, name: &str) {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        self.scene.configure(SECOND);
        self.scene.machine(name, &format!("[listen]\nmain = \"127.0.0.1:0\"\nsecond = \"{address}\"\n"));
        let reason = self.is_refused();
        for part in [&format!("node \"{name}\""), "fleet.toml", "line ", "second", &address.to_string()] {
            assert!(reason.contains(part), "{part:?} is not in {reason}");
        }
        self.scene.configure("");
        self.scene.machine(name, "");
    }
}

#[test]
fn what_one_node_refuses_is_served_by_none_and_its_line_is_named() {
    let mut proof = Proof::of_five();
    for name in ["e", "a"] {
        proof.port_is_taken_at(name);
        proof.load.goes_on();
    }
    proof.key_does_not_fit();
    proof.load.goes_on();
    proof.publishes();
    for node in proof.nodes.values() {
        assert_eq!(node.door().get("/readyz").status, 200);
        assert_eq!(node.shown()["release"]["number"], 2);
    }
    proof.ends();
}

impl Proof {
    /// A release whose key is not that of its certificate: found where it is published, and by a node where the check is left
    /// out.
    fn key_does_not_fit(&mut self) {
        self.renew();
        let name = super::name_of(self.newest);
        self.scene
            .write(&format!("gate/certs/{name}.key"), &self.scene.pki.pair(&[name], Key::P256, &Extra::default()).1);
        let place = "tlsgate.toml: line 4, column 16: listener \"main\": certificates: ";
        for (more, is_of_node) in [(&[][..], false), (&["--no-check"], true)] {
            let output = self.scene.publish(more);
            assert_eq!(output.status.code(), Some(1));
            let reason = String::from_utf8(output.stderr).unwrap();
            for part in [place, &format!("certs/{name}.key")] {
                assert!(reason.contains(part), "{part:?} is not in {reason}");
            }
            assert_eq!(reason.contains("node \""), is_of_node, "{reason}");
        }
        self.takes_back();
    }
}

const SECOND: &str =
    "[[listener]]\nname = \"second\"\nlisten = \"127.0.0.1:0\"\ncertificates = \"certs\"\nbackend = \"echo\"\n";
