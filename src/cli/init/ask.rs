//! Asks at the terminal for what no option says. Must not know: what is made of the answers.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use super::wanted::{Kind, What};
use clap::ValueEnum as _;

/// What is asked for, complete. Without a terminal, an error that names the options that are missing.
pub(super) fn complete(mut what: What) -> Result<What, String> {
    let missing = missing(&what);
    if missing.is_empty() {
        return defaults(what);
    }
    if !io::stdin().is_terminal() {
        return Err(format!("{} missing, and there is no terminal to ask at", missing.join(", ")));
    }
    let kind = match what.kind {
        Some(kind) => kind,
        None => loop {
            let answer = ask("What is served: ldaps, tcp, passthrough or postgres?", "tcp")?;
            match Kind::from_str(&answer, true) {
                Ok(kind) => break kind,
                Err(_) => say("Expected one of these four words."),
            }
        },
    };
    what.kind = Some(kind);
    if what.listen.is_empty() {
        what.listen = several(&ask("Which address does it listen on?", kind.listen())?);
    }
    if kind == Kind::Passthrough {
        if what.name.is_empty() {
            what.name = several(&ask("Which server names are passed through?", "*.example.com")?);
        }
    } else if what.certificate.is_empty() && what.acme.is_none() {
        what.certificate = several(&ask("Which folder, or file, has the certificates and keys?", "certs")?);
    }
    if what.backend.is_empty() {
        what.backend = several(&ask("Which servers get the connections?", kind.backend())?);
    }
    defaults(what)
}

fn missing(what: &What) -> Vec<&'static str> {
    let mut missing = Vec::new();
    if what.kind.is_none() {
        missing.push("--kind");
    }
    if what.backend.is_empty() {
        missing.push("--backend");
    }
    match what.kind {
        Some(Kind::Passthrough) if what.name.is_empty() => missing.push("--name"),
        Some(Kind::Passthrough) => {}
        _ if what.certificate.is_empty() && what.acme.is_none() => missing.push("--certificate or --acme"),
        _ => {}
    }
    missing
}

/// What follows from the kind, where nothing else is said.
fn defaults(mut what: What) -> Result<What, String> {
    if what.acme.is_some() && !what.accept_terms {
        return Err("--acme needs --accept-terms: the authority makes no account without it".into());
    }
    if what.key.len() > what.certificate.len() {
        return Err(format!("found {} --key, expected at most one for each --certificate", what.key.len()));
    }
    let kind = what.kind.unwrap_or(Kind::Tcp);
    if what.listen.is_empty() {
        what.listen = vec![kind.listen().to_owned()];
    }
    if kind == Kind::Postgres && what.starttls.is_none() {
        what.starttls = Some("postgres".into());
    }
    Ok(what)
}

impl Kind {
    /// The usual address.
    fn listen(self) -> &'static str {
        match self {
            Self::Ldaps => "0.0.0.0:636",
            Self::Tcp | Self::Passthrough => "0.0.0.0:443",
            Self::Postgres => "0.0.0.0:5432",
        }
    }

    fn backend(self) -> &'static str {
        match self {
            Self::Ldaps => "127.0.0.1:389",
            Self::Tcp => "127.0.0.1:8080",
            Self::Passthrough => "127.0.0.1:8443",
            Self::Postgres => "127.0.0.1:5433",
        }
    }
}

/// One line of the terminal; an empty one is the proposal.
fn ask(question: &str, proposal: &str) -> Result<String, String> {
    let failed = |error: io::Error| format!("cannot read an answer: {error}");
    let mut out = io::stderr().lock();
    write!(out, "{question} [{proposal}] ").and_then(|()| out.flush()).map_err(failed)?;
    let mut answer = String::new();
    if io::stdin().lock().read_line(&mut answer).map_err(failed)? == 0 {
        return Err("the terminal was closed before all questions were answered".into());
    }
    let answer = answer.trim();
    Ok(if answer.is_empty() { proposal.to_owned() } else { answer.to_owned() })
}

fn say(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

fn several(answer: &str) -> Vec<String> {
    answer.split([',', ' ']).filter(|one| !one.is_empty()).map(str::to_owned).collect()
}
