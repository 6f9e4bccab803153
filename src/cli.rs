//! The command line: arguments → one verb, each in a file of its own. Must not know: how a verb does its work.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

mod acme;
mod answer;
mod ca;
mod cert;
mod check;
mod completion;
mod connections;
mod convert;
mod demo;
mod explain;
mod fleet;
mod health;
mod init;
mod load;
mod monitor;
mod policy;
pub mod probe;
mod reload;
mod run;
mod running;
mod schema;
mod ticket_key;
mod version;
mod weights;

use answer::form::Output;
use answer::print;

/// A TLS-terminating layer-4 proxy that gives each client the certificate it can use.
#[derive(Debug, Parser)]
#[command(name = "tlsgate", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the proxy until a signal ends it.
    Run {
        /// The configuration file; "-" is standard input.
        #[arg(short, long, value_name = "FILE", required_unless_present = "fleet")]
        config: Option<PathBuf>,
        /// What this machine has of its own as a node of a fleet; the configuration is what was published there.
        #[arg(long, value_name = "FILE", conflicts_with = "config")]
        fleet: Option<PathBuf>,
    },
    /// Keep the rights of the start for `run`, which starts it.
    #[command(hide = true)]
    Monitor,
    /// Report everything that is wrong with a configuration. Loads the certificates, binds no socket.
    #[command(alias = "validate")]
    Check {
        /// The configuration file; "-" is standard input.
        #[arg(short, long, value_name = "FILE")]
        config: PathBuf,
        /// Count warnings as errors.
        #[arg(long)]
        strict: bool,
        /// Fetch the lists of revoked certificates that have URLs, and prove them against their CAs. Nothing is kept.
        #[arg(long)]
        fetch: bool,
        /// The format of the output.
        #[arg(long, value_enum, default_value_t = Output::Text)]
        format: Output,
    },
    /// Write a configuration, check it, and show the next command. Asks for what no option says.
    Init {
        #[command(flatten)]
        // Boxed, since it is much larger than the other verbs' arguments.
        what: Box<init::What>,
    },
    /// Convert a configuration of HAProxy, nginx, stunnel or hitch, and list what is not taken over. Exits with 3 if
    /// something that matters is not.
    Convert(#[command(flatten)] convert::What),
    /// Make a running tlsgate read everything again, and show what has changed or what is wrong.
    Reload {
        #[command(flatten)]
        target: running::Target,
    },
    /// Show whether a running tlsgate accepts connections, for the health check of a container. Exits with 1 if not.
    Health(#[command(flatten)] health::Question),
    /// List and close the open connections of a running tlsgate.
    Connections {
        #[command(subcommand)]
        // Boxed, since it is much larger than the other verbs' arguments.
        verb: Box<connections::Verb>,
    },
    /// Show and set how the backends of a route of a running tlsgate share its connections.
    Weights {
        #[command(subcommand)]
        // Boxed, since it is much larger than the other verbs' arguments.
        verb: Box<weights::Verb>,
    },
    /// Show and change the certificates that a running tlsgate gets from authorities.
    Acme {
        #[command(subcommand)]
        // Boxed, since it is much larger than the other verbs' arguments.
        verb: Box<acme::Verb>,
    },
    /// Show which certificate, version, cipher and group a client would get, and why. Exits with 1 if it would be refused.
    Explain(#[command(flatten)] explain::Question),
    /// Show certificates: those of a configuration, or those in files.
    Cert {
        #[command(subcommand)]
        verb: cert::Verb,
    },
    /// A private authority in a folder: issue certificates to servers and clients, revoke them.
    Ca {
        #[command(subcommand)]
        verb: ca::Verb,
    },
    /// Several machines that share releases through etcd: publish, show, go back.
    Fleet {
        #[command(subcommand)]
        // Boxed, since it is much larger than the other verbs' arguments.
        verb: Box<fleet::Verb>,
    },
    /// Show the main job on this machine, with nothing to install or to clean up.
    Demo {
        /// The port on 127.0.0.1 to listen on; 0 selects any free port.
        #[arg(long, default_value_t = 0)]
        port: u16,
        /// Connect three clients to it, show what each has got and what is to be seen in it, and end.
        #[arg(long)]
        tour: bool,
    },
    /// Show which TLS versions, cipher suites and groups a policy allows.
    Policy {
        #[command(subcommand)]
        verb: policy::Verb,
    },
    /// Show what a live server offers: versions, suites, groups, certificates, resumption, ALPN.
    Probe {
        #[command(flatten)]
        // Boxed, since it is much larger than the other verbs' arguments.
        what: Box<probe::What>,
    },
    /// Make keys for session tickets that several machines share.
    TicketKey {
        #[command(subcommand)]
        verb: TicketKeyVerb,
    },
    /// Print a JSON Schema of the configuration, for editors.
    Schema,
    /// Print what a shell needs to complete this program's verbs and options.
    Completion { shell: Shell },
    /// Print the manual page, for `man -l -`.
    Manpage,
    /// Print the version and what it is built with.
    Version,
}

#[derive(Debug, Subcommand)]
enum TicketKeyVerb {
    /// Print a new key, to be appended as the last line of a ticket_keys file.
    New,
}

/// Runs the verb that the process was started with, and returns its exit code; 2 for wrong usage.
pub fn main() -> ExitCode {
    // Not `parse`, which exits by itself and ignores an error in writing the help.
    print::exit_code(match Arguments::try_parse() {
        Ok(arguments) => run(arguments.verb),
        Err(found) => print::help(&found),
    })
}

fn run(verb: Verb) -> ExitCode {
    match verb {
        Verb::Run { config, fleet } => match (config, fleet) {
            (_, Some(fleet)) => run::run(run::From::Fleet(fleet)),
            (config, None) => run::run(run::From::File(config.unwrap_or_default())),
        },
        Verb::Monitor => monitor::monitor(),
        Verb::Check { config, strict, fetch, format } => {
            check::check(&config, check::How { strict, fetch, json: format == Output::Json })
        }
        Verb::Init { what } => init::init(*what),
        Verb::Convert(what) => convert::convert(what),
        Verb::Reload { target } => reload::reload(target),
        Verb::Health(question) => health::health(question),
        Verb::Connections { verb } => connections::connections(*verb),
        Verb::Weights { verb } => weights::weights(*verb),
        Verb::Acme { verb } => acme::acme(*verb),
        Verb::Explain(question) => explain::explain(question),
        Verb::Cert { verb } => cert::cert(verb),
        Verb::Ca { verb } => ca::ca(verb),
        Verb::Fleet { verb } => fleet::fleet(*verb),
        Verb::Demo { port, tour } => demo::demo(port, tour),
        Verb::Policy { verb } => policy::policy(verb),
        Verb::Probe { what } => probe::probe(*what),
        Verb::TicketKey { verb: TicketKeyVerb::New } => ticket_key::new(),
        Verb::Schema => schema::schema(),
        Verb::Completion { shell } => completion::completion(shell, Arguments::command()),
        Verb::Manpage => completion::manpage(Arguments::command()),
        Verb::Version => version::version(),
    }
}
