//! Which changes of the level are reported. Pure. Must not know: where they are reported.

use std::time::{Duration, Instant};

use crate::pressure::level::Level;

/// What was reported last.
#[derive(Debug)]
pub struct Reports {
    last: Option<Instant>,
    level: Level,
}

impl Default for Reports {
    fn default() -> Self {
        Self { last: None, level: Level::Easy }
    }
}

impl Reports {
    /// Whether this level is to be reported now. A worse one is reported at once; a better one, or one that was left
    /// meanwhile, when the last report is `QUIET` ago. So what holds is always reported in the end.
    pub fn are_due(&mut self, level: Level, now: Instant) -> bool {
        let quiet = self.last.is_some_and(|last| now.saturating_duration_since(last) < QUIET);
        let due = level > self.level || (level != self.level && !quiet);
        if due {
            (self.last, self.level) = (Some(now), level);
        }
        due
    }
}

/// The shortest time between two reports, unless it gets worse. There are at most three reports that it got worse
/// before it has to get better.
const QUIET: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_gets_worse_is_reported_at_once_and_the_rest_in_time() {
        let start = Instant::now();
        let mut reports = Reports::default();
        let mut at = |millis, level| reports.are_due(level, start + Duration::from_millis(millis));
        assert!(!at(0, Level::Easy), "nothing has changed");
        assert!(at(50, Level::Tight) && at(100, Level::Full));
        assert!(!at(150, Level::Short) && !at(200, Level::Full) && !at(250, Level::Tight) && !at(9_000, Level::Easy));
        assert!(at(10_200, Level::Easy) && !at(10_250, Level::Easy));
        assert!(at(10_300, Level::Short));
        let lines = (0..1000).filter(|step| at(11_000 + step, if step % 2 == 0 { Level::Easy } else { Level::Short }));
        assert_eq!(lines.count(), 0, "a level that comes and goes is no news");
    }
}
