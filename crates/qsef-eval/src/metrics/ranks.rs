use super::paired::incomplete_beta;

/// Spearman's rank correlation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spearman {
    /// In [−1, 1].
    pub rho: f64,
    /// The probability of so strong a correlation, either way, by chance (Student's t).
    pub p: f64,
    /// The interval that holds the true one in 95 of 100 cases: Fisher's z with the variance of Bonett and Wright (2000).
    pub interval: (f64, f64),
}

/// Ranks from 1; equal numbers share their mean rank.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<(usize, f64)> = values.iter().copied().enumerate().collect();
    order.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for equal in order.chunk_by(|a, b| a.1 == b.1) {
        let rank = before as f64 + (equal.len() as f64 + 1.0) / 2.0;
        for (place, _) in equal {
            if let Some(slot) = ranks.get_mut(*place) {
                *slot = rank;
            }
        }
        before += equal.len();
    }
    ranks
}

/// Spearman's rank correlation of pairs; none for fewer than four, unequal numbers, or where one side does not vary.
pub fn spearman(a: &[f64], b: &[f64]) -> Option<Spearman> {
    if a.len() != b.len() || a.len() < 4 {
        return None;
    }
    let (a, b) = (ranks(a), ranks(b));
    let n = a.len() as f64;
    // Ranks have one mean whatever the ties.
    let mean = (n + 1.0) / 2.0;
    let product = |x: &[f64], y: &[f64]| -> f64 { x.iter().zip(y).map(|(x, y)| (x - mean) * (y - mean)).sum() };
    let scale = (product(&a, &a) * product(&b, &b)).sqrt();
    if scale <= 0.0 {
        return None;
    }
    let rho = (product(&a, &b) / scale).clamp(-1.0, 1.0);
    let freedom = n - 2.0;
    let p = if rho.abs() >= 1.0 { 0.0 } else { incomplete_beta(1.0 - rho * rho, freedom / 2.0, 0.5) };
    let width = 1.959_963_984_540_054 * ((1.0 + rho * rho / 2.0) / (n - 3.0)).sqrt();
    let z = rho.atanh();
    Some(Spearman { rho, p, interval: ((z - width).tanh(), (z + width).tanh()) })
}
