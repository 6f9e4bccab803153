//! Parts of a file that are not read: the first of them, and how many more there are. Must not know: how files are read.
//!
//! Whoever answers in place of a server can send a file of millions of such parts. Each would take many times its length in
//! memory, and become a line of the log.

use crate::tls::certificate::pem::error::PassedOver;

/// Parts that are added in any order.
#[derive(Debug, Default)]
pub(super) struct Unread {
    /// Sorted by their lines; at most one more than is named.
    first: Vec<PassedOver>,
    /// How many more there are.
    more: usize,
}

impl Unread {
    pub(super) fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    /// Adds a part. Of two at one line, the one that was added first comes first.
    pub(super) fn add(&mut self, line: usize, what: &str) {
        let at = self.first.partition_point(|known| known.line <= line);
        if at > MOST_NAMED {
            self.more += 1;
            return;
        }
        self.first.insert(at, PassedOver { line, what: what.to_owned() });
        if self.first.len() > MOST_NAMED + 1 {
            self.first.pop();
            self.more += 1;
        }
    }

    /// Adds all of `other`.
    pub(super) fn append(&mut self, other: Self) {
        other.first.iter().for_each(|unread| self.add(unread.line, &unread.what));
        self.more += other.more;
    }

    /// The first of them.
    pub(super) fn into_first(self) -> Option<PassedOver> {
        self.first.into_iter().next()
    }

    /// The first ones, then one for all that follow.
    pub(super) fn named(mut self) -> Vec<PassedOver> {
        if let Some(next) = self.first.get_mut(MOST_NAMED) {
            let more = self.more + 1;
            next.what = format!("this and all that follows, {more} parts, is not read");
        }
        self.first
    }
}

/// Parts of one file that are reported one by one.
const MOST_NAMED: usize = 20;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_first_are_named_in_whatever_order_they_are_added(
            lines in prop::collection::vec(1_usize..60, 0..80),
            appended in prop::collection::vec(1_usize..60, 0..80),
        ) {
            let collected = |lines: &[usize], name: &str| {
                let mut unread = Unread::default();
                for (number, line) in lines.iter().enumerate() {
                    unread.add(*line, &format!("{name} {number}"));
                    assert!(unread.first.len() <= MOST_NAMED + 1 && !unread.is_empty());
                }
                unread
            };
            let mut unread = collected(&lines, "one");
            unread.append(collected(&appended, "another"));
            let parts = |lines: &[usize], name: &str| -> Vec<PassedOver> {
                let named = |(number, line): (usize, &usize)| PassedOver { line: *line, what: format!("{name} {number}") };
                lines.iter().enumerate().map(named).collect()
            };
            let mut all = [parts(&lines, "one"), parts(&appended, "another")].concat();
            all.sort_by_key(|part| part.line);
            if all.len() > MOST_NAMED {
                let more = all.len() - MOST_NAMED;
                all.truncate(MOST_NAMED + 1);
                all[MOST_NAMED].what = format!("this and all that follows, {more} parts, is not read");
            }
            prop_assert_eq!(unread.named(), all);
        }
    }
}
