/// The share of predictions that are right; 0 without any.
pub fn accuracy(truth: &[usize], found: &[usize]) -> f64 {
    let right = truth.iter().zip(found).filter(|(truth, found)| truth == found).count();
    right as f64 / truth.len().max(1) as f64
}

/// The mean over classes of F1, each class that is true or predicted somewhere counting the same (scikit-learn's `f1_score` with
/// `average="macro"`).
pub fn macro_f1(truth: &[usize], found: &[usize]) -> f64 {
    let classes = truth.iter().chain(found).max().map_or(0, |most| most + 1);
    // Right, predicted, true, by class.
    let mut counts = vec![(0usize, 0usize, 0usize); classes];
    for (truth, found) in truth.iter().zip(found) {
        if let Some(count) = counts.get_mut(*found) {
            count.0 += usize::from(truth == found);
            count.1 += 1;
        }
        if let Some(count) = counts.get_mut(*truth) {
            count.2 += 1;
        }
    }
    let scores: Vec<f64> = counts
        .iter()
        .filter(|(_, predicted, real)| predicted + real > 0)
        .map(|(right, predicted, real)| 2.0 * *right as f64 / (predicted + real) as f64)
        .collect();
    scores.iter().sum::<f64>() / scores.len().max(1) as f64
}

/// How well one class is told from the rest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Binary {
    /// Of those that are of the class, the share that is found.
    pub sensitivity: f64,
    /// Of those that are not, the share that is not taken for it.
    pub specificity: f64,
}

/// Sensitivity and specificity of a class; none where all or none are of it.
pub fn binary(truth: &[usize], found: &[usize], class: usize) -> Option<Binary> {
    let (mut inside, mut outside) = ((0usize, 0usize), (0usize, 0usize));
    for (truth, found) in truth.iter().zip(found) {
        let (counts, right) =
            if *truth == class { (&mut inside, *found == class) } else { (&mut outside, *found != class) };
        counts.0 += usize::from(right);
        counts.1 += 1;
    }
    let share = |(right, all): (usize, usize)| (all > 0).then(|| right as f64 / all as f64);
    Some(Binary { sensitivity: share(inside)?, specificity: share(outside)? })
}
