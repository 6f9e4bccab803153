//! What a process that takes over gives up at least: what the one before it gave up at its own start. The configuration lies
//! where it lies, and a process that was taken over may have changed it. Must not know: how the text reaches the other one.

use std::fmt;

use crate::config::located::ConfigError;
use crate::config::validate::Config;
use crate::config::values::process::Sandbox;
use crate::rights::ids::Ids;
use crate::sandbox::sources::Sources;

/// A user, where one was named, and a sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Floor {
    user: Option<(u32, u32)>,
    sandbox: Sandbox,
    /// The right to connect from addresses of other machines is kept.
    foreign: bool,
}

impl Floor {
    /// What this configuration makes a process give up; `user` is whom it becomes.
    pub fn of(config: &Config, user: Option<&Ids>) -> Self {
        let user = user.map(|user| (user.uid, user.gid));
        Self { user, sandbox: config.process.sandbox.value, foreign: Sources::of(config).foreign }
    }

    /// The text of another one. The error is for a text that is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let unknown =
            || format!("{text:?} does not say what the process before this one gave up (expected \"1000 1000 auto\")");
        let (uid, gid, sandbox, foreign) = match text.split(' ').collect::<Vec<_>>()[..] {
            [uid, gid, sandbox] => (uid, gid, sandbox, false),
            [uid, gid, sandbox, FOREIGN] => (uid, gid, sandbox, true),
            _ => return Err(unknown()),
        };
        let user = match (uid, gid) {
            ("-", "-") => None,
            _ => Some((uid.parse().map_err(|_| unknown())?, gid.parse().map_err(|_| unknown())?)),
        };
        let known = [Sandbox::Auto, Sandbox::Require, Sandbox::Off].into_iter().find(|one| one.word() == sandbox);
        Ok(Self { user, sandbox: known.ok_or_else(unknown)?, foreign })
    }

    /// Whether a process that takes over gives up as much. The error names the key.
    pub fn is_kept_by(&self, now: &Self) -> Result<(), ConfigError> {
        let error = |key: &str, found: String, expected: String| {
            let message = format!("found {found}, expected {expected}: {ADVICE}");
            Err(ConfigError { path: key.to_owned(), position: None, message })
        };
        let shown =
            |user: Option<(u32, u32)>| user.map_or("none".to_owned(), |(uid, gid)| format!("uid {uid}, gid {gid}"));
        if self.user.is_some() && self.user != now.user {
            return error("process: user", shown(now.user), shown(self.user));
        }
        if rank(now.sandbox) < rank(self.sandbox) {
            return error(
                "process: sandbox",
                format!("{:?}", now.sandbox.word()),
                format!("{:?}", self.sandbox.word()),
            );
        }
        if now.foreign && !self.foreign {
            return error("backend: source", "\"client\"".into(), "an address or none".into());
        }
        Ok(())
    }
}

impl fmt::Display for Floor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.user {
            Some((uid, gid)) => write!(f, "{uid} {gid} {}", self.sandbox.word())?,
            None => write!(f, "- - {}", self.sandbox.word())?,
        }
        if self.foreign { write!(f, " {FOREIGN}") } else { Ok(()) }
    }
}

/// The last word, where that right is kept.
const FOREIGN: &str = "foreign";

fn rank(sandbox: Sandbox) -> u8 {
    match sandbox {
        Sandbox::Off => 0,
        Sandbox::Auto => 1,
        Sandbox::Require => 2,
    }
}

const ADVICE: &str =
    "a process that takes over gives up what the one before it gave up; only a restart keeps more rights";

#[cfg(test)]
mod tests {
    use super::*;

    fn floor(text: &str) -> Floor {
        Floor::parse(text).unwrap()
    }

    #[test]
    fn a_text_says_what_was_given_up() {
        for text in ["- - off", "- - auto", "1000 100 require", "1000 100 auto foreign"] {
            assert_eq!(floor(text).to_string(), text);
        }
        for odd in ["", "-", "- -", "- - on", "1000 - auto", "- 100 auto", "x y auto", "1 2 auto more", "1  auto"] {
            assert!(Floor::parse(odd).unwrap_err().contains("expected"), "{odd:?}");
        }
    }

    #[test]
    fn less_is_never_given_up() {
        let cases = [
            ("- - off", "- - off", None),
            ("- - auto", "5 6 require", None),
            ("5 6 auto", "5 6 auto", None),
            ("5 6 auto", "- - auto", Some("process: user")),
            ("5 6 auto", "5 7 auto", Some("process: user")),
            ("5 6 auto", "0 0 auto", Some("process: user")),
            ("5 6 require", "5 6 auto", Some("process: sandbox")),
            ("- - auto", "- - off", Some("process: sandbox")),
            ("5 6 auto", "5 6 auto foreign", Some("backend: source")),
            ("5 6 auto foreign", "5 6 auto", None),
            ("5 6 auto foreign", "5 6 auto foreign", None),
        ];
        for (before, now, key) in cases {
            let refused = floor(before).is_kept_by(&floor(now)).err();
            assert_eq!(refused.map(|error| error.path).as_deref(), key, "{before} → {now}");
        }
    }
}
