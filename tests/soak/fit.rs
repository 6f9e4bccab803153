//! Lines through points by least squares. Pure. Must not know: what is measured.

use serde::Serialize;

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Line {
    /// Per unit of x.
    pub(crate) slope: f64,
    /// The standard error of the slope.
    pub(crate) error: f64,
    /// The mean of y.
    pub(crate) level: f64,
    pub(crate) points: usize,
}

impl Line {
    /// Whether the slope is within noise of zero, or in any case below `bound`.
    pub(crate) fn is_flat(&self, bound: f64) -> bool {
        self.slope.abs() < 2.0 * self.error || self.slope < bound
    }
}

/// The slope that all stretches have in common, each of which has a level of its own. One stretch is an ordinary line.
/// `None` for too few points, and where all are at the same x.
pub(crate) fn line(stretches: &[Vec<(f64, f64)>]) -> Option<Line> {
    let stretches: Vec<&Vec<(f64, f64)>> = stretches.iter().filter(|points| !points.is_empty()).collect();
    let count = stretches.iter().map(|points| points.len()).sum::<usize>();
    let free = count.checked_sub(stretches.len() + 1).filter(|free| *free > 0)?;
    // From the mean of each stretch.
    let centred: Vec<(f64, f64)> = stretches.iter().flat_map(|points| centred(points)).collect();
    let spread: f64 = centred.iter().map(|point| point.0.powi(2)).sum();
    if spread == 0.0 {
        return None;
    }
    let slope = centred.iter().map(|point| point.0 * point.1).sum::<f64>() / spread;
    let left: f64 = centred.iter().map(|point| (point.1 - slope * point.0).powi(2)).sum();
    let level = stretches.iter().flat_map(|points| points.iter()).map(|point| point.1).sum::<f64>() / count as f64;
    Some(Line { slope, error: (left / free as f64 / spread).sqrt(), level, points: count })
}

fn centred(points: &[(f64, f64)]) -> impl Iterator<Item = (f64, f64)> {
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / points.len() as f64;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    points.iter().map(move |point| (point.0 - x, point.1 - y))
}

/// Means of all points within each `width` of x. Neighbours resemble each other: taken one by one they would make the
/// error of a slope look much smaller than it is.
pub(crate) fn batches(points: &[(f64, f64)], width: f64) -> Vec<(f64, f64)> {
    points
        .chunk_by(|left, right| (left.0 / width).floor() == (right.0 / width).floor())
        .map(|batch| {
            let count = batch.len() as f64;
            let sum = batch.iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
            (sum.0 / count, sum.1 / count)
        })
        .collect()
}
