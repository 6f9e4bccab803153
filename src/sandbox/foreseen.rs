//! What a process with a configuration would give up here, for who asks before it starts. Must not know: how it is shown.

use std::path::Path;

use serde::Serialize;

use crate::config::located::ConfigError;
use crate::config::validate::Config;
use crate::config::values::process::Sandbox;
use crate::rights::ids::Ids;
use crate::sandbox::plan::{Place, Plan};
use crate::sandbox::sources::Sources;
use crate::sandbox::{filter, offer, risks, ruleset};

/// What will be given up.
#[derive(Debug, Serialize)]
pub struct Foreseen {
    sandbox: &'static str,
    user: Option<User>,
    /// The version of Landlock here; null where the kernel does not have it.
    landlock: Option<u32>,
    seccomp: bool,
    /// What can be used; empty where the sandbox is off.
    files: Vec<Place>,
    /// What is named and does not exist.
    absent: Vec<String>,
    /// The capabilities that it needs besides.
    capabilities: Vec<&'static str>,
    /// Warnings about files that the process itself could change, although a start obeys them.
    #[serde(skip)]
    pub risks: Vec<String>,
    /// What others than root could change, if root starts it. It may be another user who does.
    #[serde(skip)]
    pub owners: Vec<String>,
}

#[derive(Debug, Serialize)]
struct User {
    name: String,
    uid: u32,
    gid: u32,
}

impl Foreseen {
    /// `user` is whom the process becomes; `file` is that of the configuration, if it can be read again. An error where the
    /// configuration requires what this kernel does not have.
    pub fn of(config: &Config, user: Option<Ids>, file: Option<&Path>) -> Result<Self, ConfigError> {
        let written = &config.process.sandbox;
        let sandbox = written.value;
        let plan = if sandbox == Sandbox::Off { Plan::default() } else { Plan::of(config, file) };
        let (version, seccomp) = (ruleset::offered(), filter::offered());
        let lacking = offer::lacking(version, seccomp);
        if sandbox == Sandbox::Require && !lacking.is_empty() {
            let message = format!("\"require\", but this kernel does not offer: {}", lacking.join(", "));
            return Err(written.error(message));
        }
        let obeyed = risks::obeyed(config, file);
        Ok(Self {
            sandbox: sandbox.word(),
            user: user.map(|Ids { name, uid, gid, .. }| User { name, uid, gid }),
            landlock: (version > 0).then_some(version),
            seccomp,
            files: plan.places().to_vec(),
            absent: plan.absent().collect(),
            capabilities: Sources::of(config).foreign.then_some("CAP_NET_RAW").into_iter().collect(),
            risks: risks::of_plan(&plan, &obeyed),
            owners: risks::of_owners(&obeyed),
        })
    }

    /// One line for whom and how, one for each path that a key names, and one for the others.
    pub fn lines(&self) -> Vec<String> {
        let user = match &self.user {
            Some(User { name, uid, gid }) => format!("user {name} (uid {uid}, gid {gid})"),
            None => "same user".to_owned(),
        };
        let needed =
            |name: &&str| format!("process: needs the capability {name}, to connect from clients' addresses (source)");
        let needed: Vec<String> = self.capabilities.iter().map(needed).collect();
        if self.sandbox == Sandbox::Off.word() {
            return [vec![format!("process: {user}, sandbox \"off\"")], needed].concat();
        }
        let landlock = self.landlock.map_or("no Landlock".to_owned(), |version| format!("Landlock {version}"));
        let seccomp = if self.seccomp { "seccomp" } else { "no seccomp" };
        let mut lines = vec![format!("process: {user}, sandbox {:?}: {landlock}, {seccomp}", self.sandbox)];
        lines.extend(needed);
        let (named, others): (Vec<_>, Vec<_>) = self.files.iter().partition(|place| !place.keys.is_empty());
        for Place { path, access, keys } in named {
            let keys = keys.iter().map(String::as_str).collect::<Vec<_>>().join("; ");
            lines.push(format!("process: can {} {} ({keys})", access.word(), path.display()));
        }
        lines.push(format!("process: can use {} paths of the system", others.len()));
        let absent = self.absent.iter();
        lines.extend(absent.map(|absent| format!("process: cannot use what does not exist yet: {absent}")));
        lines
    }
}
