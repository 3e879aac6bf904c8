use candle_core::Result;

use crate::{
    batch::Batch,
    model::{Chance, Classifier},
    text::Tokens,
};

/// Texts at a time.
const AT_A_TIME: usize = 128;

/// What a model says of texts.
#[derive(Debug, Clone, Default)]
pub struct Predictions {
    /// By text: the logits of its classes, or those of its words, one word's after the other's.
    pub logits: Vec<Vec<f32>>,
    /// The mean of the last layer's tokens of each text.
    pub vectors: Vec<Vec<f32>>,
}

impl Predictions {
    /// The likeliest class of each text, where classes are told of texts.
    pub fn classes(&self) -> Vec<usize> {
        self.logits.iter().map(|row| likeliest(row)).collect()
    }
}

/// The place of the largest number; the first of equal ones.
pub(crate) fn likeliest(logits: &[f32]) -> usize {
    let all = logits.iter().enumerate();
    all.fold((0, f32::NEG_INFINITY), |best, (i, x)| if *x > best.1 { (i, *x) } else { best }).0
}

/// The probability of each of some classes.
pub(crate) fn softmax(logits: &[f32]) -> impl Iterator<Item = f32> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = logits.iter().map(|x| (x - largest).exp()).sum();
    logits.iter().map(move |x| (x - largest).exp() / sum)
}

/// What a model says of texts.
///
/// # Errors
/// Candle's own.
pub fn predict(model: &Classifier, tokens: &[Tokens]) -> Result<Predictions> {
    let mut predictions = Predictions::default();
    for part in tokens.chunks(AT_A_TIME) {
        let batch = Batch::of(part);
        let (logits, pass) = model.forward(&batch, Chance::default())?;
        predictions.logits.extend(by_text(logits.to_vec2::<f32>()?, &batch));
        predictions.vectors.extend(pass.pooled.to_vec2::<f32>()?);
    }
    Ok(predictions)
}

/// The rows of a batch's texts: one each, or those of its words.
pub(crate) fn by_text(rows: Vec<Vec<f32>>, batch: &Batch) -> Vec<Vec<f32>> {
    match &batch.words {
        None => rows,
        Some(words) => words.spans.iter().map(|span| rows.get(span).unwrap_or_default().concat()).collect(),
    }
}
