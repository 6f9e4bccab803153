//! `tlsgate connections`: lists and closes the open connections of a running tlsgate, over its admin API. Must not know: how
//! a connection is found or closed.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use hyper::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::cli::answer::exit::FAILED;
use crate::cli::answer::form::{Output, json};
use crate::cli::answer::print::{complain, say};
use crate::cli::running::{self, Asked, Target};

mod text;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Show the open connections that fit every filter, in the order in which they were accepted.
    List {
        #[command(flatten)]
        filters: Filters,
        /// How many to show: 1 to 1000.
        #[arg(long, value_name = "COUNT", default_value_t = 100)]
        limit: u32,
        /// Begin after the connection of this id, with which the page before has ended.
        #[arg(long, value_name = "ID")]
        after: Option<String>,
        #[command(flatten)]
        target: Target,
        /// The format of the output.
        #[arg(long, value_enum, default_value_t = Output::Text)]
        format: Output,
    },
    /// Close the open connections that fit every filter, of which there must be one. Does not wait until they have ended.
    Close {
        #[command(flatten)]
        filters: Filters,
        /// "polite": each ends when nothing was under way for a second; what has not ended after shutdown_timeout is cut.
        /// "now": a reset.
        #[arg(long, value_parser = ["polite", "now"], default_value = "polite")]
        mode: String,
        #[command(flatten)]
        target: Target,
        /// The format of the output.
        #[arg(long, value_enum, default_value_t = Output::Text)]
        format: Output,
    },
}

/// Which connections are meant.
#[derive(Debug, Args)]
pub(super) struct Filters {
    /// The connection of this id.
    #[arg(long)]
    id: Option<String>,
    /// Those of this listener.
    #[arg(long, value_name = "NAME")]
    listener: Option<String>,
    /// Those that this route has taken.
    #[arg(long, value_name = "NAME")]
    route: Option<String>,
    /// Those of this client: an IP address or a prefix.
    #[arg(long, value_name = "ADDRESS")]
    client: Option<String>,
    /// Those whose client has sent this server name; "-" for none.
    #[arg(long, value_name = "NAME")]
    server_name: Option<String>,
    /// Those whose client has this JA4.
    #[arg(long, value_name = "JA4")]
    ja4: Option<String>,
    /// Those to which this certificate is served: its path, or SHA-256 in hex.
    #[arg(long, value_name = "CERTIFICATE")]
    certificate: Option<String>,
    /// Those for this backend.
    #[arg(long, value_name = "NAME")]
    backend: Option<String>,
    /// Those with this server of a backend, by its address.
    #[arg(long, value_name = "ADDRESS")]
    server: Option<String>,
    /// Those whose client has presented this certificate: its subject, or the pin of its key ("sha256/…").
    #[arg(long, value_name = "CERTIFICATE")]
    client_certificate: Option<String>,
    /// Those that have been open for at least so long, such as "10m".
    #[arg(long, value_name = "DURATION")]
    older_than: Option<String>,
}

impl Filters {
    /// The API's parameters.
    fn parameters(self) -> Vec<(&'static str, String)> {
        let all = [
            ("id", self.id),
            ("listener", self.listener),
            ("route", self.route),
            ("client", self.client),
            ("server_name", self.server_name),
            ("ja4", self.ja4),
            ("certificate", self.certificate),
            ("backend", self.backend),
            ("server", self.server),
            ("client_certificate", self.client_certificate),
            ("older_than", self.older_than),
        ];
        all.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }
}

pub(super) fn connections(verb: Verb) -> ExitCode {
    let done = match verb {
        Verb::List { filters, limit, after, target, format } => list(filters, (limit, after), target, format),
        Verb::Close { filters, mode, target, format } => close(filters, mode, target, format),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            complain(&reason);
            FAILED.into()
        }
    }
}

fn list(filters: Filters, (limit, after): (u32, Option<String>), target: Target, format: Output) -> Result<(), String> {
    let mut parameters = filters.parameters();
    parameters.push(("limit", limit.to_string()));
    parameters.extend(after.map(|after| ("after", after)));
    let answer = running::ask(target, &Asked { method: Method::GET, path: &path(&parameters), body: None })?;
    if !answer.status.is_success() {
        return Err(answer.error());
    }
    match format {
        Output::Text => say(&text::list(&answer.body)),
        Output::Json => say(&json(&answer.body)),
    }
    Ok(())
}

fn close(filters: Filters, mode: String, target: Target, format: Output) -> Result<(), String> {
    let mut parameters = filters.parameters();
    parameters.push(("mode", mode));
    let answer = running::ask(target, &Asked { method: Method::DELETE, path: &path(&parameters), body: None })?;
    if !answer.status.is_success() {
        return Err(answer.error());
    }
    match format {
        Output::Text => say(&text::closed(&answer.body)),
        Output::Json => say(&json(&answer.body)),
    }
    Ok(())
}

/// The API's path with these parameters.
fn path(parameters: &[(&str, String)]) -> String {
    let pair = |(key, value): &(&str, String)| format!("{key}={}", utf8_percent_encode(value, NON_ALPHANUMERIC));
    format!("/api/v1/connections?{}", parameters.iter().map(pair).collect::<Vec<_>>().join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_so_that_the_query_keeps_them() {
        let parameters = [("client", "10.0.0.0/8".to_owned()), ("client_certificate", "CN=a b,O=c+d".to_owned())];
        let expected = "/api/v1/connections?client=10%2E0%2E0%2E0%2F8&client_certificate=CN%3Da%20b%2CO%3Dc%2Bd";
        assert_eq!(path(&parameters), expected);
    }
}
