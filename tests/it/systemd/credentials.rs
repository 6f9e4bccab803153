//! Secrets that systemd passes: `credential:NAME` wherever a key names the file of a secret.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::support::backend::Backend;
use crate::support::client::{Client, Tls, trusting};
use crate::support::http::Door;
use crate::support::proxy::{PROGRAM, Proxy};
use crate::support::stage::{NAME, certified};
use crate::support::tool;

const TOKEN: &str = "a-token-of-enough-letters";

#[test]
fn a_token_a_private_key_and_ticket_keys_come_from_the_folder_of_credentials() {
    let (pki, backend) = (certified(), Backend::echo());
    let credentials = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| {
        let path = credentials.path().join(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o400)).unwrap();
    };
    put("token", TOKEN.as_bytes());
    let certs = pki.folder().join("certs");
    put("key", &fs::read(certs.join("main.key")).unwrap());
    fs::remove_file(certs.join("main.key")).unwrap();
    put("tickets", &Command::new(PROGRAM).args(["ticket-key", "new"]).output().unwrap().stdout);
    let text = format!(
        "[admin]\nlisten = \"127.0.0.1:0\"\ntoken_file = \"credential:token\"\n[[listener]]\nname = \"main\"\n\
         listen = \"127.0.0.1:0\"\ncertificates = {{ cert = \"certs/main.crt\", key = \"credential:key\" }}\n\
         ticket_keys = \"credential:tickets\"\nbackend = \"b\"\n[backend.b]\nservers = [\"{}\"]\n",
        backend.address
    );
    let path = pki.folder().join("tlsgate.toml");
    fs::write(&path, text).unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(["run", "-c"]).arg(&path).env("CREDENTIALS_DIRECTORY", credentials.path());
    let proxy = Proxy::spawn(command, 1).unwrap();
    let mut client = Client::silent(proxy.address("main"), &trusting(&pki.ca(), Tls::V13).into(), NAME);
    client.handshake().unwrap();
    let admin = proxy.log_line("admin API listening address=");
    let door = Door::Tcp(admin.rsplit_once("address=").unwrap().1.trim().parse().unwrap());
    let authorization = format!("Bearer {TOKEN}");
    assert_eq!(door.ask("POST", "/api/v1/reload", &[("Authorization", &authorization)], "").status, 200);
    assert_eq!(door.ask("POST", "/api/v1/reload", &[("Authorization", "Bearer another")], "").status, 401);
    // Outside the service they are not known, and every key that names one is.
    let checked = Command::new(PROGRAM).args(["check", "-c"]).arg(&path).env_remove("CREDENTIALS_DIRECTORY").output();
    let checked = checked.unwrap();
    assert_eq!(checked.status.code(), Some(1), "{}", tool::shown(&checked));
    let errors = tool::shown(&checked);
    for name in ["LoadCredential=token", "LoadCredential=key", "LoadCredential=tickets"] {
        assert!(errors.contains(name), "{errors}");
    }
}
