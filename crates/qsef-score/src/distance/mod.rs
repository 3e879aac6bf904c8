//! Semantic distance (paper, section 6.1): how far a task is from what an expert is for.

mod graph;
mod spread;

pub use graph::{Concept, GraphWeights, SemanticGraph, graph_coverage, graph_distance};
use serde::{Deserialize, Serialize};
pub(crate) use spread::Spread;

/// How two vectors are compared. Each gives a distance in [0, 1] that is 0 for equal directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Metric {
    /// `(1 − cos) / 2`: opposite vectors are farthest (paper, section 6.1.1, normalised).
    #[default]
    Cosine,
    /// The trace distance of two pure states, `sqrt(1 − cos²)`: steep for small angles; opposite vectors are the same
    /// state, so it suits vectors whose sign means nothing.
    Trace,
    /// Half the Euclidean distance of the unit vectors, `sqrt((1 − cos) / 2)`.
    Euclidean,
}

impl Metric {
    /// The distance of two directions whose cosine is given; a cosine that is not finite counts as 0, "unrelated".
    pub fn distance(self, cosine: f64) -> f64 {
        let cosine = if cosine.is_finite() { cosine.clamp(-1.0, 1.0) } else { 0.0 };
        match self {
            Self::Cosine => (1.0 - cosine) / 2.0,
            Self::Trace => (1.0 - cosine * cosine).sqrt(),
            Self::Euclidean => ((1.0 - cosine) / 2.0).sqrt(),
        }
    }
}

/// Cosine of the angle between two vectors, in [−1, 1]. Vectors of different length, of length zero or with a value
/// that is not finite have no angle: the result is 0, which is "unrelated".
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    if a.len() != b.len() {
        return 0.0;
    }
    let (mut ab, mut aa, mut bb) = (0f64, 0f64, 0f64);
    for (&x, &y) in a.iter().zip(b) {
        let (x, y) = (f64::from(x), f64::from(y));
        ab += x * y;
        aa += x * x;
        bb += y * y;
    }
    let cosine = ab / (aa.sqrt() * bb.sqrt());
    if cosine.is_finite() { cosine.clamp(-1.0, 1.0) } else { 0.0 }
}

/// The weighted mean of the parts that are there, each in [0, 1]: a missing part leaves its weight to the others.
/// `None` where no part with a positive weight is there.
pub fn weighted_mean(parts: &[(Option<f64>, f64)]) -> Option<f64> {
    let present = || parts.iter().filter_map(|&(x, w)| Some((x?, w))).filter(|&(x, w)| x.is_finite() && w > 0.0);
    let weight: f64 = present().map(|(_, w)| w).sum();
    (weight > 0.0).then(|| present().map(|(x, w)| x.clamp(0.0, 1.0) * w).sum::<f64>() / weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosine_of_simple_and_broken_vectors() {
        assert_eq!(cosine(&[1.0, 0.0], &[2.0, 0.0]), 1.0);
        assert_eq!(cosine(&[1.0, 0.0], &[0.0, 3.0]), 0.0);
        assert_eq!(cosine(&[1.0], &[-1.0]), -1.0);
        for broken in [&[0.0, 0.0][..], &[f32::NAN, 1.0], &[1.0], &[]] {
            assert_eq!(cosine(broken, &[1.0, 1.0]), 0.0);
        }
    }

    #[test]
    fn metrics_grow_with_the_angle() {
        for metric in [Metric::Cosine, Metric::Trace, Metric::Euclidean] {
            assert_eq!(metric.distance(1.0), 0.0);
            assert!(metric.distance(0.9) < metric.distance(0.2) && metric.distance(0.2) < 1.0);
        }
        assert_eq!((Metric::Cosine.distance(-1.0), Metric::Euclidean.distance(-1.0)), (1.0, 1.0));
        assert_eq!((Metric::Trace.distance(0.0), Metric::Trace.distance(-1.0)), (1.0, 0.0));
        assert_eq!(Metric::Cosine.distance(f64::NAN), 0.5);
    }

    #[test]
    fn a_missing_part_leaves_its_weight_to_the_others() {
        assert_eq!(weighted_mean(&[(Some(0.25), 1.0), (Some(0.75), 1.0)]), Some(0.5));
        assert_eq!(weighted_mean(&[(Some(0.2), 1.0), (None, 3.0)]), Some(0.2));
        assert_eq!(weighted_mean(&[(Some(0.2), 0.0), (Some(f64::NAN), 1.0)]), None);
    }
}
