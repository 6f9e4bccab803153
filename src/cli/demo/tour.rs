//! The tour: three clients, one after the other, what each of them has got, and what is to be seen in it. Must not know: how the
//! proxy is started, how a client connects.

use std::error::Error;
use std::fs;
use std::io::{self, IsTerminal as _};
use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustls::SignatureScheme;

use crate::cli::answer::print::{say, visible};
use crate::cli::demo::client::{self, Got};

/// Where the tour finds everything.
pub(super) struct Scene<'s> {
    pub(super) address: SocketAddr,
    pub(super) ca: &'s Path,
    /// The access log, as text.
    pub(super) log: &'s Path,
}

/// One client.
struct Stop {
    /// Who asks, for which name.
    who: &'static str,
    name: &'static str,
    schemes: &'static [SignatureScheme],
    request: &'static str,
    /// What to look at.
    look: &'static str,
    /// The certificate that it has to get.
    certificate: &'static str,
}

/// Leads through all of it. The error names the client, what it has got and what was expected.
pub(super) fn lead(scene: &Scene<'_>) -> Result<(), Box<dyn Error>> {
    let ink = Ink::of_terminal();
    say(&format!(
        "tlsgate listens on {}, and has an RSA and an ECDSA certificate for each of its names. Three clients connect to it.\n",
        scene.address
    ));
    for (number, stop) in STOPS.iter().enumerate() {
        say(&format!("\n{}\n", ink.strong(&format!("{}. {} asks for {}.", number + 1, stop.who, stop.name))));
        let got = client::ask(scene.address, scene.ca, stop.name, stop.schemes, stop.request)
            .map_err(|error| format!("client {}: {error}", number + 1))?;
        let line = logged(scene.log, number)?;
        let Got { version, suite, group, scheme, answer } = &got;
        let answer = answer.lines().filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" · ");
        for (what, found) in [
            ("TLS", format!("{version} {suite} {group}, signed with {scheme}").as_str()),
            ("answer", &answer),
            ("log", &line),
        ] {
            say(&format!("   {} {}\n", ink.faint(&format!("{what:<7}")), visible(found)));
        }
        if !line.contains(&format!("{}.crt", stop.certificate)) {
            return Err(format!(
                "client {}: expected the certificate {}, found in the log: {line}",
                number + 1,
                stop.certificate
            )
            .into());
        }
        say(&format!("   {} {}\n", ink.good("Look:  "), stop.look));
    }
    say(&format!(
        "\n{} \"tlsgate demo\" without --tour serves until Ctrl-C, for clients of your own; docs/ldaps.md puts it in front of a \
         directory.\n",
        ink.strong("That was all.")
    ));
    Ok(())
}

/// The line of the access log with that number, from 0; it is written after the connection has ended.
fn logged(log: &Path, number: usize) -> Result<String, Box<dyn Error>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let text = fs::read_to_string(log).unwrap_or_default();
        // A line that is not whole yet is none.
        if let Some(line) = text.split_inclusive('\n').filter(|line| line.ends_with('\n')).nth(number) {
            return Ok(line.trim_end().to_owned());
        }
        if Instant::now() > deadline {
            return Err(format!("client {}: the access log has no line of it", number + 1).into());
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Colours on a terminal, unless its user wants none (no-color.org).
struct Ink {
    is_coloured: bool,
}

impl Ink {
    fn of_terminal() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { is_coloured: io::stdout().is_terminal() && !unwanted }
    }

    fn strong(&self, text: &str) -> String {
        self.dyed("1", text)
    }

    fn faint(&self, text: &str) -> String {
        self.dyed("2", text)
    }

    fn good(&self, text: &str) -> String {
        self.dyed("1;32", text)
    }

    /// SGR (ECMA-48, section 8.3.117).
    fn dyed(&self, code: &str, text: &str) -> String {
        match self.is_coloured {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }
}

const STOPS: &[Stop] = &[
    Stop {
        who: "A client that can verify RSA only",
        name: "ldap.demo.test",
        schemes: &[SignatureScheme::RSA_PSS_SHA256, SignatureScheme::RSA_PKCS1_SHA256],
        request: "hello\n",
        look: "cert=… is the RSA certificate. An ECDSA one would have ended the handshake.",
        certificate: "ldap.demo.test.rsa",
    },
    Stop {
        who: "A client that can verify ECDSA only",
        name: "ldap.demo.test",
        schemes: &[SignatureScheme::ECDSA_NISTP256_SHA256],
        request: "hello\n",
        look: "the same name on the same port, and the ECDSA certificate.",
        certificate: "ldap.demo.test.ecdsa",
    },
    Stop {
        who: "A client that can verify both",
        name: "any.apps.demo.test",
        schemes: &[
            SignatureScheme::ECDSA_NISTP256_SHA256,
            SignatureScheme::RSA_PSS_SHA256,
            SignatureScheme::RSA_PKCS1_SHA256,
        ],
        request: "GET / HTTP/1.1\r\nHost: any.apps.demo.test\r\n\r\n",
        look: "only a wildcard covers the name, and of its two certificates the cheaper key signs. The backend saw plain HTTP.",
        certificate: "any.apps.demo.test.ecdsa",
    },
];

/// For a line of the log.
const PATIENCE: Duration = Duration::from_secs(10);
