use std::ops::Range;

/// How well parts of texts are found; all figures are in [0, 1].
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SpanScores {
    /// Of those found, the share that is right.
    pub precision: f64,
    /// Of those that are there, the share that is found.
    pub recall: f64,
    /// The harmonic mean of both; 0 where nothing is right.
    pub f1: f64,
    /// The mean of F1 over the labels that are there or found somewhere.
    pub macro_f1: f64,
}

/// A part of a text: its place, and the number of its label.
pub type LabelledSpan = (Range<usize>, usize);

/// Compares the parts that are in some texts with those found. One is right where its place and its label are (as CoNLL's evaluation and
/// seqeval have it).
pub fn span_scores(truth: &[Vec<LabelledSpan>], found: &[Vec<LabelledSpan>]) -> SpanScores {
    let labels = truth.iter().chain(found).flatten().map(|(_, label)| label + 1).max().unwrap_or(0);
    // Right, found, there, by label.
    let mut counts = vec![(0usize, 0usize, 0usize); labels];
    for (truth, found) in truth.iter().zip(found) {
        for span in found {
            if let Some(count) = counts.get_mut(span.1) {
                count.0 += usize::from(truth.contains(span));
                count.1 += 1;
            }
        }
        for (_, label) in truth {
            if let Some(count) = counts.get_mut(*label) {
                count.2 += 1;
            }
        }
    }
    let share = |of: usize, all: usize| of as f64 / all.max(1) as f64;
    let f1 = |(right, found, there): &(usize, usize, usize)| share(2 * right, found + there);
    let all = counts.iter().fold((0, 0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1, sum.2 + one.2));
    let seen: Vec<f64> = counts.iter().filter(|(_, found, there)| found + there > 0).map(f1).collect();
    SpanScores {
        precision: share(all.0, all.1),
        recall: share(all.0, all.2),
        f1: f1(&all),
        macro_f1: seen.iter().sum::<f64>() / seen.len().max(1) as f64,
    }
}
