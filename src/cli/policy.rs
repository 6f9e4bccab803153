//! `tlsgate policy`: lists the policies, and shows what one of them allows. Must not know: how a policy is applied.

use std::borrow::Cow;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Subcommand;
use rustls::ProtocolVersion;
use serde::Serialize;

use crate::cli::answer::exit::{FAILED, USAGE};
use crate::cli::answer::form::{Output, json};
use crate::cli::answer::print::{complain, say};
use crate::cli::load::load;
use crate::tls::policy::{self, CipherOrder, Policy, aws};
use crate::tls::wire::codes;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// List the built-in policies and those of a configuration.
    List {
        /// A configuration file with policies of its own; "-" is standard input.
        #[arg(short, long, value_name = "FILE")]
        config: Option<std::path::PathBuf>,
        /// The format of the output.
        #[arg(long, value_enum, default_value_t = Output::Text)]
        format: Output,
    },
    /// Show everything that a policy allows, and how it differs from the AWS policy of that name.
    Show {
        /// The name, with or without the ELBSecurityPolicy- prefix.
        name: String,
        /// A configuration file with policies of its own; "-" is standard input.
        #[arg(short, long, value_name = "FILE")]
        config: Option<std::path::PathBuf>,
        /// The format of the output.
        #[arg(long, value_enum, default_value_t = Output::Text)]
        format: Output,
    },
}

/// A policy as it is shown: every part with its usual names.
#[derive(Serialize)]
struct Shown {
    name: String,
    /// AWS's name, for one of AWS's policies.
    aws_name: Option<String>,
    default: bool,
    versions: Vec<Cow<'static, str>>,
    cipher_order: &'static str,
    ciphers: Vec<Suite>,
    groups: Vec<Cow<'static, str>>,
    signature_schemes: Vec<Schemes>,
    /// What the AWS policy of that name has, and this one does not.
    left_out: Vec<LeftOut>,
}

#[derive(Serialize)]
struct Suite {
    version: Cow<'static, str>,
    iana: Cow<'static, str>,
    openssl: String,
}

#[derive(Serialize)]
struct Schemes {
    version: Cow<'static, str>,
    schemes: Vec<Cow<'static, str>>,
}

#[derive(Serialize)]
struct LeftOut {
    what: &'static str,
    names: Vec<String>,
    why: String,
}

pub(super) fn policy(verb: Verb) -> ExitCode {
    let (name, path, format) = match &verb {
        Verb::List { config, format } => (None, config, *format),
        Verb::Show { name, config, format } => (Some(name), config, *format),
    };
    let all = match known(path.as_deref()) {
        Ok(all) => all,
        Err(reason) => {
            complain(&reason);
            return FAILED.into();
        }
    };
    let Some(name) = name else {
        list(&all, format);
        return ExitCode::SUCCESS;
    };
    let bare = name.strip_prefix(aws::PREFIX).unwrap_or(name);
    // Unambiguous: the configuration refuses a policy of your own with a built-in name, with or without the prefix.
    match all.iter().find(|policy| *policy.name == *bare) {
        Some(policy) => {
            let shown = Shown::new(policy);
            if format == Output::Json {
                say(&json(&shown));
            } else {
                say(&text(&shown));
            }
            ExitCode::SUCCESS
        }
        None => {
            let known = all.iter().map(|policy| &*policy.name).collect::<Vec<_>>().join(", ");
            complain(&format!("unknown policy {name:?} (expected one of {known})"));
            USAGE.into()
        }
    }
}

/// The built-in policies, then those of a configuration.
fn known(path: Option<&Path>) -> Result<Vec<Arc<Policy>>, String> {
    let mut all = aws::policies().to_vec();
    if let Some(path) = path {
        let config = load(path).map_err(|errors| {
            errors.iter().map(|error| format!("{}: {error}", path.display())).collect::<Vec<_>>().join("\n")
        })?;
        all.extend(config.policies);
    }
    Ok(all)
}

impl Shown {
    fn new(policy: &Policy) -> Self {
        let definition = aws::definition(&policy.name);
        let left_out = definition.map(|definition| definition.left_out()).unwrap_or_default();
        Self {
            name: policy.name.to_string(),
            aws_name: definition.map(|definition| format!("{}{}", aws::PREFIX, definition.name)),
            default: &*policy.name == aws::DEFAULT,
            versions: policy.versions.iter().map(|version| codes::version_name(*version)).collect(),
            cipher_order: match policy.cipher_order {
                CipherOrder::Server => "server",
                CipherOrder::Client => "client",
            },
            ciphers: policy
                .suites
                .iter()
                .map(|suite| Suite {
                    version: policy::version_of(*suite).map(codes::version_name).unwrap_or_default(),
                    iana: codes::suite_name(*suite),
                    openssl: codes::openssl_suite_name(*suite).into_owned(),
                })
                .collect(),
            groups: policy.groups.iter().map(|group| codes::group_name(*group)).collect(),
            signature_schemes: policy.versions.iter().map(|version| schemes(policy, *version)).collect(),
            left_out: left_out
                .into_iter()
                .map(|aws::LeftOut { what, names, why }| LeftOut { what: what.plural(), names, why })
                .collect(),
        }
    }

    fn summary(&self) -> String {
        let cut = self.left_out.iter().any(|left_out| left_out.what != aws::What::Groups.plural());
        let kind = match (&self.aws_name, cut) {
            (None, _) => "your own",
            (Some(_), false) if self.default => "AWS's, the default",
            (Some(_), false) => "AWS's",
            (Some(_), true) => "AWS's, in part",
        };
        format!("{:<26} {:<16} {}", self.name, self.versions.join(" "), kind)
    }
}

fn schemes(policy: &Policy, version: ProtocolVersion) -> Schemes {
    let schemes = policy.signature_schemes(version).into_iter().map(codes::scheme_name).collect();
    Schemes { version: codes::version_name(version), schemes }
}

fn list(all: &[Arc<Policy>], format: Output) {
    let shown: Vec<Shown> = all.iter().map(|policy| Shown::new(policy)).collect();
    if format == Output::Json {
        say(&json(&shown));
    } else {
        shown.iter().for_each(|policy| say(&format!("{}\n", policy.summary())));
    }
}

fn text(policy: &Shown) -> String {
    let mut lines = vec![policy.name.clone()];
    lines.extend(policy.aws_name.as_ref().map(|name| format!("  AWS's name: {name}")));
    lines.push(format!("  versions: {}", policy.versions.join(", ")));
    lines.push(format!("  cipher suites, in the {}'s order of preference:", policy.cipher_order));
    for Suite { version, iana, openssl } in &policy.ciphers {
        lines.push(format!("    {version}  {iana:<45} {openssl}"));
    }
    lines.push(format!("  groups: {}", policy.groups.join(", ")));
    for Schemes { version, schemes } in &policy.signature_schemes {
        lines.push(format!("  signature schemes, {version}: {}", schemes.join(", ")));
    }
    match (&policy.aws_name, policy.left_out.is_empty()) {
        (None, _) => {}
        (Some(_), true) => lines.push("  the same as AWS's".into()),
        (Some(_), false) => lines.push("  The AWS policy also has:".into()),
    }
    for LeftOut { what, names, why } in &policy.left_out {
        lines.push(format!("    {what}: {} ({why})", names.join(", ")));
    }
    lines.join("\n") + "\n"
}
