//! Node.js, whose OpenSSL knows ML-DSA: a client, a server, and a writer of keys.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::tool;

pub(crate) fn program() -> PathBuf {
    tool::from_pypi("node")
}

/// What a client saw of its connection.
#[derive(Debug)]
pub(crate) struct Seen {
    /// SHA-256 of the leaf it received, in upper-case hex.
    pub(crate) certificate: Option<String>,
    /// Whether it accepted chain and name, and the handshake was completed.
    pub(crate) verified: bool,
    /// What came back for what it sent.
    pub(crate) answer: String,
    /// The name of the error that ended it.
    pub(crate) error: Option<String>,
}

/// Connects once, with these options of `tls.connect`, in which `cert` and `key` are paths. Sends `hello`, and reads until as
/// many bytes have come back.
pub(crate) fn connect(to: SocketAddr, ca: &Path, name: &str, mut options: Value) -> Seen {
    let fixed = json!({ "host": to.ip().to_string(), "port": to.port(), "servername": name, "ca": ca });
    options.as_object_mut().unwrap().extend(fixed.as_object().unwrap().clone());
    let output = script(CLIENT, &options);
    let text = |key: &str| output[key].as_str().map(str::to_owned);
    Seen {
        certificate: text("certificate").map(|hash| hash.replace(':', "")),
        verified: output["verified"] == true,
        answer: text("answer").unwrap_or_default(),
        error: text("error"),
    }
}

/// The private key in that file, as OpenSSL writes it in PEM.
pub(crate) fn rewritten(key: &Path) -> String {
    script(KEY, &json!({ "key": key }))["pem"].as_str().unwrap().to_owned()
}

/// A TLS server that echoes. Dropping it kills it.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    child: Child,
}

impl Server {
    /// Starts one with these options of `tls.createServer`, in which `ca`, `cert` and `key` are paths.
    pub(crate) fn start(options: &Value) -> Self {
        let mut child =
            Command::new(program()).args(["-e", SERVER, &options.to_string()]).stdout(Stdio::piped()).spawn().unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Self { address: SocketAddr::from(([127, 0, 0, 1], port.trim().parse().unwrap())), child }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn script(script: &str, options: &Value) -> Value {
    let output = tool::run(program().to_str().unwrap(), &["-e", script, &options.to_string()], b"");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", tool::shown(&output)))
}

const CLIENT: &str = r#"
const options = JSON.parse(process.argv[1]);
for (const file of ["ca", "cert", "key"]) {
  if (options[file]) options[file] = require("fs").readFileSync(options[file]);
}
const seen = { verified: false, answer: "" };
const end = () => { console.log(JSON.stringify(seen)); process.exit(0); };
const socket = require("tls").connect(options, () => {
  seen.certificate = socket.getPeerX509Certificate().fingerprint256;
  seen.verified = socket.authorized;
  socket.write("hello");
});
socket.on("data", (data) => { seen.answer += data; if (seen.answer.length >= 5) socket.end(); });
socket.on("error", (error) => { seen.error = error.code; });
socket.on("close", end);
"#;

const SERVER: &str = r#"
const options = JSON.parse(process.argv[1]);
for (const file of ["ca", "cert", "key"]) {
  if (options[file]) options[file] = require("fs").readFileSync(options[file]);
}
const server = require("tls").createServer(options, (socket) => { socket.on("error", () => {}); socket.pipe(socket); });
server.on("tlsClientError", () => {});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
"#;

const KEY: &str = r#"
const key = require("crypto").createPrivateKey(require("fs").readFileSync(JSON.parse(process.argv[1]).key));
console.log(JSON.stringify({ pem: key.export({ type: "pkcs8", format: "pem" }) }));
"#;
