//! Versions, ciphers and groups as the peers write them → a policy that tlsgate can have. Must not know: the words of a
//! peer's configuration, except OpenSSL's, which they all pass on.

use std::collections::BTreeSet;

use super::ciphers;
use super::job::{Maybe, Policy, Said};
use super::list::{Line, List};
use crate::tls::policy::names::{PolicyError, parse_group, parse_suite};

/// The versions that OpenSSL knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Version {
    Ssl2,
    Ssl3,
    Tls10,
    Tls11,
    Tls12,
    Tls13,
}

impl Version {
    const ALL: [Self; 6] = [Self::Ssl2, Self::Ssl3, Self::Tls10, Self::Tls11, Self::Tls12, Self::Tls13];

    /// The version of that name, in any of the peers' spellings: `TLSv1.2`, `tlsv12`, `TLSv1_2`.
    pub(super) fn named(text: &str) -> Option<Self> {
        let bare: String = text.to_ascii_lowercase().chars().filter(|c| !['.', '_'].contains(c)).collect();
        match &*bare {
            "sslv2" => Some(Self::Ssl2),
            "sslv3" => Some(Self::Ssl3),
            "tlsv1" | "tlsv10" => Some(Self::Tls10),
            "tlsv11" => Some(Self::Tls11),
            "tlsv12" => Some(Self::Tls12),
            "tlsv13" => Some(Self::Tls13),
            _ => None,
        }
    }

    /// The versions of these names. What is no version goes to the list.
    pub(super) fn all(names: &[String], line: &Line, list: &mut List) -> BTreeSet<Self> {
        let mut versions = BTreeSet::new();
        for name in names {
            match Self::named(name) {
                Some(version) => drop(versions.insert(version)),
                None => list.lost(line, name, "unknown version"),
            }
        }
        versions
    }

    fn name(self) -> &'static str {
        match self {
            Self::Ssl2 => "SSLv2",
            Self::Ssl3 => "SSLv3",
            Self::Tls10 => "TLSv1",
            Self::Tls11 => "TLSv1.1",
            Self::Tls12 => "TLSv1.2",
            Self::Tls13 => "TLSv1.3",
        }
    }
}

/// What a peer allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tls {
    /// Where it is said, if anywhere.
    pub(super) line: Line,
    pub(super) versions: BTreeSet<Version>,
    /// OpenSSL's string for TLS 1.2 and older.
    pub(super) ciphers: Said<String>,
    /// OpenSSL's list for TLS 1.3.
    pub(super) suites: Said<String>,
    pub(super) groups: Maybe<String>,
    pub(super) server_order: bool,
}

impl Tls {
    /// TLS 1.2 and 1.3, with this string of ciphers and OpenSSL's suites of TLS 1.3: the defaults of a peer, which no line
    /// says.
    pub(super) fn new(line: &Line, ciphers: &str, server_order: bool) -> Self {
        let said = |text: &str| Said::new(text.to_owned(), line);
        Self {
            line: line.clone(),
            versions: [Version::Tls12, Version::Tls13].into(),
            ciphers: said(ciphers),
            suites: said(SUITES),
            groups: None,
            server_order,
        }
    }

    /// Allows this version and those above it, up to the highest so far.
    pub(super) fn from(&mut self, lowest: Version) {
        let highest = self.versions.last().copied().unwrap_or(Version::Tls13).max(lowest);
        self.versions = Version::ALL.into_iter().filter(|version| (lowest..=highest).contains(version)).collect();
    }

    /// Allows this version and those below it, down to the lowest so far.
    pub(super) fn up_to(&mut self, highest: Version) {
        let lowest = self.versions.first().copied().unwrap_or(highest).min(highest);
        self.versions = Version::ALL.into_iter().filter(|version| (lowest..=highest).contains(version)).collect();
    }

    /// The policy. What it cannot have goes to the list. `None` if nothing is left: then tlsgate's default has to do.
    pub(super) fn policy(&self, list: &mut List) -> Option<Policy> {
        let mut versions = self.versions.clone();
        let old: Vec<&str> =
            versions.iter().filter(|version| **version < Version::Tls12).map(|old| old.name()).collect();
        if !old.is_empty() {
            list.lost(
                &self.line,
                old.join(" "),
                "tlsgate has TLS 1.2 and 1.3 only; the older versions are deprecated by RFC 8996",
            );
        }
        versions.retain(|version| *version >= Version::Tls12);
        let mut ciphers = Vec::new();
        if versions.contains(&Version::Tls13) {
            ciphers = self.suites(list);
            self.dropped(Version::Tls13, &ciphers, &mut versions, list);
        }
        if versions.contains(&Version::Tls12) {
            let selected = self.ciphers(list);
            self.dropped(Version::Tls12, &selected, &mut versions, list);
            ciphers.extend(selected);
        }
        if versions.is_empty() {
            let why = "neither TLS 1.2 nor TLS 1.3 remains, so tlsgate's default policy is used, which allows more";
            list.security(&self.line, "", why);
            return None;
        }
        Some(Policy {
            line: self.line.clone(),
            versions: versions.iter().rev().map(|version| version.name()).collect(),
            ciphers,
            groups: self.groups(&versions, list),
            server_order: self.server_order,
        })
    }

    /// A version without a suite cannot be offered.
    fn dropped(&self, version: Version, suites: &[String], versions: &mut BTreeSet<Version>, list: &mut List) {
        if suites.is_empty() {
            versions.remove(&version);
            let said = if version == Version::Tls13 { &self.suites } else { &self.ciphers };
            let why = format!("none of its suites can be had, so {} is not offered", version.name());
            list.lost(&said.line, said.value.clone(), why);
        }
    }

    fn suites(&self, list: &mut List) -> Vec<String> {
        let Said { value, line } = &self.suites;
        let mut suites = Vec::new();
        for name in value.split([':', ',', ' ']).filter(|name| !name.is_empty()) {
            match parse_suite(name) {
                Ok(_) if !name.starts_with("TLS_") => list.lost(line, name, "it is no suite of TLS 1.3"),
                Ok(_) if suites.iter().any(|known| known == name) => {}
                Ok(_) => suites.push(name.to_owned()),
                Err(error) => list.lost(line, name, reason(&error)),
            }
        }
        suites
    }

    fn ciphers(&self, list: &mut List) -> Vec<String> {
        let Said { value, line } = &self.ciphers;
        let selected = ciphers::selected(value);
        for (name, why) in &selected.refused {
            list.lost(line, name, format!("tlsgate does not have it: {why}"));
        }
        for word in &selected.unknown {
            list.lost(line, word, "tlsgate does not know this word of a cipher string");
        }
        // What nobody has written is not reported as lost.
        if !selected.wide.is_empty() && line.number != 0 {
            let why = "of the suites that this selects, tlsgate has those with ECDHE and AES-GCM or ChaCha20; it has none with CBC, static RSA or finite-field Diffie-Hellman";
            list.lost(line, selected.wide.join(":"), why);
        }
        selected.suites.into_iter().map(str::to_owned).collect()
    }

    fn groups(&self, versions: &BTreeSet<Version>, list: &mut List) -> Option<Vec<String>> {
        let Said { value, line } = self.groups.as_ref()?;
        let mut groups: Vec<String> = Vec::new();
        for name in value.split([':', ',', ' ', '/']).filter(|name| !name.is_empty()) {
            // OpenSSL 3.5 marks a group whose key share is predicted, and one that may be missing.
            let bare = name.trim_start_matches(['*', '?']);
            match parse_group(bare) {
                Ok(_) if groups.iter().any(|known| known.eq_ignore_ascii_case(bare)) => {}
                Ok(_) => groups.push(bare.to_owned()),
                Err(_) if bare == "auto" => return None,
                Err(error) => list.lost(line, bare, reason(&error)),
            }
        }
        let is_hybrid = |name: &String| name.to_ascii_uppercase().contains("MLKEM");
        if !versions.contains(&Version::Tls13) {
            groups.retain(|name| !is_hybrid(name));
        }
        let usable =
            groups.iter().any(|name| !is_hybrid(name)) || !versions.contains(&Version::Tls12) && !groups.is_empty();
        if !usable {
            list.security(line, value.clone(), "no group of this list is left, so all groups of tlsgate are allowed");
        }
        usable.then_some(groups)
    }
}

/// An error without what a configuration of tlsgate could have instead.
fn reason(error: &PolicyError) -> String {
    let text = error.to_string();
    text.split(" (expected").next().unwrap_or_default().to_owned()
}

/// OpenSSL's default.
const SUITES: &str = "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256";
