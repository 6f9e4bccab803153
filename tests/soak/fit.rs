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

/// The line through points that are not all at the same x; a line through two points has no error.
pub(crate) fn line(points: &[(f64, f64)]) -> Option<Line> {
    let count = points.len() as f64;
    if points.len() < 3 {
        return None;
    }
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let spread: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    if spread == 0.0 {
        return None;
    }
    let slope = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum::<f64>() / spread;
    let left: f64 = points.iter().map(|point| (point.1 - y - slope * (point.0 - x)).powi(2)).sum();
    let error = (left / (count - 2.0) / spread).sqrt();
    Some(Line { slope, error, level: y, points: points.len() })
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
