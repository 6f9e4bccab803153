//! Compares findings with a policy, and lists every difference. Must not know: how either came about.

use std::sync::Arc;

use super::findings::{Expectation, Findings};
use super::found::{Order, Version};
use super::suites::{self, Authentication};
use crate::tls::policy::{CipherOrder, Policy, aws};
use crate::tls::wire::codes;
use crate::tls::wire::codes::versions::{TLS12, TLS13};

/// The content of a policy, as IANA's numbers. This is all that the probe knows about policies.
#[derive(Debug, Clone)]
pub(super) struct Expected {
    name: String,
    versions: Vec<u16>,
    suites: Vec<u16>,
    groups: Vec<u16>,
    order: Order,
}

impl Expected {
    /// The built-in policy of that name, or one of these.
    pub(super) fn named(name: &str, own: &[Arc<Policy>]) -> Result<Self, String> {
        let found = aws::named(name).or_else(|| own.iter().find(|policy| *policy.name == *name).map(Arc::clone));
        let Some(policy) = found else {
            let known: Vec<_> = aws::policies().iter().chain(own).map(|policy| &*policy.name).collect();
            return Err(format!("unknown policy {name:?} (expected one of {})", known.join(", ")));
        };
        Ok(Self {
            name: policy.name.to_string(),
            versions: policy.versions.iter().map(|version| u16::from(*version)).collect(),
            suites: policy.suites.iter().map(|suite| u16::from(*suite)).collect(),
            groups: policy.groups.iter().map(|group| u16::from(*group)).collect(),
            order: match policy.cipher_order {
                CipherOrder::Server => Order::Server,
                CipherOrder::Client => Order::Client,
            },
        })
    }
}

/// Compares. A suite does not count as missing if the server did not show a certificate of the kind that it needs.
pub(super) fn compare(expected: &Expected, found: &Findings) -> Expectation {
    let mut differences = Vec::new();
    for version in &found.versions {
        let (name, wanted) = (codes::version_name(version.version), expected.versions.contains(&version.version));
        match (version.accepted, wanted) {
            (true, false) => differences.push(format!("{name} is accepted, but the policy does not have it")),
            (false, true) => differences.push(format!("{name} is not accepted, but the policy has it")),
            _ => {}
        }
        if version.accepted {
            suites_of(version, wanted, expected, found, &mut differences);
        }
        if version.accepted && wanted {
            groups_of(version, expected, &mut differences);
        }
    }
    Expectation { policy: expected.name.clone(), holds: differences.is_empty(), differences }
}

fn suites_of(version: &Version, wanted: bool, expected: &Expected, found: &Findings, to: &mut Vec<String>) {
    let name = codes::version_name(version.version);
    let accepted: Vec<u16> = version.suites.iter().map(|suite| suite.id).collect();
    let allowed: Vec<u16> = expected.suites.iter().copied().filter(|suite| belongs(*suite, version.version)).collect();
    for suite in accepted.iter().filter(|suite| !allowed.contains(suite)) {
        to.push(format!("{name}: {} is accepted, but the policy does not have it", codes::suite_name(*suite)));
    }
    if !wanted {
        return;
    }
    for suite in allowed.iter().filter(|suite| !accepted.contains(suite) && is_possible(**suite, found)) {
        to.push(format!("{name}: {} is not accepted, but the policy has it", codes::suite_name(*suite)));
    }
    match version.cipher_order {
        None => {}
        Some(order) if order != expected.order => {
            let whose = |order| if order == Order::Server { "server's" } else { "client's" };
            let (is, should) = (whose(order), whose(expected.order));
            to.push(format!("{name}: the {is} order of suites decides; in the policy it is the {should}"));
        }
        Some(Order::Server) => {
            // A server may choose the certificate before the suite. Then its order only holds among the suites for one kind
            // of certificate.
            for kind in [Authentication::Rsa, Authentication::Ecdsa, Authentication::Other] {
                let of_kind = |suite: &u16| suites::authentication(*suite) == kind;
                let both = |suite: &u16| accepted.contains(suite) && allowed.contains(suite) && of_kind(suite);
                let is: Vec<u16> = accepted.iter().copied().filter(both).collect();
                let should: Vec<u16> = allowed.iter().copied().filter(both).collect();
                if is != should {
                    let list =
                        |all: &[u16]| all.iter().map(|suite| codes::suite_name(*suite)).collect::<Vec<_>>().join(", ");
                    to.push(format!(
                        "{name}: the order of suites is {}; in the policy it is {}",
                        list(&is),
                        list(&should)
                    ));
                }
            }
        }
        Some(Order::Client) => {}
    }
}

fn groups_of(version: &Version, expected: &Expected, to: &mut Vec<String>) {
    let name = codes::version_name(version.version);
    // From 0x0100 on, groups are not elliptic curves: FFDHE (RFC 7919), and hybrids, which only TLS 1.3 has.
    let allowed: Vec<u16> =
        expected.groups.iter().copied().filter(|group| version.version == TLS13 || *group < 0x0100).collect();
    for group in version.groups.iter().filter(|group| !allowed.contains(group)) {
        to.push(format!("{name}: group {} is accepted, but the policy does not have it", codes::group_name(*group)));
    }
    if !version.groups_complete {
        // A group that was not found may still be accepted.
        return;
    }
    for group in allowed.iter().filter(|group| !version.groups.contains(group)) {
        to.push(format!("{name}: group {} is not accepted, but the policy has it", codes::group_name(*group)));
    }
}

/// Whether a suite can be used under a version.
fn belongs(suite: u16, version: u16) -> bool {
    suites::is_tls13(suite) == (version == TLS13) && version >= TLS12 || version < TLS12 && !suites::is_tls13(suite)
}

/// Whether the server showed a certificate that this suite could be used with.
fn is_possible(suite: u16, found: &Findings) -> bool {
    let shown =
        |kinds: &[&str]| found.certificates.iter().any(|one| kinds.iter().any(|kind| one.key.starts_with(kind)));
    match suites::authentication(suite) {
        Authentication::Rsa => shown(&["RSA"]),
        Authentication::Ecdsa => shown(&["ECDSA", "Ed25519", "Ed448"]),
        Authentication::Other => true,
    }
}
