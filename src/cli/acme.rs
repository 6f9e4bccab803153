//! `tlsgate acme`: shows and changes what a running tlsgate keeps of the certificates that authorities issue, over its admin
//! API. Must not know: how certificates are ordered.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use hyper::{Method, StatusCode};
use serde_json::{Map, Value};

use crate::acme::reason::Reason;
use crate::acme::settings::KeyKind;
use crate::cli::answer::exit::FAILED;
use crate::cli::answer::form::{Output, json};
use crate::cli::answer::print::{complain, say};
use crate::cli::running::{self, Answered, Asked, Target};
use crate::words::Words;

mod text;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Show each certificate: its state, until when it is valid, when it is ordered next and why, and what has failed.
    List {
        #[command(flatten)]
        target: Target,
        /// The format of the output.
        #[arg(long, value_enum, default_value_t = Output::Text)]
        format: Output,
    },
    /// Order certificates now. Waits until the orders have ended.
    Renew {
        /// The certificates that have this name or IP address.
        #[arg(required_unless_present_any = ["authority", "all"])]
        name: Option<String>,
        /// All certificates.
        #[arg(long, conflicts_with_all = ["name", "authority", "key"])]
        all: bool,
        #[command(flatten)]
        among: Among,
        #[command(flatten)]
        target: Target,
        /// The format of the output.
        #[arg(long, value_enum, default_value_t = Output::Text)]
        format: Output,
    },
    /// Revoke certificates, and order new ones in their place.
    Revoke {
        /// The certificates that have this name or IP address.
        name: String,
        /// Why.
        #[arg(long, value_parser = words::<Reason>())]
        reason: Option<String>,
        #[command(flatten)]
        among: Among,
        #[command(flatten)]
        target: Target,
        /// The format of the output.
        #[arg(long, value_enum, default_value_t = Output::Text)]
        format: Output,
    },
    /// Replace the key of the account with an authority.
    Rollover {
        /// The authority's name in the configuration.
        authority: String,
        #[command(flatten)]
        target: Target,
    },
}

/// Fewer certificates than those of a name.
#[derive(Debug, Args)]
pub(super) struct Among {
    /// Only those from this authority.
    #[arg(long)]
    authority: Option<String>,
    /// Only those with this kind of key.
    #[arg(long, value_parser = words::<KeyKind>())]
    key: Option<String>,
}

/// The words of an enum, for the help and for what is wrong with an argument.
fn words<W: Words>() -> Vec<&'static str> {
    W::ALL.iter().map(|value| value.word()).collect()
}

pub(super) fn acme(verb: Verb) -> ExitCode {
    let done = match verb {
        Verb::List { target, format } => list(target, format),
        Verb::Renew { name, all: _, among, target, format } => {
            change(target, "/api/v1/acme/renew", among.body(name, None), format)
        }
        Verb::Revoke { name, reason, among, target, format } => {
            change(target, "/api/v1/acme/revoke", among.body(Some(name), reason), format)
        }
        Verb::Rollover { authority, target } => rollover(target, &authority),
    };
    done.unwrap_or_else(|reason| {
        complain(&reason);
        FAILED.into()
    })
}

impl Among {
    fn body(self, name: Option<String>, reason: Option<String>) -> Value {
        let given = [("name", name), ("authority", self.authority), ("key", self.key), ("reason", reason)];
        let given = given.into_iter().filter_map(|(key, value)| Some((key.to_owned(), Value::String(value?))));
        Value::Object(given.collect::<Map<_, _>>())
    }
}

fn list(target: Target, format: Output) -> Result<ExitCode, String> {
    let answer = running::ask(target, &Asked { method: Method::GET, path: "/api/v1/acme", body: None })?;
    if !answer.status.is_success() {
        return Err(answer.error());
    }
    match format {
        Output::Text => say(&text::list(&answer.body)),
        Output::Json => say(&json(&answer.body)),
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks for orders, and prints how each has ended. Fails if one of them has.
fn change(target: Target, path: &str, body: Value, format: Output) -> Result<ExitCode, String> {
    let answer = running::ask(target, &Asked { method: Method::POST, path, body: Some(body) })?;
    match answer.status {
        StatusCode::OK | StatusCode::ACCEPTED | StatusCode::BAD_GATEWAY => {}
        _ => return Err(answer.error()),
    }
    match format {
        Output::Text => say(&text::outcomes(&answer.body)),
        Output::Json => say(&json(&answer.body)),
    }
    Ok(if answer.status.is_success() { ExitCode::SUCCESS } else { FAILED.into() })
}

fn rollover(target: Target, authority: &str) -> Result<ExitCode, String> {
    let body = Value::Object(Map::from_iter([("authority".to_owned(), authority.into())]));
    let asked = Asked { method: Method::POST, path: "/api/v1/acme/rollover", body: Some(body) };
    let answer: Answered = running::ask(target, &asked)?;
    match answer.status {
        StatusCode::OK => say(&format!("the account with {authority} has a new key\n")),
        StatusCode::ACCEPTED => say(&text::outcomes(&answer.body)),
        _ => return Err(answer.error()),
    }
    Ok(ExitCode::SUCCESS)
}
