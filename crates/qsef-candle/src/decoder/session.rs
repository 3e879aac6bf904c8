use std::sync::Arc;

use candle_core::Tensor;
use qsef_core::{Error, Result};
use qsef_decode::{Kernels, Sequence};

use super::{gguf::first_line, kv::KvCache, weights::Weights};

/// A sequence of tokens and the attention state that the model computed for them.
pub(super) struct Session {
    weights: Arc<Weights>,
    cache: KvCache,
    tokens: Vec<u32>,
}

/// The last hidden states of a feed, normalised, of which logits are computed when they are needed.
pub(super) struct Tail {
    weights: Arc<Weights>,
    normed: Tensor,
}

impl qsef_decode::Tail for Tail {
    fn logits(&mut self, row: usize) -> Result<Vec<f32>> {
        self.weights.logits(&self.normed, row).map_err(failed)
    }
}

fn failed(error: candle_core::Error) -> Error {
    Error::Internal(format!("decoder: {}", first_line(&error)))
}

impl Session {
    /// An empty session.
    pub fn new(weights: Arc<Weights>) -> Self {
        let config = &weights.config;
        let cache = KvCache::new(config.layers, config.kv_heads, config.head_dim);
        Self { cache, tokens: Vec::new(), weights }
    }

    /// Appends tokens and returns the logits after each of them.
    pub fn feed_all(&mut self, tokens: &[u32]) -> Result<Vec<Vec<f32>>> {
        let weights = self.weights.clone();
        let mut all = Vec::with_capacity(tokens.len());
        self.run(tokens, Kernels::Several, &|| false, |hidden| {
            let normed = weights.normed(hidden, &weights.norm)?;
            for row in 0..normed.dim(0)? {
                all.push(weights.logits(&normed, row)?);
            }
            Ok(())
        })?;
        Ok(all)
    }

    /// Appends tokens and returns the model's final, normalised hidden state of each.
    pub fn feed_hidden(&mut self, tokens: &[u32]) -> Result<Vec<Vec<f32>>> {
        let weights = self.weights.clone();
        let mut all = Vec::with_capacity(tokens.len());
        self.run(tokens, Kernels::Several, &|| false, |hidden| {
            all.extend(weights.normed(hidden, &weights.norm)?.to_vec2::<f32>()?);
            Ok(())
        })?;
        Ok(all)
    }

    /// The attention state of the first `len` tokens, to be saved.
    pub fn export(&self, len: usize) -> Vec<f32> {
        self.cache.export(len.min(self.tokens.len()))
    }

    /// Replaces the session by saved tokens and their state.
    pub fn import(&mut self, tokens: &[u32], state: &[f32]) -> Result<()> {
        self.tokens.clear();
        self.cache.import(state, tokens.len()).map_err(failed)?;
        self.tokens.extend_from_slice(tokens);
        Ok(())
    }

    fn run(
        &mut self,
        tokens: &[u32],
        kernels: Kernels,
        stop: &dyn Fn() -> bool,
        mut each: impl FnMut(&[f32]) -> candle_core::Result<()>,
    ) -> Result<Option<Vec<f32>>> {
        let context = self.weights.config.context;
        let total = self.tokens.len() + tokens.len();
        if tokens.is_empty() || total > context {
            return Err(Error::Input(format!(
                "{total} tokens do not fit the model's context of {context} tokens, or there are none to add"
            )));
        }
        self.cache.reserve(total, self.tokens.len());
        let mut last = None;
        for chunk in tokens.chunks(Self::CHUNK) {
            let start = self.tokens.len();
            let hidden = self.weights.hidden(chunk, start, kernels, &mut self.cache, stop).map_err(failed)?;
            let Some(hidden) = hidden else {
                return Ok(None);
            };
            self.tokens.extend_from_slice(chunk);
            each(&hidden).map_err(failed)?;
            last = Some(hidden);
        }
        Ok(last)
    }
}

impl Sequence for Session {
    /// More would only make the score matrix larger.
    const CHUNK: usize = 256;

    type Tail = Tail;

    fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    fn truncate(&mut self, len: usize) -> Result<()> {
        self.tokens.truncate(len);
        Ok(())
    }

    fn feed(&mut self, tokens: &[u32], kernels: Kernels, rows: usize, stop: &dyn Fn() -> bool) -> Result<Option<Tail>> {
        let Some(hidden) = self.run(tokens, kernels, stop, |_| Ok(()))? else { return Ok(None) };
        let first = hidden.len().saturating_sub(rows * self.weights.config.hidden);
        let normed =
            self.weights.normed(hidden.get(first..).unwrap_or_default(), &self.weights.norm).map_err(failed)?;
        Ok(Some(Tail { weights: self.weights.clone(), normed }))
    }
}
