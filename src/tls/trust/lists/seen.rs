//! The distribution points that certificates of peers have, from those who see the peers to whoever fetches lists. Must not
//! know: who that is.

use std::collections::BTreeSet;
use std::sync::{PoisonError, RwLock};

use tokio::sync::Notify;

use crate::tls::trust::lists::points::Point;

/// Points that were seen; bounded, since what a CA writes into certificates is not ours to decide.
#[derive(Debug, Default)]
pub struct Seen {
    points: RwLock<BTreeSet<Point>>,
    news: Notify,
}

impl Seen {
    /// Whether all of these are known, or no more can be taken note of.
    pub fn know(&self, points: &[Point]) -> bool {
        let known = self.points.read().unwrap_or_else(PoisonError::into_inner);
        known.len() >= MOST || points.iter().all(|point| known.contains(point))
    }

    /// Takes note of points. The certificate that has them must be good.
    pub fn note(&self, points: Vec<Point>) {
        let mut known = self.points.write().unwrap_or_else(PoisonError::into_inner);
        let before = known.len();
        for point in points {
            if known.len() < MOST {
                known.insert(point);
            }
        }
        let (now, grown) = (known.len(), known.len() > before);
        drop(known);
        if grown {
            if now >= MOST {
                tracing::warn!(
                    "{MOST} distribution points of lists of revoked certificates are known, and no more are taken note of"
                );
            }
            self.news.notify_one();
        }
    }

    /// All of them.
    pub fn all(&self) -> BTreeSet<Point> {
        self.points.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// No longer knows this one: it is taken note of when it is seen again.
    pub fn forget(&self, point: &Point) {
        self.points.write().unwrap_or_else(PoisonError::into_inner).remove(point);
    }

    /// Waits until there is a new one.
    pub async fn news(&self) {
        self.news.notified().await;
    }
}

/// Lists that are fetched without being named in the configuration. An authority has one list for each of its CAs, or some
/// dozens where it splits them.
const MOST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn point(number: usize) -> Point {
        Point(vec![format!("http://a.test/{number}.crl")])
    }

    #[test]
    fn no_more_are_kept_than_can_be_fetched() {
        let seen = Seen::default();
        assert!(!seen.know(&[point(1)]));
        seen.note((0..MOST + 5).map(point).collect());
        assert_eq!(seen.all().len(), MOST);
        assert!(seen.know(&[point(9999)]), "nobody looks closer at what cannot be taken note of");
        seen.forget(&point(0));
        assert!(!seen.know(&[point(0)]));
    }

    #[test]
    fn what_is_known_is_no_news() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let seen = Seen::default();
            seen.note(vec![point(1)]);
            seen.news().await;
            seen.note(vec![point(1)]);
            let quiet = tokio::time::timeout(std::time::Duration::ZERO, seen.news()).await;
            assert!(quiet.is_err());
        });
    }
}
