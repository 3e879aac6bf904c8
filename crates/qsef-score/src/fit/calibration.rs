//! Whether TE is a probability: Brier score and expected calibration error.

/// Mean squared difference between probability and outcome, in [0, 1]; 0 without pairs.
pub fn brier(pairs: &[(f64, f64)]) -> f64 {
    pairs.iter().map(|(p, y)| (p - y) * (p - y)).sum::<f64>() / pairs.len().max(1) as f64
}

/// Expected calibration error, in [0, 1]: over ten bins of equal width, the difference between the mean probability and the
/// mean outcome, weighted by the bin's share of the pairs; 0 without pairs.
pub fn ece(pairs: &[(f64, f64)]) -> f64 {
    let mut bins = [(0f64, 0f64); 10];
    for (p, y) in pairs {
        if let Some((sum_p, sum_y)) = bins.get_mut(((p * 10.0) as usize).min(9)) {
            *sum_p += p;
            *sum_y += y;
        }
    }
    bins.iter().map(|(p, y)| (p - y).abs()).sum::<f64>() / pairs.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        let pairs = [(0.9, 1.0), (0.8, 0.0), (0.1, 0.0), (0.15, 1.0)];
        assert!((brier(&pairs) - (0.01 + 0.64 + 0.01 + 0.7225) / 4.0).abs() < 1e-12);
        // Bins [0.1, 0.2): 0.25 against 1; [0.8, 0.9): 0.8 against 0; [0.9, 1]: 0.9 against 1.
        assert!((ece(&pairs) - (0.75 + 0.8 + 0.1) / 4.0).abs() < 1e-12);
        assert_eq!((brier(&[]), ece(&[])), (0.0, 0.0));
    }
}
