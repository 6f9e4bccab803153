//! Which releases and parts can be removed, and in which order. Pure.
//!
//! A list that is there proves that everything below it is there: so lists go before what they lead to. Each step is one
//! transaction, which holds only if no release has come since it was decided what is needed, and which changes
//! [`key::PARTS_GENERATION`]: who has found a part before that cannot propose a release that relies on it.
//!
//! Must not know: etcd, what a release contains.

use std::collections::{BTreeMap, BTreeSet};

use super::key;
use super::part::PartName;
use super::record::{Proposal, Record, Root};
use super::store::{Change, Revision, Transaction};

/// Which of the releases stay: the last ones, and the current one.
pub fn kept(releases: &[Record], current: Option<&Record>, keep: usize) -> BTreeSet<u64> {
    let mut order: Vec<&Record> = releases.iter().collect();
    // Numbers can be given twice, and stamps cannot.
    order.sort_by_key(|record| std::cmp::Reverse(record.stamp));
    let last = order.into_iter().take(keep).chain(current);
    last.map(|record| record.number).collect()
}

/// All roots that are needed.
pub fn needed<'r>(
    kept: impl Iterator<Item = &'r Record>,
    current: Option<&'r Record>,
    proposal: Option<&'r Proposal>,
) -> BTreeSet<Root> {
    let proposed = proposal.map(|proposal| &proposal.record);
    kept.chain(current).chain(proposed).flat_map(Record::roots).cloned().collect()
}

/// Parts in the order in which they can be removed: each after all that lead to it. `below` has what each leads to.
pub fn order(parts: &BTreeMap<PartName, Vec<PartName>>) -> Vec<PartName> {
    let mut above: BTreeMap<&PartName, usize> = parts.keys().map(|part| (part, 0)).collect();
    for (part, below) in parts {
        for name in below.iter().filter(|name| *name != part) {
            above.entry(name).and_modify(|count| *count += 1);
        }
    }
    let mut free: Vec<&PartName> = above.iter().filter(|(_, count)| **count == 0).map(|(part, _)| *part).collect();
    let mut order = Vec::with_capacity(parts.len());
    while let Some(part) = free.pop() {
        above.remove(part);
        order.push(part.clone());
        for name in parts.get(part).into_iter().flatten().filter(|name| *name != part) {
            let Some(count) = above.get_mut(name) else { continue };
            *count -= 1;
            if *count == 0 {
                free.push(above.get_key_value(name).map_or(name, |(name, _)| *name));
            }
        }
    }
    // None are left of what tlsgate has written: a part's name follows from what it leads to, so there are no circles.
    order.extend(above.into_keys().cloned());
    order
}

/// What was seen when it was decided what is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    pub current: Revision,
    pub proposal: Revision,
    pub parts: Revision,
}

impl Seen {
    /// Removes these keys if nothing has changed. `mark` is what [`key::PARTS_GENERATION`] gets.
    pub fn removing(&self, keys: impl Iterator<Item = String>, mark: Vec<u8>) -> Transaction {
        let when = vec![
            (key::CURRENT.into(), self.current),
            (key::PROPOSAL.into(), self.proposal),
            (key::PARTS_GENERATION.into(), self.parts),
        ];
        let mark = Change::Put { key: key::PARTS_GENERATION.into(), value: mark, lease: None };
        let then = std::iter::once(mark).chain(keys.map(|key| Change::Delete { key })).collect();
        Transaction { when, then }
    }
}

/// The most keys in one step: etcd takes 128 operations, with those that are compared.
pub const STEP: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn record(number: u64, stamp: u64, root: &str) -> Record {
        Record {
            number,
            stamp,
            attempt: format!("{stamp}"),
            root: Root(root.into()),
            canary: None,
            by: String::new(),
            note: String::new(),
        }
    }

    #[test]
    fn the_last_releases_stay_and_whatever_is_served_or_proposed() {
        let releases: Vec<Record> = (1..=20).map(|number| record(number, number * 10, &format!("r{number}"))).collect();
        let current = record(4, 500, "r4");
        assert_eq!(kept(&releases, Some(&current), 3), BTreeSet::from([4, 18, 19, 20]));
        let proposal = Proposal { record: record(21, 600, "new"), without: Vec::new() };
        let stay = releases.iter().filter(|record| record.number >= 20);
        let roots = needed(stay, Some(&current), Some(&proposal));
        assert_eq!(roots, ["r20", "r4", "new"].map(|root| Root(root.into())).into());
    }

    #[test]
    fn a_part_goes_after_all_that_lead_to_it() {
        let mut random = fastrand::Rng::with_seed(7);
        let name = |number: usize| PartName(format!("{:03}", (number * 37) % 200));
        let parts: BTreeMap<PartName, Vec<PartName>> = (0..200)
            .map(|number| {
                let below = (0..random.usize(0..4)).map(|_| name(random.usize(number..230).max(number + 1)));
                (name(number), below.filter(|below| *below != name(number)).collect())
            })
            .filter(|(part, below): &(PartName, Vec<PartName>)| !below.contains(part))
            .collect();
        // Later numbers only are led to, so there is no circle, unless one wraps around.
        let acyclic: BTreeMap<PartName, Vec<PartName>> = parts
            .into_iter()
            .map(|(part, below)| (part.clone(), below.into_iter().filter(|to| *to > part).collect()))
            .collect();
        let order = order(&acyclic);
        let at: BTreeMap<&PartName, usize> = order.iter().enumerate().map(|(at, part)| (part, at)).collect();
        assert_eq!(at.len(), acyclic.len());
        for (part, below) in &acyclic {
            for to in below.iter().filter(|to| acyclic.contains_key(*to)) {
                assert!(at[part] < at[to], "{part:?} leads to {to:?}");
            }
        }
    }

    #[test]
    fn even_a_circle_is_removed() {
        let name = |text: &str| PartName(text.into());
        let parts = BTreeMap::from([(name("a"), vec![name("b")]), (name("b"), vec![name("a"), name("b")])]);
        assert_eq!(order(&parts).len(), 2);
    }

    #[test]
    fn a_step_holds_only_if_nothing_has_changed() {
        let seen = Seen { current: 3, proposal: 0, parts: 9 };
        let step = seen.removing(["release/1".to_owned()].into_iter(), b"x".to_vec());
        assert_eq!(step.when.iter().map(|(_, revision)| *revision).collect::<Vec<_>>(), [3, 0, 9]);
        assert_eq!(step.then.len(), 2);
    }
}
