//! Memory in use and its bound → a level. Pure. Must not know: what is measured, what a level leads to.

use crate::words::{Words, words};

/// How short memory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// There is enough.
    Easy,
    /// Relays take small buffers, and give back large ones.
    Tight,
    /// Peers that stall are disconnected, those that stalled first before others.
    Short,
    /// Newcomers are refused.
    Full,
}

words! { Level { Easy => "easy", Tight => "tight", Short => "short", Full => "full" } }

impl Level {
    /// The level with that number; [`Level::Easy`] is 0.
    pub fn from_number(number: u8) -> Self {
        Self::ALL.iter().copied().rev().find(|level| *level as u8 <= number).unwrap_or(Self::Easy)
    }

    /// The level after this one, where `used` of `bound` bytes are in use. A level is left at a lower mark than it is
    /// entered, so that it does not come and go.
    pub fn after(self, used: usize, bound: usize) -> Self {
        let holds = |level: &Self| used >= if *level <= self { level.left(bound) } else { level.entered(bound) };
        Self::ALL.iter().copied().rev().find(holds).unwrap_or(Self::Easy)
    }

    /// From how many bytes on the level is entered.
    pub fn entered(self, bound: usize) -> usize {
        percent(
            bound,
            match self {
                Self::Easy => 0,
                Self::Tight => 70,
                Self::Short => 85,
                Self::Full => 100,
            },
        )
    }

    /// Below how many bytes the level is left.
    pub fn left(self, bound: usize) -> usize {
        percent(
            bound,
            match self {
                Self::Easy => 0,
                Self::Tight => 62,
                Self::Short => 78,
                Self::Full => 93,
            },
        )
    }
}

fn percent(bound: usize, percent: usize) -> usize {
    bound / 100 * percent + bound % 100 * percent / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_rise_at_their_marks_and_fall_at_lower_ones() {
        let walk = [
            (0, Level::Easy),
            (699, Level::Easy),
            (700, Level::Tight),
            (849, Level::Tight),
            (630, Level::Tight),
            (619, Level::Easy),
            (860, Level::Short),
            (790, Level::Short),
            (770, Level::Tight),
            (1000, Level::Full),
            (1500, Level::Full),
            (930, Level::Full),
            (929, Level::Short),
            (10, Level::Easy),
        ];
        let mut level = Level::Easy;
        for (used, expected) in walk {
            level = level.after(used, 1000);
            assert_eq!(level, expected, "{used}");
        }
    }

    #[test]
    fn a_value_that_trembles_at_a_mark_changes_nothing() {
        for entered in [Level::Tight, Level::Short, Level::Full] {
            let mark = entered.entered(1 << 20);
            let mut level = Level::Easy.after(mark, 1 << 20);
            for used in [mark - 1, mark, mark - 1000, mark + 1000, mark - 30_000, mark] {
                level = level.after(used, 1 << 20);
                assert_eq!(level, entered, "{used} of {}", 1 << 20);
            }
        }
    }

    #[test]
    fn numbers_lead_back_and_no_bound_is_ever_reached() {
        for level in Level::ALL.iter().copied() {
            assert_eq!(Level::from_number(level as u8), level);
            assert!(level.left(12_345) <= level.entered(12_345));
        }
        assert_eq!(Level::from_number(200), Level::Full);
        assert_eq!(Level::Easy.after(usize::MAX / 2, usize::MAX), Level::Easy);
        assert_eq!(percent(usize::MAX, 100), usize::MAX);
    }
}
