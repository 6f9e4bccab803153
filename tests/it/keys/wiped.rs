//! What a running tlsgate still has in its memory of the files of its keys.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::client::{Client, Tls, connect, trusting};
use crate::support::http::Door;
use crate::support::pki::{Extra, Key, Pki, write_private};
use crate::support::proxy::Proxy;
use crate::support::tool::{self, shown};

const PASSPHRASE: &str = "a passphrase that is nowhere else in the memory of a process";

/// Which of `secrets` are in the memory of a process that it can write, which is where it could have left them.
pub(super) fn found(pid: u32, secrets: &[(String, Vec<u8>)]) -> Vec<String> {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let lines: Vec<String> = secrets.iter().map(|(name, secret)| format!("{} {name}\n", hex(secret))).collect();
    let output = tool::run("python3", &["-c", SEARCH, &pid.to_string()], lines.concat().as_bytes());
    assert!(output.status.success(), "{}", shown(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    let (looked_at, found) = text.split_once('\n').unwrap();
    assert!(looked_at.parse::<u64>().unwrap() > 1 << 20, "only {looked_at} bytes seen");
    found.lines().map(str::to_owned).collect()
}

/// Prints how many bytes it has looked at, and a line for each place in which it finds one of the texts. A part of the
/// memory may have been given back since the list was read.
const SEARCH: &str = r"
import re, sys
secrets = [line.rstrip('\n').split(' ', 1) for line in sys.stdin]
seen, found = 0, []
with open(f'/proc/{sys.argv[1]}/maps') as maps, open(f'/proc/{sys.argv[1]}/mem', 'rb', 0) as memory:
    for line in maps:
        start, end, rights = re.match('([0-9a-f]+)-([0-9a-f]+) (..)', line).groups()
        if rights != 'rw':
            continue
        try:
            memory.seek(int(start, 16))
            part = memory.read(int(end, 16) - int(start, 16))
        except OSError:
            continue
        seen += len(part)
        found += [f'{name} in {line.strip()}' for secret, name in secrets if bytes.fromhex(secret) in part]
print(seen, *found, sep='\n')
";

/// The parts of a file's text and of its DER that are looked for: long enough not to be there by chance.
fn secrets(name: &str, pem: &str) -> Vec<(String, Vec<u8>)> {
    let base64: Vec<&str> = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = STANDARD.decode(base64.concat()).unwrap();
    // The first line is the same for all keys of a kind.
    let line = base64.iter().skip(1).max_by_key(|line| line.len()).unwrap();
    vec![(format!("the text of {name}"), line.as_bytes().to_vec()), (format!("the DER of {name}"), der)]
}

fn config() -> String {
    "[admin]\nlisten=\"unix:admin.sock\"\n[keys]\npassphrases = \"file:passphrase\"\n[[listener]]\nname = \"main\"\nlisten = \"127.0.0.1:0\"\ncertificates = [\"certs\", \"both.pem\"]\nticket_keys = \"tickets\"\nbackend = \"none\"\n[backend.none]\nservers = [\"127.0.0.1:1\"]\n".to_owned()
}

/// A folder with a key of each kind, and what is looked for.
fn scene(pki: &Pki) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for (name, kind) in [("ecdsa", Key::P256), ("rsa", Key::Rsa2048), ("locked", Key::P384)] {
        let (_, key) = pki.write("certs", name, &[&format!("{name}.test")], kind, &Extra::default());
        all.extend(secrets(name, &fs::read_to_string(&key).unwrap()));
        if name == "locked" {
            let pass = format!("pass:{PASSPHRASE}");
            let arguments = ["pkcs8", "-topk8", "-passout", &pass];
            let encrypted = tool::run("openssl", &arguments, &fs::read(&key).unwrap());
            assert!(encrypted.status.success(), "{}", shown(&encrypted));
            write_private(&key, &String::from_utf8(encrypted.stdout).unwrap());
        }
    }
    let (certificate, key) = pki.pair(&["both.test"], Key::P256, &Extra::default());
    all.extend(secrets("both", &key));
    write_private(&pki.folder().join("both.pem"), &(key + &certificate));
    write_private(&pki.folder().join("passphrase"), &format!("{PASSPHRASE}\n"));
    let tickets =
        [7_u8; 80].iter().enumerate().map(|(at, byte)| byte ^ u8::try_from(at * 3 % 256).unwrap()).collect::<Vec<_>>();
    write_private(&pki.folder().join("tickets"), &(STANDARD.encode(&tickets) + "\n"));
    all.push(("the passphrase".into(), PASSPHRASE.into()));
    all.push(("the ticket key".into(), tickets.clone()));
    all.push(("the text of the ticket key".into(), STANDARD.encode(&tickets).into()));
    all
}

fn greeted(proxy: &Proxy, ca: &Path) {
    for tls in Tls::BOTH {
        Client::on(connect(proxy.address("main")), &trusting(ca, tls).into(), "ecdsa.test").handshake().unwrap();
    }
}

#[test]
fn what_was_read_of_the_files_of_secrets_is_wiped() {
    let pki = Pki::new();
    let all = scene(&pki);
    let proxy = Proxy::start(pki.folder(), &config());
    greeted(&proxy, &pki.ca());
    assert_eq!(found(proxy.pid(), &all), Vec::<String>::new());
    // It finds what is there: the passphrase's path is kept.
    let kept = pki.folder().join("passphrase").into_os_string().into_encoded_bytes();
    assert!(!found(proxy.pid(), &[("path".into(), kept)]).is_empty());
    // The same after a reload that reads everything again.
    let (_, key) = pki.write("certs", "more", &["more.test"], Key::P256, &Extra::default());
    let more = secrets("more", &fs::read_to_string(&key).unwrap());
    assert_eq!(Door::unix(pki.folder()).ask("POST", "/api/v1/reload", &[], "").status, 200);
    greeted(&proxy, &pki.ca());
    assert_eq!(found(proxy.pid(), &[all, more].concat()), Vec::<String>::new());
}
