use candle_core::{D, Result, Tensor};

use super::log_softmax;

/// Cross-entropy of each row with its true class: logits (texts, classes) and labels (texts, 1) as numbers. Of the truth, `smoothing` is
/// spread over all classes.
///
/// # Errors
/// For other shapes than these.
pub fn task_loss(logits: &Tensor, labels: &Tensor, smoothing: f64) -> Result<Tensor> {
    let shares = log_softmax(logits)?;
    let true_one = shares.gather(labels, D::Minus1)?.squeeze(D::Minus1)?.neg()?;
    if smoothing == 0.0 {
        return Ok(true_one);
    }
    (true_one * (1.0 - smoothing))? - (shares.mean(D::Minus1)? * smoothing)?
}
