//! A process of a node that drains, after another one has taken over, judges its clients by the release that the machine serves now.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{AlertDescription as Alert, ClientConfig};

use super::Scene;
use crate::process::upgrade::Successor;
use crate::support::client::{Client, Ending, Tls, trusting};
use crate::support::clients_pki::{ClientCa, Credentials, Kind};

const REVOKED: u64 = 66;

fn config(scene: &Scene, Credentials { chain, key }: Credentials) -> Arc<ClientConfig> {
    let mut config = trusting(&scene.pki.ca(), Tls::V13);
    let chain = CertificateDer::pem_file_iter(chain).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(key).unwrap();
    let key = config.crypto_provider().key_provider.load_private_key(key).unwrap();
    config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(CertifiedKey::new(chain, key)));
    Arc::new(config)
}

fn speak(client: &mut Client) {
    client.send(b"ping").unwrap();
    assert_eq!(client.read_exact(4), b"ping");
}

#[test]
fn who_is_revoked_by_a_release_after_an_upgrade_leaves_the_old_process_as_well() {
    let scene = Scene::new();
    let ca = ClientCa::new(&scene.path("gate"), "client-ca");
    scene.write("gate/ca.crl", &ca.list(&[], 30));
    let asked = "mode = \"require\", ca = \"client-ca.pem\", crl = \"ca.crl\", live = \"close\"";
    scene.configure(&format!("client_auth = {{ {asked} }}"));
    scene.publishes();
    let node = scene.node("a");
    node.is_connected();
    let [mut leaves, mut stays] = [REVOKED, 1].map(|serial| {
        let shown = ca.issue(&format!("client-{serial}"), &Kind { serial, ..Kind::default() });
        let mut client = Client::silent(node.proxy.address("main"), &config(&scene, shown), "a.test");
        client.handshake().unwrap();
        speak(&mut client);
        client
    });
    let _successor = Successor::of(&node.proxy);
    node.is_connected();
    scene.write("gate/ca.crl", &ca.list(&[REVOKED], 30));
    scene.publishes();
    node.serves(2);
    assert_eq!(leaves.read_to_end(), (Vec::new(), Ending::Alert(Alert::CertificateRevoked)));
    speak(&mut stays);
    // Its own release is gone at some time: two more, of which the machine keeps one.
    for number in [3, 4] {
        scene.certificate(&format!("r{number}.test"));
        scene.publishes();
        node.serves(number);
    }
    scene.write("gate/ca.crl", &ca.list(&[REVOKED, 1], 30));
    scene.publishes();
    assert_eq!(stays.read_to_end(), (Vec::new(), Ending::Alert(Alert::CertificateRevoked)));
}
