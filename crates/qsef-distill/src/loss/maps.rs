use candle_core::{Result, Tensor};

use crate::ops::{Spans, mean_of_heads, mean_of_texts};

/// The squared difference of attention maps, averaged over the heads, in units of a uniform map: (texts). `student` is
/// [`crate::ops::shares`] of `heads` heads; `teacher` is averaged already, (tokens, tokens) for every text, one after the other.
///
/// # Errors
/// For other shapes than these.
pub fn map_distance(student: &Tensor, teacher: &Tensor, spans: &Spans, heads: usize) -> Result<Tensor> {
    let squares = Spans::new(spans.iter().map(|s| s.len() * s.len()));
    let difference = (mean_of_heads(student, spans, heads)? - teacher.detach())?.sqr()?;
    let mean = mean_of_texts(&difference.unsqueeze(1)?, &squares)?.squeeze(1)?;
    // A uniform map of n tokens has shares of 1/n.
    let level: Vec<f32> = spans.iter().map(|s| (s.len() * s.len()) as f32).collect();
    mean * Tensor::from_vec(level, spans.len(), student.device())?
}
