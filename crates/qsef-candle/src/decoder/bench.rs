use std::time::Instant;

use qsef_core::{Error, Result};

use super::{CandleModel, session::Session};

/// How fast a model is on this machine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BenchReport {
    /// Seconds that loading took.
    pub load_s: f64,
    /// Prompt tokens per second.
    pub prefill_tok_s: f64,
    /// Generated tokens per second.
    pub decode_tok_s: f64,
}

impl CandleModel {
    /// Measures a prompt of `prompt_tokens` followed by `new_tokens` greedy tokens. Blocks until it is done.
    ///
    /// # Errors
    /// [`Error::Input`] where there is nothing to measure or the context is too small.
    pub fn bench(&self, prompt_tokens: usize, new_tokens: usize) -> Result<BenchReport> {
        let words = self.tokenize("The quick brown fox jumps over the lazy dog. ")?;
        let prompt: Vec<u32> = words.iter().copied().cycle().take(prompt_tokens).collect();
        if prompt.is_empty() || new_tokens == 0 {
            return Err(Error::Input("a measurement needs at least one prompt token and one new token".into()));
        }
        let mut session = Session::new(self.weights().clone());
        let mut pending = prompt;
        let start = Instant::now();
        let mut prefill_s = 0.0;
        for index in 0..=new_tokens {
            let tail = if index == 0 { session.feed(&pending, &|| false)? } else { session.extend(&pending, 1, &|| false)? };
            let Some(tail) = tail else { break };
            let logits = tail.logits(0)?;
            if index == 0 {
                prefill_s = start.elapsed().as_secs_f64();
            }
            let best = (0u32..).zip(&logits).max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(token, _)| token);
            pending = vec![best];
        }
        let decode_s = start.elapsed().as_secs_f64() - prefill_s;
        Ok(BenchReport {
            load_s: self.load_time().as_secs_f64(),
            prefill_tok_s: prompt_tokens as f64 / prefill_s.max(1e-9),
            decode_tok_s: new_tokens as f64 / decode_s.max(1e-9),
        })
    }
}
