//! The certificates by which peers' are judged → which are anchors, which are intermediate, and what is odd about each.
//! Must not know: files, whether peers are clients or servers.

use std::collections::{BTreeMap, BTreeSet};

use x509_parser::prelude::X509Certificate;

use crate::tls::certificate::certified::algorithm;
use crate::tls::certificate::x509::printable;
use crate::tls::certificate::x509::{is_self_issued, signed_by};
use crate::tls::crypto::Verified;
use crate::tls::trust::anchor::may_issue;
use crate::tls::trust::lists::List;
use crate::tls::trust::lists::points;

/// What one of the certificates is used for. A peer may also present any of them itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Chains may end at it.
    Anchor,
    /// A CA that another one issued and may revoke: chains continue to its issuer.
    Between,
    /// It may not issue certificates.
    Client,
}

/// The certificates, and which of them issued which.
#[derive(Debug)]
pub struct Authorities<'a> {
    /// `None` for one that cannot be read here.
    pub parsed: Vec<Option<X509Certificate<'a>>>,
    /// For each certificate those that issued it.
    issuers: Vec<Vec<usize>>,
}

/// Certificates and lists that are used together: of CAs with the same name, one key alone, since webpki looks for the list
/// of a CA by its name.
#[derive(Debug, Default)]
pub struct Track {
    pub anchors: Vec<usize>,
    pub between: Vec<usize>,
    /// Which of the lists that are kept.
    pub lists: Vec<usize>,
}

impl<'a> Authorities<'a> {
    pub fn new(parsed: Vec<Option<X509Certificate<'a>>>) -> Self {
        let issued = |ca: &X509Certificate<'_>, certificate: &X509Certificate<'_>| {
            let signature = &certificate.signature_value.data;
            ca.subject().as_raw() == certificate.issuer().as_raw()
                && may_issue(ca)
                && signed_by(ca.public_key(), certificate.as_raw(), certificate.tbs_certificate.as_ref(), signature)
                    == Verified::Yes
        };
        let mut by_name: BTreeMap<&[u8], Vec<usize>> = BTreeMap::new();
        for (index, ca) in parsed.iter().enumerate() {
            if let Some(ca) = ca {
                by_name.entry(ca.subject().as_raw()).or_default().push(index);
            }
        }
        let issuers_of = |(index, certificate): (usize, &Option<X509Certificate<'_>>)| {
            let Some(certificate) = certificate.as_ref().filter(|one| !is_self_issued(one)) else { return Vec::new() };
            let namesakes = by_name.get(certificate.issuer().as_raw()).map_or(&[][..], Vec::as_slice);
            let ca = |at: &usize| parsed[*at].as_ref().is_some_and(|ca| issued(ca, certificate));
            namesakes.iter().copied().filter(|at| *at != index && ca(at)).collect()
        };
        let issuers = parsed.iter().enumerate().map(issuers_of).collect();
        Self { issuers, parsed }
    }

    /// Whether two of them have the same name and key.
    pub fn same_key(&self, one: usize, other: usize) -> bool {
        match (&self.parsed[one], &self.parsed[other]) {
            (Some(one), Some(other)) => {
                one.subject().as_raw() == other.subject().as_raw() && one.public_key().raw == other.public_key().raw
            }
            _ => false,
        }
    }

    /// Whether another one of them issued it.
    pub fn has_issuer(&self, index: usize) -> bool {
        !self.issuers[index].is_empty()
    }

    /// Whether one of those that issued it has a list.
    pub fn is_covered(&self, index: usize, lists: &[List]) -> bool {
        let listed = |ca: &usize| lists.iter().any(|list| self.same_key(list.signer, *ca));
        self.issuers[index].iter().any(listed)
    }

    /// Whether its certificate says where the list is that could revoke it.
    pub fn has_point(&self, index: usize) -> bool {
        self.parsed[index].as_ref().is_some_and(|parsed| !points::of(parsed.as_raw()).is_empty())
    }

    /// The role of each. A CA that another one issued is not an anchor where the other one's list could revoke it, or where
    /// that list `is_awaited`: webpki does not check whether an anchor is revoked.
    pub fn roles(&self, lists: &[List], is_awaited: impl Fn(usize) -> bool) -> Vec<Role> {
        let start = |(index, parsed): (usize, &Option<X509Certificate<'_>>)| match parsed {
            Some(parsed) if !may_issue(parsed) => Some(Role::Client),
            _ if self.has_issuer(index) && is_awaited(index) => None,
            _ if !self.is_covered(index, lists) => Some(Role::Anchor),
            _ => None,
        };
        let mut roles: Vec<Option<Role>> = self.parsed.iter().enumerate().map(start).collect();
        // Those that issued each other must not leave chains without an end.
        loop {
            let rooted = |index: &usize| {
                let known = |ca: &usize| matches!(roles[*ca], Some(Role::Anchor | Role::Between));
                roles[*index].is_none() && self.issuers[*index].iter().any(known)
            };
            let Some(index) = (0..roles.len()).find(rooted) else { break };
            roles[index] = Some(Role::Between);
        }
        roles.into_iter().map(|role| role.unwrap_or(Role::Anchor)).collect()
    }

    /// Every combination of keys of CAs that share a name, where lists distinguish them. `None` where there are too many.
    pub fn tracks(&self, roles: &[Role], lists: &[List]) -> Option<Vec<Track>> {
        let mut keys: BTreeMap<&[u8], BTreeSet<&[u8]>> = BTreeMap::new();
        for (ca, _) in self.parsed.iter().zip(roles).filter(|(_, role)| **role != Role::Client) {
            if let Some(ca) = ca {
                keys.entry(ca.subject().as_raw()).or_default().insert(ca.public_key().raw);
            }
        }
        keys.retain(|_, keys| keys.len() > 1 && !lists.is_empty());
        let count = keys.values().try_fold(1_usize, |count, keys| count.checked_mul(keys.len()));
        let count = count.filter(|count| *count <= MOST_TRACKS)?;
        Some((0..count).map(|number| self.track(number, &keys, roles, lists)).collect())
    }

    fn track(&self, number: usize, keys: &BTreeMap<&[u8], BTreeSet<&[u8]>>, roles: &[Role], lists: &[List]) -> Track {
        let (mut chosen, mut rest) = (BTreeMap::new(), number);
        for (name, keys) in keys {
            chosen.insert(*name, keys.iter().nth(rest % keys.len()));
            rest /= keys.len();
        }
        let within = |index: usize| {
            let Some(ca) = &self.parsed[index] else { return true };
            chosen.get(ca.subject().as_raw()).is_none_or(|key| *key == Some(&ca.public_key().raw))
        };
        let of = |wanted: Role| (0..roles.len()).filter(move |at| roles[*at] == wanted).filter(|at| within(*at));
        // webpki itself finds out whether an intermediate CA is revoked, but not an anchor.
        let anchors = of(Role::Anchor).filter(|at| !lists.iter().any(|list| list.revokes.contains(at))).collect();
        let own: Vec<usize> = (0..lists.len()).filter(|at| within(lists[*at].signer)).collect();
        // Without any list, webpki would not check revocation. With the lists of namesakes, it refuses every certificate
        // that no list covers.
        let lists = if own.is_empty() { (0..lists.len()).collect() } else { own };
        Track { anchors, between: of(Role::Between).collect(), lists }
    }

    /// CAs whose peers are refused because other CAs have lists and they have none.
    pub fn unlisted(&self, lists: &[List]) -> Vec<usize> {
        let issues_another = |ca: usize| self.issuers.iter().any(|issuers| issuers.contains(&ca));
        let unlisted = |ca: &usize| {
            let issues = self.parsed[*ca].as_ref().is_some_and(may_issue);
            // A root that issues only to CAs needs none where those are trusted themselves.
            issues && !issues_another(*ca) && !lists.iter().any(|list| self.same_key(list.signer, *ca))
        };
        if lists.is_empty() { Vec::new() } else { (0..self.parsed.len()).filter(unlisted).collect() }
    }

    /// The subject, in a text that is safe to print.
    pub fn subject(&self, index: usize) -> String {
        self.parsed[index].as_ref().map_or_else(String::new, |parsed| printable(&parsed.subject().to_string()))
    }

    /// Why signatures of a CA cannot be verified; `None` where they can.
    pub fn unusable_key(&self, index: usize) -> Option<String> {
        algorithm::key_type(self.parsed[index].as_ref()?).err().map(|error| error.to_string())
    }

    /// A warning about one of them that does not change what it is used for.
    pub fn remark(&self, index: usize) -> Option<String> {
        let parsed = self.parsed[index].as_ref()?;
        let subject = self.subject(index);
        if may_issue(parsed) {
            let signs = parsed.key_usage().is_ok_and(|usage| usage.is_none_or(|usage| usage.value.key_cert_sign()));
            return (!signs).then(|| format!("the CA \"{subject}\" may not sign certificates (its keyUsage has no keyCertSign); other software refuses its clients"));
        }
        let says_so = parsed.basic_constraints().is_ok_and(|constraints| constraints.is_some());
        let on_purpose = is_self_issued(parsed) && says_so;
        (!on_purpose).then(|| format!("\"{subject}\" is not a CA (by its basicConstraints): only a client that shows this very certificate is accepted"))
    }
}

/// Each client may be judged by all of them.
const MOST_TRACKS: usize = 16;

#[cfg(test)]
mod tests;
