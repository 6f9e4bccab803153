//! `tlsgate demo`: shows the main job with nothing to install. A temporary CA, RSA and ECDSA certificates, a backend that
//! answers with what it received, the real proxy between them, and commands to paste, or a tour. Must not know: how the proxy works.

use std::error::Error;
use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::thread;

use rustix::process::{Signal, getpid, kill_process};

use crate::cli::answer::exit::{CUT, FAILED};
use crate::cli::answer::print;
use crate::cli::answer::print::{complain, say};
use crate::config;
use crate::net::address::Address;
use crate::observe::log::{self, Level};
use crate::reload::build::Origin;
use crate::server::{Activated, Signals};
use crate::server::{Ended, Server};

mod backend;
mod client;
mod pki;
mod tour;

/// `tour` connects clients of its own, and ends after them.
pub(super) fn demo(port: u16, tour: bool) -> ExitCode {
    let _flush = log::start(Level::Warn);
    match run(port, tour) {
        Ok(Ended::Orderly) => ExitCode::SUCCESS,
        Ok(Ended::DeadlinePassed) => CUT.into(),
        Err(error) => {
            complain(&format!("demo: {error}"));
            FAILED.into()
        }
    }
}

fn run(port: u16, tour: bool) -> Result<Ended, Box<dyn Error>> {
    // First, so that Ctrl-C at any moment still removes the folder.
    let mut signals = Signals::listen()?;
    // Only its owner can read it, and it is removed when this function returns.
    let folder = tempfile::Builder::new().prefix("tlsgate-demo-").tempdir()?;
    pki::write(folder.path(), NAMES)?;
    let backend = backend::start()?;
    // The tour shows each line of it where it belongs.
    let log = if tour { LOG } else { "stdout" };
    let text = configuration(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), backend, log);
    let config = config::parse(&text, folder.path()).map_err(|errors| joined(&errors))?;
    let server = Server::start(Origin::Program, config, None, (None, Activated::default(), None), &mut signals)?;
    let Some((_, Address::Tcp(address))) = server.addresses().pop() else {
        return Err("no address to listen on".into());
    };
    if tour {
        return toured(server, signals, folder, address);
    }
    say(&format!("{}\n", introduction(folder.path(), address, backend)));
    if print::reader_has_gone() {
        // The access log would not be seen either.
        return Ok(Ended::Orderly);
    }
    let ended = server.run_until_signalled(signals);
    // Explicitly, since a drop ignores errors.
    folder.close()?;
    say("\nThe folder has been removed.\n");
    Ok(ended)
}

/// Leads through the tour while the server runs, then ends it as Ctrl-C would.
fn toured(
    server: Server,
    signals: Signals,
    folder: tempfile::TempDir,
    address: SocketAddr,
) -> Result<Ended, Box<dyn Error>> {
    let (ca, log) = (folder.path().join("ca.pem"), folder.path().join(LOG));
    let guide = thread::Builder::new().name("demo-tour".into()).spawn(move || {
        let led = tour::lead(&tour::Scene { address, ca: &ca, log: &log }).map_err(|error| error.to_string());
        // This process gets it. It fails for none that exists.
        let _ = kill_process(getpid(), Signal::TERM);
        led
    })?;
    let ended = server.run_until_signalled(signals);
    let led = guide.join().unwrap_or_else(|_| Err("it ended without a result, which is a fault of tlsgate".into()));
    folder.close()?;
    led?;
    Ok(ended)
}

fn configuration(listen: SocketAddr, backend: SocketAddr, log: &str) -> String {
    format!(
        r#"
[log]
access = "{log}"
access_format = "text"

[runtime]
shutdown_timeout = "2s"

[[listener]]
name = "demo"
listen = "{listen}"
certificates = ["certs"]
backend = "answers"

[backend.answers]
servers = ["{backend}"]
"#
    )
}

fn introduction(folder: &Path, address: SocketAddr, backend: SocketAddr) -> String {
    let mut text = String::new();
    let ca = folder.join("ca.pem");
    let (ca, port) = (ca.display(), address.port());
    // -ign_eof makes s_client wait for the answer after its input has ended.
    let openssl = |name: &str, sigalgs: &str| {
        format!(
            "printf 'hello\\n' | openssl s_client -brief -ign_eof -verify_return_error -connect {address} -servername {name} -CAfile {ca} -sigalgs {sigalgs}"
        )
    };
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "tlsgate listens on {address} and passes what it decrypts to a small backend on {backend}.\n\
         Each of these names has an RSA and an ECDSA certificate: {names}.\n\
         The CA that signed them is {ca}; it and everything else is removed when you press Ctrl-C.\n\
         \n\
         Paste these into another terminal, and watch the access log appear below.\n\
         \n\
         1. A client that can verify RSA only:\n\
         \n\
         {rsa}\n\
         \n\
         2. The same name for a client that can verify ECDSA only:\n\
         \n\
         {ecdsa}\n\
         \n\
         3. curl, under a name that only a wildcard covers:\n\
         \n\
         curl --cacert {ca} --resolve any.apps.demo.test:{port}:127.0.0.1 https://any.apps.demo.test:{port}/\n\
         \n\
         The access log:",
        names = NAMES.join(", "),
        rsa = openssl("ldap.demo.test", "RSA-PSS+SHA256"),
        ecdsa = openssl("ldap.demo.test", "ECDSA+SHA256"),
    );
    text
}

fn joined(errors: &[config::located::ConfigError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// The access log of the tour, in the demo's folder.
const LOG: &str = "access.log";

/// Reserved for tests (RFC 6761 section 6.2).
const NAMES: &[&str] = &["ldap.demo.test", "app.demo.test", "*.apps.demo.test"];
