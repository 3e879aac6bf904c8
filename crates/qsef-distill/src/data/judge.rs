//! How right a model is.

use qsef_eval::metrics::{LabelledSpan, accuracy, macro_f1, span_scores};

use super::{DataSet, Rows, Task};
use crate::{
    text::Tokens,
    train::{Predictions, softmax},
};

/// How right a model is on rows; all figures are in [0, 1].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Judged {
    /// What students are compared by: the accuracy, or the F1 of spans.
    pub measure: f64,
    /// The share of the texts whose class is right, or all of whose parts are.
    pub accuracy: f64,
    /// The mean of F1 over labels.
    pub macro_f1: f64,
    /// Whether each text is right.
    pub correct: Vec<bool>,
    /// How sure the model is of each text: of its class, or of the tag of which it is least sure.
    pub confidence: Vec<f64>,
}

/// The probability of one of some classes.
fn probability(logits: &[f32], of: usize) -> f64 {
    softmax(logits).nth(of).map_or(0.0, f64::from)
}

impl DataSet {
    /// Judges what a model says of rows, which are `tokens` to it.
    pub fn judge(&self, rows: &Rows, tokens: &[Tokens], found: &Predictions) -> Judged {
        match self.task {
            Task::Classify => {
                let classes = found.classes();
                let correct: Vec<bool> = rows.labels.iter().zip(&classes).map(|(a, b)| a == b).collect();
                let sure = found.logits.iter().zip(&classes).map(|(logits, class)| probability(logits, *class));
                let accuracy = accuracy(&rows.labels, &classes);
                let macro_f1 = macro_f1(&rows.labels, &classes);
                Judged { measure: accuracy, accuracy, macro_f1, correct, confidence: sure.collect() }
            }
            Task::Extract => self.judge_spans(rows, tokens, found),
        }
    }

    fn judge_spans(&self, rows: &Rows, tokens: &[Tokens], found: &Predictions) -> Judged {
        let tags = self.tags();
        let mut judged = Judged::default();
        let (mut truth, mut said): (Vec<Vec<LabelledSpan>>, Vec<Vec<LabelledSpan>>) = (Vec::new(), Vec::new());
        for ((logits, text), spans) in found.logits.iter().zip(tokens).zip(&rows.spans) {
            let chosen = tags.decode(logits);
            let each = logits.chunks_exact(tags.count()).zip(&chosen).map(|(row, tag)| probability(row, *tag));
            judged.confidence.push(each.fold(1.0, f64::min));
            let of_text: Vec<_> =
                tags.spans(&text.words, &chosen).into_iter().map(|(s, _)| (s.bytes, s.label)).collect();
            let real: Vec<_> = spans.iter().map(|span| (span.bytes.clone(), span.label)).collect();
            judged.correct.push(of_text == real);
            truth.push(real);
            said.push(of_text);
        }
        let scores = span_scores(&truth, &said);
        let right = judged.correct.iter().filter(|correct| **correct).count();
        judged.measure = scores.f1;
        judged.accuracy = right as f64 / judged.correct.len().max(1) as f64;
        judged.macro_f1 = scores.macro_f1;
        judged
    }
}
