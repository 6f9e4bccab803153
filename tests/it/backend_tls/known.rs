//! Servers whose own certificate is the one that is trusted.

use std::fs;

use super::{SERVER, Scene, nginx};
use crate::support::client::Tls;
use crate::support::pki::{Pki, self_signed, write_private};
use crate::support::stage::certified;

fn write(pki: &Pki, stem: &str, (certificate, key): (String, String)) {
    let folder = pki.folder().join("servers");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(format!("{stem}.crt")), certificate).unwrap();
    write_private(&folder.join(format!("{stem}.key")), &key);
}

#[test]
fn a_self_signed_server_is_believed_where_its_certificate_is_the_ca() {
    for is_ca in [true, false] {
        let pki = certified();
        write(&pki, "own", self_signed(SERVER, is_ca, (-1, 9)));
        let nginx = nginx(&pki, "own", "");
        let tls = format!("ca = \"servers/own.crt\"\nserver_name = \"{SERVER}\"");
        let scene = Scene::new(pki, &[nginx.address], "", &tls);
        for tls in Tls::BOTH {
            assert!(scene.ask(tls).starts_with("TLSv1.2"), "CA: {is_ca}");
        }
    }
}

#[test]
fn it_must_be_valid_have_the_name_and_be_that_very_certificate() {
    let cases = [
        ("another.test", (-1, 9), "own", "tls_name", "its certificate is not valid for the name server.test"),
        (SERVER, (-9, -2), "own", "tls_expired", "its certificate is expired, or not valid yet"),
        // The same name, another key.
        (SERVER, (-1, 9), "twin", "tls_untrusted", "its certificate is not "),
    ];
    for (name, validity, trusted, label, words) in cases {
        let pki = certified();
        write(&pki, "own", self_signed(name, true, validity));
        write(&pki, "twin", self_signed(name, true, validity));
        let nginx = nginx(&pki, "own", "");
        let tls = format!("ca = \"servers/{trusted}.crt\"\nserver_name = \"{SERVER}\"");
        let scene = Scene::new(pki, &[nginx.address], "", &tls);
        super::refused::refused(&scene, label, words);
    }
}
