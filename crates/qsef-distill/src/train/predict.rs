use candle_core::Result;

use crate::{
    batch::Batch,
    model::{Chance, Classifier},
};

/// Texts at a time.
const AT_A_TIME: usize = 128;

/// What a model says of texts.
#[derive(Debug, Clone, Default)]
pub struct Predictions {
    /// The likeliest class of each text.
    pub classes: Vec<usize>,
    /// Its probability.
    pub confidence: Vec<f32>,
    /// The mean of the last layer's tokens of each text.
    pub vectors: Vec<Vec<f32>>,
}

impl Predictions {
    /// Whether each text's class is the true one.
    pub fn correct(&self, labels: &[usize]) -> Vec<bool> {
        self.classes.iter().zip(labels).map(|(found, label)| found == label).collect()
    }

    /// The share of the texts whose class is the true one.
    pub fn accuracy(&self, labels: &[usize]) -> f64 {
        let correct = self.correct(labels).into_iter().filter(|c| *c).count();
        correct as f64 / labels.len().max(1) as f64
    }
}

/// What a model says of texts.
///
/// # Errors
/// Candle's own.
pub fn predict(model: &Classifier, tokens: &[Vec<u32>]) -> Result<Predictions> {
    let mut predictions = Predictions::default();
    for part in tokens.chunks(AT_A_TIME) {
        let (logits, pass) = model.forward(&Batch::new(part.iter().map(Vec::as_slice)), Chance::default())?;
        for row in logits.to_vec2::<f32>()? {
            let best = row.iter().enumerate().fold(
                (0, f32::NEG_INFINITY),
                |best, (i, x)| {
                    if *x > best.1 { (i, *x) } else { best }
                },
            );
            predictions.classes.push(best.0);
            predictions.confidence.push(1.0 / row.iter().map(|x| (x - best.1).exp()).sum::<f32>());
        }
        predictions.vectors.extend(pass.pooled.to_vec2::<f32>()?);
    }
    Ok(predictions)
}
