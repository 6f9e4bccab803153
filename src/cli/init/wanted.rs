//! What a first configuration is to do: the options, and after the questions their answers. Must not know: what is made of
//! them.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// What is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    /// LDAPS in front of directory servers; with --starttls also on their plain port.
    Ldaps,
    /// Any service that speaks TCP.
    Tcp,
    /// TLS that is passed through by server name.
    Passthrough,
    /// PostgreSQL, whose clients ask for TLS first.
    Postgres,
}

/// The options, and after the questions their answers.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct What {
    /// What is served.
    #[arg(long, value_enum)]
    pub(super) kind: Option<Kind>,
    /// An address to listen on, such as 0.0.0.0:636. Can be given several times.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) listen: Vec<String>,
    /// A folder with certificates, or a file. Can be given several times, each with its own --key.
    #[arg(long, value_name = "PATH", conflicts_with = "acme")]
    pub(super) certificate: Vec<String>,
    /// The file of the key, if it is not in that of the certificate.
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub(super) key: Vec<String>,
    /// Order certificates from Let's Encrypt, which may write to this address; needs --name, and --accept-terms.
    #[arg(long, value_name = "EMAIL", requires = "name")]
    pub(super) acme: Option<String>,
    /// You agree to the terms of the authority that certificates are ordered from.
    #[arg(long, requires = "acme")]
    pub(super) accept_terms: bool,
    /// A name: of the certificates that are ordered, or of what is passed through. Can be given several times.
    #[arg(long, value_name = "NAME")]
    pub(super) name: Vec<String>,
    /// A server that gets the connections, such as 10.0.1.10:389. Can be given several times.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) backend: Vec<String>,
    /// Clients begin in the clear and ask for TLS, in this protocol.
    #[arg(long, value_name = "PROTOCOL", value_parser = ["ldap", "postgres", "smtp", "imap", "pop3"])]
    pub(super) starttls: Option<String>,
    /// The file to write.
    #[arg(short, long, value_name = "FILE", default_value = "tlsgate.toml")]
    pub(super) output: PathBuf,
    /// Write it even if it exists.
    #[arg(long)]
    pub(super) force: bool,
}
