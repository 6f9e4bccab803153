//! Things that are kept for their next use, the last one first, and given up when they were not needed for a while. Must not
//! know: what they are.

/// What is kept idle.
#[derive(Debug)]
pub(super) struct Idle<T> {
    /// The one that is used next is at the end.
    kept: Vec<T>,
    /// The fewest that were idle at one time since the last [`trim`](Self::trim): so many were not needed.
    fewest: usize,
}

impl<T> Idle<T> {
    pub(super) const fn new() -> Self {
        Self { kept: Vec::new(), fewest: 0 }
    }

    pub(super) fn take(&mut self) -> Option<T> {
        let taken = self.kept.pop();
        self.fewest = self.fewest.min(self.kept.len());
        taken
    }

    /// Keeps it, unless `most` are kept already: then it is returned.
    pub(super) fn keep(&mut self, one: T, most: usize) -> Option<T> {
        if self.kept.len() >= most {
            return Some(one);
        }
        self.kept.push(one);
        None
    }

    /// Returns those that were idle all the time since this was called before. A load that repeats itself within that time
    /// finds what it needs; what a peak needed does not stay for ever.
    pub(super) fn trim(&mut self) -> Vec<T> {
        let unused = self.kept.drain(..self.fewest).collect();
        self.fewest = self.kept.len();
        unused
    }

    /// Returns all.
    pub(super) fn clear(&mut self) -> Vec<T> {
        self.fewest = 0;
        std::mem::take(&mut self.kept)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(count: u32) -> Idle<u32> {
        let mut idle = Idle::new();
        for one in 0..count {
            assert_eq!(idle.keep(one, 8), None);
        }
        idle
    }

    #[test]
    fn the_last_one_is_used_first_and_no_more_are_kept_than_said() {
        let mut idle = filled(8);
        assert_eq!(idle.keep(8, 8), Some(8));
        assert_eq!((idle.take(), idle.take()), (Some(7), Some(6)));
        assert_eq!(idle.clear().len(), 6);
        assert_eq!(idle.take(), None);
    }

    #[test]
    fn what_was_idle_between_two_trims_is_given_up_and_what_was_used_is_kept() {
        let mut idle = filled(8);
        assert!(idle.trim().is_empty(), "there was a moment when none was idle");
        // Three are needed at one time, twice.
        for _ in 0..2 {
            let used: Vec<u32> = (0..3).filter_map(|_| idle.take()).collect();
            for one in used {
                idle.keep(one, 8);
            }
        }
        assert_eq!(idle.trim(), [0, 1, 2, 3, 4]);
        assert_eq!(idle.trim().len(), 3, "nothing was used since");
        assert!(idle.trim().is_empty());
        assert_eq!(idle.take(), None);
    }
}
