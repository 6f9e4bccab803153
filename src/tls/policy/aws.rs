//! AWS's complete definitions of its policies, and the part of each that tlsgate serves.
//! Source: AWS, "Security policies for your Application Load Balancer". AWS lists only the post-quantum groups of its
//! policies; the other groups here are those that rustls has. Must not know: own policies.

use std::sync::{Arc, LazyLock};

use super::{CipherOrder, Policy, names};
use crate::tls::crypto;

/// The prefix of AWS's policy names. Names are accepted with and without it.
pub const PREFIX: &str = "ELBSecurityPolicy-";

/// The AWS console's default for new TLS listeners since 2025.
pub const DEFAULT: &str = "TLS13-1-2-Res-PQ-2025-09";

/// A policy as AWS defines it, with AWS's names, in AWS's order.
#[derive(Debug, Clone, Copy)]
pub struct Definition {
    /// Without the prefix.
    pub name: &'static str,
    /// OpenSSL's names, the newest first.
    pub versions: &'static [&'static str],
    /// OpenSSL's names, the preferred one first.
    pub suites: &'static [&'static str],
    /// IANA's names, the preferred one first.
    pub groups: &'static [&'static str],
}

/// Entries of a definition that tlsgate leaves out, all for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The list that has the entries.
    pub what: What,
    /// The entries, as AWS names them.
    pub names: Vec<String>,
    /// The reason.
    pub why: String,
}

/// One of a policy's lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    Versions,
    Suites,
    Groups,
}

/// The definition of that name, with or without the prefix.
pub fn definition(name: &str) -> Option<&'static Definition> {
    let bare = name.strip_prefix(PREFIX).unwrap_or(name);
    ALL.iter().find(|definition| definition.name == bare)
}

/// The policies as tlsgate serves them, one for each name.
pub fn policies() -> &'static [Arc<Policy>] {
    // Built once and shared: every listener and route may name a policy.
    static POLICIES: LazyLock<Vec<Arc<Policy>>> =
        LazyLock::new(|| ALL.iter().map(|definition| Arc::new(definition.policy())).collect());
    &POLICIES
}

/// The built-in policy of that name, with or without the `ELBSecurityPolicy-` prefix.
pub fn named(name: &str) -> Option<Arc<Policy>> {
    let bare = name.strip_prefix(PREFIX).unwrap_or(name);
    policies().iter().find(|policy| &*policy.name == bare).map(Arc::clone)
}

impl Definition {
    /// The part of the definition that tlsgate serves.
    fn policy(&self) -> Policy {
        Policy {
            name: self.name.into(),
            versions: self.versions.iter().filter_map(|name| names::parse_version(name).ok()).collect(),
            suites: self.suites.iter().filter_map(|name| names::parse_suite(name).ok()).collect(),
            groups: self.groups.iter().filter_map(|name| names::parse_group(name).ok()).collect(),
            cipher_order: CipherOrder::Server,
        }
    }

    /// What tlsgate does not serve, and why, in the order of the definition.
    pub fn left_out(&self) -> Vec<LeftOut> {
        let mut all: Vec<LeftOut> = Vec::new();
        let mut add = |what: What, name: &str, why: String| match all
            .iter_mut()
            .find(|known| known.what == what && known.why == why)
        {
            Some(known) => known.names.push(name.to_owned()),
            None => all.push(LeftOut { what, names: vec![name.to_owned()], why }),
        };
        for name in self.versions.iter().filter(|name| names::parse_version(name).is_err()) {
            add(What::Versions, name, "deprecated by RFC 8996".to_owned());
        }
        for name in self.suites {
            if let Some(suite) = names::any_suite(name).filter(|suite| crypto::suite(*suite).is_none()) {
                add(What::Suites, name, names::why_no_suite(suite));
            }
        }
        for name in self.groups.iter().filter(|name| names::parse_group(name).is_err()) {
            add(What::Groups, name, "rustls does not have it".to_owned());
        }
        all
    }

    /// Whether clients that need what is left out cannot connect. A missing group is no loss: every client that supports it
    /// supports one of the other groups too.
    pub fn is_cut(&self) -> bool {
        self.left_out().iter().any(|left_out| left_out.what != What::Groups)
    }
}

impl What {
    /// The list's name in plural, for messages.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Versions => "versions",
            Self::Suites => "cipher suites",
            Self::Groups => "groups",
        }
    }
}

impl std::fmt::Display for LeftOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.names.join(", "), self.why)
    }
}

/// The definitions that tlsgate serves completely come first.
const ALL: &[Definition] = &[
    Definition { name: "TLS13-1-3-2021-06", versions: ONLY_13, suites: T13, groups: CLASSIC },
    Definition { name: "TLS13-1-3-PQ-2025-09", versions: ONLY_13, suites: T13, groups: HYBRID },
    Definition { name: "TLS13-1-2-Res-2021-06", versions: FROM_12, suites: T13_RES, groups: CLASSIC },
    Definition { name: DEFAULT, versions: FROM_12, suites: T13_RES, groups: HYBRID },
    Definition { name: "FS-1-2-Res-2020-10", versions: ONLY_12, suites: RES, groups: CLASSIC },
    Definition { name: "TLS13-1-2-2021-06", versions: FROM_12, suites: T13_CBC, groups: CLASSIC },
    Definition { name: "TLS13-1-2-PQ-2025-09", versions: FROM_12, suites: T13_CBC, groups: HYBRID },
    Definition { name: "TLS-1-2-2017-01", versions: ONLY_12, suites: SHA2, groups: CLASSIC },
    Definition { name: "TLS-1-1-2017-01", versions: &["TLSv1.2", "TLSv1.1"], suites: EVERY, groups: CLASSIC },
    Definition { name: "2016-08", versions: &["TLSv1.2", "TLSv1.1", "TLSv1"], suites: EVERY, groups: CLASSIC },
];

const ONLY_13: &[&str] = &["TLSv1.3"];
const ONLY_12: &[&str] = &["TLSv1.2"];
const FROM_12: &[&str] = &["TLSv1.3", "TLSv1.2"];

const T13: &[&str] = &["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"];
const RES: &[&str] = &[
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
];
// A `const` cannot join slices, so these lists repeat the entries of the shorter ones.
const T13_RES: &[&str] = &[T13[0], T13[1], T13[2], RES[0], RES[1], RES[2], RES[3]];
const T13_CBC: &[&str] = &[
    T13[0],
    T13[1],
    T13[2],
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES128-SHA256",
    "ECDHE-RSA-AES128-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES256-SHA384",
    "ECDHE-RSA-AES256-SHA384",
];
const SHA2: &[&str] = &[
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES128-SHA256",
    "ECDHE-RSA-AES128-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES256-SHA384",
    "ECDHE-RSA-AES256-SHA384",
    "AES128-GCM-SHA256",
    "AES128-SHA256",
    "AES256-GCM-SHA384",
    "AES256-SHA256",
];
const EVERY: &[&str] = &[
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES128-SHA256",
    "ECDHE-RSA-AES128-SHA256",
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES256-SHA384",
    "ECDHE-RSA-AES256-SHA384",
    "ECDHE-RSA-AES256-SHA",
    "ECDHE-ECDSA-AES256-SHA",
    "AES128-GCM-SHA256",
    "AES128-SHA256",
    "AES128-SHA",
    "AES256-GCM-SHA384",
    "AES256-SHA256",
    "AES256-SHA",
];

const CLASSIC: &[&str] = &["x25519", "secp256r1", "secp384r1"];
const HYBRID: &[&str] =
    &["X25519MLKEM768", "SecP256r1MLKEM768", "SecP384r1MLKEM1024", CLASSIC[0], CLASSIC[1], CLASSIC[2]];
