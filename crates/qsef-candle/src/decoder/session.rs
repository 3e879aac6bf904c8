use std::sync::Arc;

use candle_core::Tensor;
use half::f16;
use qsef_core::{Error, Result};
use qsef_decode::{Kernels, Sequence};

use super::{forward::Part, gguf::first_line, kv::KvCache, weights::Weights};

/// A sequence of tokens and the attention state that the model computed for them.
pub(super) struct Session {
    weights: Arc<Weights>,
    cache: KvCache,
    tokens: Vec<u32>,
}

/// Hidden states, normalised, of which logits are computed when they are needed.
pub(super) struct Tail {
    weights: Arc<Weights>,
    normed: Tensor,
}

impl Tail {
    /// What comes after each of the last `rows` hidden states.
    fn of(weights: &Arc<Weights>, hidden: &[f32], rows: usize) -> Result<Self> {
        let first = hidden.len().saturating_sub(rows * weights.config.hidden);
        let normed = weights.normed(hidden.get(first..).unwrap_or_default(), &weights.norm).map_err(failed)?;
        Ok(Self { weights: weights.clone(), normed })
    }
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
    pub fn export(&self, len: usize) -> Vec<f16> {
        self.cache.export(len.min(self.tokens.len()))
    }

    /// Replaces the session by saved tokens and their state.
    pub fn import(&mut self, tokens: &[u32], state: &[f16]) -> Result<()> {
        self.tokens.clear();
        self.cache.import(state, tokens.len()).map_err(failed)?;
        self.tokens.extend_from_slice(tokens);
        Ok(())
    }

    /// Takes over the state of the first `len` tokens of another session.
    pub fn copy(&mut self, other: &Self, len: usize) -> Result<()> {
        let len = len.min(other.tokens.len());
        self.import(other.tokens.get(..len).unwrap_or_default(), &other.export(len))
    }

    /// Makes room for more tokens.
    fn reserve(&mut self, tokens: &[u32]) -> Result<()> {
        let context = self.weights.config.context;
        let total = self.tokens.len() + tokens.len();
        if tokens.is_empty() || total > context {
            return Err(Error::Input(format!(
                "{total} tokens do not fit the model's context of {context} tokens, or there are none to add"
            )));
        }
        self.cache.reserve(total, self.tokens.len());
        Ok(())
    }

    fn run(
        &mut self,
        tokens: &[u32],
        kernels: Kernels,
        stop: &dyn Fn() -> bool,
        mut each: impl FnMut(&[f32]) -> candle_core::Result<()>,
    ) -> Result<Option<Vec<f32>>> {
        self.reserve(tokens)?;
        let mut last = None;
        for chunk in tokens.chunks(Self::CHUNK) {
            let part = Part { tokens: chunk, start: self.tokens.len(), cache: &mut self.cache };
            let hidden = self.weights.hidden(&mut [part], kernels, stop).map_err(failed)?;
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
        Tail::of(&self.weights, &hidden, rows).map(Some)
    }
}

/// Tokens for a session, and of how many of them, the last ones, it is wanted what comes after.
pub(super) struct Feed<'a> {
    pub session: &'a mut Session,
    pub tokens: &'a [u32],
    pub rows: usize,
}

/// Appends tokens to several sessions of the same weights in one pass: what comes after each, or None when `stop` said so on the way,
/// and nothing was appended.
pub(super) fn feed_together(
    feeds: &mut [Feed<'_>],
    kernels: Kernels,
    stop: &dyn Fn() -> bool,
) -> Result<Option<Vec<Tail>>> {
    let Some(weights) = feeds.first().map(|feed| feed.session.weights.clone()) else { return Ok(Some(Vec::new())) };
    feeds.iter_mut().try_for_each(|feed| feed.session.reserve(feed.tokens))?;
    let mut parts: Vec<Part<'_>> = Vec::with_capacity(feeds.len());
    for feed in feeds.iter_mut() {
        let Session { cache, tokens, .. } = &mut *feed.session;
        parts.push(Part { tokens: feed.tokens, start: tokens.len(), cache });
    }
    let Some(hidden) = weights.hidden(&mut parts, kernels, stop).map_err(failed)? else { return Ok(None) };
    let mut hidden = hidden.as_slice();
    let mut tails = Vec::with_capacity(feeds.len());
    for feed in feeds {
        feed.session.tokens.extend_from_slice(feed.tokens);
        let (own, others) = hidden.split_at(feed.tokens.len() * weights.config.hidden);
        tails.push(Tail::of(&weights, own, feed.rows)?);
        hidden = others;
    }
    Ok(Some(tails))
}
