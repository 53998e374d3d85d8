//! Medians of rounds, and how far the rounds lie apart.

use serde::{Deserialize, Serialize};

/// The same thing measured in several rounds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Rounds(pub Vec<f64>);

impl Rounds {
    /// The middle one; of an even count the mean of the two in the middle. `None` when nothing was measured.
    #[must_use]
    pub fn median(&self) -> Option<f64> {
        let mut values = self.0.clone();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let upper = *values.get(middle)?;
        if values.len() % 2 == 1 {
            return Some(upper);
        }
        Some(f64::midpoint(*values.get(middle - 1)?, upper))
    }

    /// The lowest and the highest.
    #[must_use]
    pub fn range(&self) -> Option<(f64, f64)> {
        let lowest = self.0.iter().copied().reduce(f64::min)?;
        let highest = self.0.iter().copied().reduce(f64::max)?;
        Some((lowest, highest))
    }

    /// The median of the ratios of rounds that were measured next to each other: what disturbs one disturbs its
    /// neighbour too.
    #[must_use]
    pub fn ratio_to(&self, other: &Self) -> Option<f64> {
        let pairs = self.0.iter().zip(&other.0);
        let ratios = pairs.filter(|(_, below)| **below > 0.0);
        Self(ratios.map(|(above, below)| above / below).collect()).median()
    }
}

impl FromIterator<f64> for Rounds {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

/// The slope of the straight line nearest to the points (least squares), in y a unit of x.
#[must_use]
pub fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let above: f64 = points
        .iter()
        .map(|point| (point.0 - x) * (point.1 - y))
        .sum();
    let below: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    (below > 0.0).then(|| above / below)
}

/// The value below which this share (0 to 1) of the values lies. `None` of nothing.
#[must_use]
pub fn percentile(values: &mut [f64], share: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    values.get((last as f64 * share).round() as usize).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_ratios() {
        let rounds = |values: &[f64]| Rounds(values.to_vec());
        assert_eq!(rounds(&[]).median(), None);
        assert_eq!(rounds(&[3.0, 1.0, 2.0]).median(), Some(2.0));
        assert_eq!(rounds(&[4.0, 1.0, 2.0, 3.0]).median(), Some(2.5));
        assert_eq!(rounds(&[3.0, 1.0]).range(), Some((1.0, 3.0)));
        // The second round was disturbed for both.
        let (fast, slow) = (rounds(&[1.0, 5.0, 1.0]), rounds(&[2.0, 10.0, 2.0]));
        assert_eq!(fast.ratio_to(&slow), Some(0.5));
        assert_eq!(fast.ratio_to(&rounds(&[0.0])), None);
    }

    #[test]
    fn slopes_and_percentiles() {
        assert_eq!(slope(&[(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)]), Some(2.0));
        assert_eq!(slope(&[(1.0, 1.0)]), None);
        let mut values: Vec<f64> = (0..=100).rev().map(f64::from).collect();
        assert_eq!(percentile(&mut values, 0.99), Some(99.0));
        assert_eq!(percentile(&mut [], 0.5), None);
    }
}
