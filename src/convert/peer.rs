//! The programs whose configurations are converted, and how a configuration shows whose it is. Must not know: what is
//! converted.

use crate::words::words;

/// A program whose configuration can be converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    Haproxy,
    Nginx,
    Stunnel,
    Hitch,
}

words! { Peer { Haproxy => "haproxy", Nginx => "nginx", Stunnel => "stunnel", Hitch => "hitch" } }

impl Peer {
    /// Its name as it writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Haproxy => "HAProxy",
            Self::Nginx => "nginx",
            Self::Stunnel => "stunnel",
            Self::Hitch => "hitch",
        }
    }

    /// The peer of that word.
    pub fn named(word: &str) -> Option<Self> {
        crate::words::Words::from_word(word)
    }

    /// Whose configuration this is, by what only one of them writes. `None` if that is not clear.
    pub fn of(text: &str) -> Option<Self> {
        let lines = || text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
        let first = |line: &str| line.split_whitespace().next().unwrap_or_default().to_owned();
        // A section begins at its name alone, which is never the case for the others.
        let sections = ["global", "defaults", "frontend", "backend", "listen"];
        let is_section = |line: &str| sections.contains(&&*first(line)) && !line.contains(['=', '{', ';']);
        if lines().any(is_section) {
            return Some(Self::Haproxy);
        }
        let block = |line: &str| {
            ["stream", "http", "events", "server", "upstream"].contains(&&*first(line)) && line.contains('{')
        };
        if lines().any(block) || lines().any(|line| line.ends_with(';') && !line.starts_with(';')) {
            return Some(Self::Nginx);
        }
        // Before stunnel: it has values over several lines that look like its sections.
        let key = |line: &str| line.split('=').next().unwrap_or_default().trim().to_ascii_lowercase();
        let has = |keys: &[&str]| lines().any(|line| line.contains('=') && keys.contains(&&*key(line)));
        if has(&["frontend", "backend", "pem-file", "pem-dir", "tls-protos", "write-proxy", "write-proxy-v2"]) {
            return Some(Self::Hitch);
        }
        let is_service = |line: &str| line.starts_with('[') && line.ends_with(']');
        (lines().any(is_service) || has(&["accept", "connect"])).then_some(Self::Stunnel)
    }
}
