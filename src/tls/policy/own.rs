//! Lists as a user wrote them → an own policy, or everything that is wrong with them.
//! Must not know: AWS's policies, where the lists were written.

use rustls::{CipherSuite, NamedGroup, ProtocolVersion};
use std::borrow::Cow;

use super::names::{EVERY_GROUP, PolicyError};
use super::{CipherOrder, Policy, exchanges, version_of};
use crate::tls::wire::codes;

/// An own policy as written, not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// TLS versions, in any order.
    pub versions: Vec<ProtocolVersion>,
    /// Cipher suites of all versions, the preferred one first.
    pub suites: Vec<CipherSuite>,
    /// Key exchange groups, the preferred one first. `None`: every group that the versions can use.
    pub groups: Option<Vec<NamedGroup>>,
    /// Whose order of cipher suites decides.
    pub cipher_order: CipherOrder,
}

/// The list with the fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Versions,
    Suites,
    Groups,
}

/// A fault of an own policy: the list, and its entry if the fault is in one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WishFault {
    /// The list.
    pub part: Part,
    /// The entry's place in the list, from 0.
    pub index: Option<usize>,
    /// What is wrong.
    pub error: PolicyError,
}

impl Wish {
    /// Builds the policy if its lists fit together: each version has suites and groups, each suite and group has its
    /// version. Otherwise returns all faults.
    pub fn named(self, name: &str) -> Result<Policy, Vec<WishFault>> {
        let mut faults = Vec::new();
        faults.extend(twice(Part::Versions, &self.versions, |version| codes::version_name(*version)));
        faults.extend(twice(Part::Suites, &self.suites, |suite| codes::suite_name(*suite)));
        // Sorted, because `Policy::versions` has the best one first, however the user wrote them.
        let mut versions = self.versions.clone();
        versions.sort_by_key(|version| std::cmp::Reverse(u16::from(*version)));
        // Repeated versions are reported above; the checks below must not report them again.
        versions.dedup();
        for (index, suite) in self.suites.iter().enumerate() {
            if let Some(version) = version_of(*suite).filter(|version| !versions.contains(version)) {
                let error = PolicyError::SuiteWithoutVersion(*suite, version);
                faults.push(WishFault { part: Part::Suites, index: Some(index), error });
            }
        }
        for version in &versions {
            if !self.suites.iter().any(|suite| version_of(*suite) == Some(*version)) {
                let error = PolicyError::VersionWithoutSuite(*version);
                faults.push(WishFault { part: Part::Versions, index: None, error });
            }
        }
        let usable = |group: &NamedGroup| versions.iter().any(|version| exchanges(*group, *version));
        let groups = match self.groups {
            None => EVERY_GROUP.iter().copied().filter(usable).collect(),
            Some(groups) => {
                faults.extend(twice(Part::Groups, &groups, |group| codes::group_name(*group)));
                for (index, group) in groups.iter().enumerate().filter(|(_, group)| !usable(group)) {
                    let error = PolicyError::GroupWithoutVersion(*group);
                    faults.push(WishFault { part: Part::Groups, index: Some(index), error });
                }
                for version in &versions {
                    if !groups.iter().any(|group| exchanges(*group, *version)) {
                        let error = PolicyError::VersionWithoutGroup(*version);
                        faults.push(WishFault { part: Part::Groups, index: None, error });
                    }
                }
                groups
            }
        };
        match faults.is_empty() {
            true => {
                Ok(Policy { name: name.into(), versions, suites: self.suites, groups, cipher_order: self.cipher_order })
            }
            false => Err(faults),
        }
    }
}

fn twice<T: PartialEq>(part: Part, list: &[T], name: impl Fn(&T) -> Cow<'static, str>) -> Vec<WishFault> {
    let repeated = list.iter().enumerate().filter(|(index, entry)| list[..*index].contains(entry));
    repeated
        .map(|(index, entry)| WishFault {
            part,
            index: Some(index),
            error: PolicyError::Twice(name(entry).into_owned()),
        })
        .collect()
}
