//! `[policy.NAME]` → a policy; names → policies; and warnings about the policies that are used.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::config::file;
use crate::config::located::{ConfigError, Located};
use crate::config::validate::wording::listed;
use crate::tls::policy::names::{PolicyError, parse_group, parse_suite, parse_version};
use crate::tls::policy::own::{Part, Wish, WishFault};
use crate::tls::policy::{CipherOrder, Policy, aws, elb};

/// The policies that a listener can name.
#[derive(Debug, Default)]
pub(super) struct Policies {
    own: Vec<Arc<Policy>>,
    /// The indexes of those in `own`.
    by_name: HashMap<Arc<str>, usize>,
    /// Declared, but wrong, which is reported: a key that names one of these is not reported as well.
    wrong: HashSet<String>,
}

impl Policies {
    pub(super) fn validated(policies: Vec<file::policy::Policy>, errors: &mut Vec<ConfigError>) -> Self {
        let mut all = Self::default();
        for policy in policies {
            let name = policy.name.clone();
            match own(policy) {
                Ok(policy) => {
                    all.by_name.insert(name.into(), all.own.len());
                    all.own.push(Arc::new(policy));
                }
                Err(more) => {
                    all.wrong.insert(name);
                    errors.extend(more);
                }
            }
        }
        all
    }

    /// The policy with that name; `None` adds an error, unless the policy itself is wrong.
    pub(super) fn named(&self, name: &Located<String>, errors: &mut Vec<ConfigError>) -> Option<Arc<Policy>> {
        let own = self.by_name.get(name.value.as_str()).and_then(|index| self.own.get(*index));
        let found = own.map(Arc::clone).or_else(|| aws::named(&name.value));
        if found.is_none() && !self.wrong.contains(&name.value) {
            let known = aws::policies().iter().chain(&self.own).map(|policy| &*policy.name);
            let known = listed(known);
            errors.push(name.error(format!(
                "unknown policy {:?} (expected one of {known}; your own is written [policy.NAME])",
                name.value
            )));
        }
        found
    }

    /// The policies of `[policy.NAME]`, and warnings. `used` are pairs: a user of a policy (`listener "a"`), and the
    /// policy's name.
    pub(super) fn into_used<'l>(
        self,
        used: impl Iterator<Item = (String, &'l str)>,
    ) -> (Vec<Arc<Policy>>, Vec<String>) {
        let mut users: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (user, policy) in used {
            let users = users.entry(policy).or_default();
            // The pairs of one user are adjacent: the last one is all that has to be compared.
            if users.last() != Some(&user) {
                users.push(user);
            }
        }
        let unused = self.own.iter().filter(|policy| !users.contains_key(&*policy.name));
        let mut warnings: Vec<String> =
            unused.map(|policy| format!("policy {:?}: no listener or backend uses it", policy.name)).collect();
        for (name, users) in users {
            // A policy of the configuration never has such a name: `own` refuses it.
            let Some(definition) = aws::definition(name).filter(|definition| definition.is_cut()) else { continue };
            // A group that is left out shuts no client out: one that has it has another as well.
            let left_out = definition.left_out().into_iter().filter(|left_out| left_out.what != aws::What::Groups);
            let left_out = left_out.map(|left_out| left_out.to_string()).collect::<Vec<_>>().join("; ");
            let users = users.join(", ");
            warnings.push(format!(
                "{users}: policy {name:?}: only the part that tlsgate allows is served; left out: {left_out}"
            ));
        }
        (self.own, warnings)
    }
}

fn own(policy: file::policy::Policy) -> Result<Policy, Vec<ConfigError>> {
    let here = &policy.here;
    let mut errors = Vec::new();
    if policy.name.is_empty() {
        errors.push(here.error("found \"\", expected a name"));
    } else if aws::named(&policy.name).is_some() {
        errors.push(here.error("is the name of a built-in policy, which never changes (expected a name of your own)"));
    } else if policy.name.starts_with(aws::PREFIX) {
        // A later version of tlsgate may add a policy of AWS with this name.
        errors
            .push(here.error(format!("begins with {}, as AWS's names do (expected a name of your own)", aws::PREFIX)));
    }
    let wish = match &policy.elb {
        Some(elb) => from_elb(&policy, elb),
        None => from_lists(&policy),
    };
    match wish.and_then(|wish| wish.named(&policy.name).map_err(|faults| placed(faults, &policy))) {
        Ok(own) if errors.is_empty() => return Ok(own),
        Ok(_) => {}
        Err(more) => errors.extend(more),
    }
    Err(errors)
}

fn from_elb(policy: &file::policy::Policy, elb: &Located<String>) -> Result<Wish, Vec<ConfigError>> {
    let mut errors = Vec::new();
    let beside = [
        ("versions", policy.versions.is_some()),
        ("ciphers", policy.ciphers.is_some()),
        ("cipher_order", policy.cipher_order.is_some()),
    ];
    for (key, _) in beside.into_iter().filter(|(_, there)| *there) {
        errors.push(elb.error(format!("sets the same as \"{key}\" (expected one of the two)")));
    }
    // A classic load balancer's string has no groups, so they can be set as well.
    let groups = read(policy.groups.as_deref(), parse_group, &mut errors);
    match elb::parse(&elb.value) {
        Ok(wish) if errors.is_empty() => return Ok(Wish { groups, ..wish }),
        Ok(_) => {}
        Err(more) => errors.extend(more.into_iter().map(|error| elb.error(error.to_string()))),
    }
    Err(errors)
}

fn from_lists(policy: &file::policy::Policy) -> Result<Wish, Vec<ConfigError>> {
    let mut errors = Vec::new();
    for (key, there, expected) in [
        ("versions", policy.versions.is_some(), "\"TLSv1.2\", \"TLSv1.3\" or both, or \"elb\" instead"),
        ("ciphers", policy.ciphers.is_some(), "cipher suites, best first, or \"elb\" instead"),
    ] {
        if !there {
            errors.push(policy.here.error(format!("\"{key}\" is missing (expected {expected})")));
        }
    }
    let versions = read(policy.versions.as_deref(), parse_version, &mut errors);
    let suites = read(policy.ciphers.as_deref(), parse_suite, &mut errors);
    let groups = read(policy.groups.as_deref(), parse_group, &mut errors);
    // An empty list was reported when it was read.
    let full = |there: usize| there > 0;
    match (versions, suites) {
        (Some(versions), Some(suites)) if errors.is_empty() && full(versions.len()) && full(suites.len()) => {
            let cipher_order = policy.cipher_order.as_ref().map_or(CipherOrder::Server, |order| order.value);
            Ok(Wish { versions, suites, groups, cipher_order })
        }
        _ => Err(errors),
    }
}

fn read<T>(
    list: Option<&[Located<String>]>,
    parse: fn(&str) -> Result<T, PolicyError>,
    errors: &mut Vec<ConfigError>,
) -> Option<Vec<T>> {
    let mut read = Vec::new();
    for text in list? {
        match parse(&text.value) {
            Ok(value) => read.push(value),
            Err(error) => errors.push(text.error(error.to_string())),
        }
    }
    Some(read)
}

/// Gives each fault the place of the key or entry that caused it.
fn placed(faults: Vec<WishFault>, policy: &file::policy::Policy) -> Vec<ConfigError> {
    let place = |fault: WishFault| {
        let (key, list) = match fault.part {
            Part::Versions => ("versions", &policy.versions),
            Part::Suites => ("ciphers", &policy.ciphers),
            Part::Groups => ("groups", &policy.groups),
        };
        let message = fault.error.to_string();
        match (&policy.elb, list.as_deref().unwrap_or_default()) {
            (Some(elb), _) if fault.part != Part::Groups || policy.groups.is_none() => elb.error(message),
            (_, list) => match (fault.index.and_then(|index| list.get(index)), list.first()) {
                (Some(entry), _) => entry.error(message),
                (None, Some(first)) => {
                    let path = format!("{}: {key}", policy.here.path);
                    ConfigError { path, position: Some(first.at), message }
                }
                (None, None) => policy.here.error(message),
            },
        }
    };
    faults.into_iter().map(place).collect()
}
