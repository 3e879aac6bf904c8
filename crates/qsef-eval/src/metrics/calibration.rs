/// The mean squared difference between probabilities and what happened (Brier, 1950); 0 without any.
pub fn brier(probabilities: &[f64], happened: &[bool]) -> f64 {
    let sum: f64 = probabilities.iter().zip(happened).map(|(p, h)| (p - f64::from(u8::from(*h))).powi(2)).sum();
    sum / probabilities.len().max(1) as f64
}

/// The expected calibration error: probabilities are put into `bins` equal bins of (0, 1], and the difference between the bin's mean
/// probability and its share of what happened is averaged, weighted by the bin's size (Guo et al., 2017).
pub fn expected_calibration_error(probabilities: &[f64], happened: &[bool], bins: usize) -> f64 {
    let bins = bins.max(1);
    let mut sums = vec![(0.0, 0.0); bins];
    for (p, happened) in probabilities.iter().zip(happened) {
        let bin = ((p * bins as f64).ceil() as usize).clamp(1, bins) - 1;
        if let Some((probability, share)) = sums.get_mut(bin) {
            *probability += p;
            *share += f64::from(u8::from(*happened));
        }
    }
    sums.iter().map(|(p, h): &(f64, f64)| (p - h).abs()).sum::<f64>() / probabilities.len().max(1) as f64
}
