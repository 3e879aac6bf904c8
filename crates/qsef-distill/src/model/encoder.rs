use std::sync::Arc;

use candle_core::{Result, Tensor, Var};

use super::{
    EncoderConfig, Params,
    params::{Source, Start},
};
use crate::{
    batch::Batch,
    ops::{self, Spans},
    random::mixed,
};

/// A map of rows, `x·W + b`. The weight is (inputs, outputs), so that neither pass transposes what it makes.
struct Linear {
    weight: Var,
    bias: Var,
}

impl Linear {
    /// One map to the outputs of several parts, side by side; a file has each as (outputs, inputs).
    fn new(
        name: &str,
        parts: &[String],
        inputs: usize,
        outputs: usize,
        source: &mut Source<'_>,
        params: &mut Params,
    ) -> Result<Self> {
        let mut weights = Vec::new();
        let mut biases = Vec::new();
        for part in parts {
            weights.push(source.get(&format!("{part}.weight"), &[outputs, inputs], Start::Normal(0.02))?);
            biases.push(source.get(&format!("{part}.bias"), &[outputs], Start::All(0.0))?);
        }
        Ok(Self {
            weight: params.add(&format!("{name}.weight"), &Tensor::cat(&weights, 0)?.t()?)?,
            bias: params.add(&format!("{name}.bias"), &Tensor::cat(&biases, 0)?)?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        ops::add_bias(&x.matmul(&self.weight)?, &self.bias)
    }

    fn forward_gelu(&self, x: &Tensor) -> Result<Tensor> {
        ops::add_bias_gelu(&x.matmul(&self.weight)?, &self.bias)
    }
}

/// Weight and bias of a norm, (2, hidden).
fn norm(name: &str, file: &str, hidden: usize, source: &mut Source<'_>, params: &mut Params) -> Result<Var> {
    let weight = source.get(&format!("{file}.weight"), &[hidden], Start::All(1.0))?;
    let bias = source.get(&format!("{file}.bias"), &[hidden], Start::All(0.0))?;
    params.add(name, &Tensor::stack(&[weight, bias], 0)?)
}

struct Layer {
    qkv: Linear,
    attended: Linear,
    attention_norm: Var,
    up: Linear,
    down: Linear,
    output_norm: Var,
}

/// The encoder.
pub struct Encoder {
    config: EncoderConfig,
    words: Var,
    /// With the embedding of segment 0, the only one used.
    positions: Var,
    norm: Var,
    layers: Vec<Layer>,
    /// Whether the words' vectors stay as they are.
    pub(super) words_fixed: bool,
}

/// What is made of a batch on the way to its vectors.
pub struct Pass {
    /// The tokens' vectors, (tokens, hidden): as they go into the first layer, then what comes out of each.
    pub states: Vec<Tensor>,
    /// Each layer's shares of attention; see [`ops::shares`].
    pub shares: Vec<Tensor>,
    /// The mean of each text's tokens after the last layer: (texts, hidden).
    pub pooled: Tensor,
}

/// Chance within a pass: none where it is not for training.
#[derive(Debug, Clone, Copy, Default)]
pub struct Chance {
    /// Of the numbers between layers, how many are dropped, in [0, 1).
    pub dropout: f32,
    /// What decides which.
    pub seed: u64,
}

impl Encoder {
    pub(super) fn new(config: &EncoderConfig, source: &mut Source<'_>, params: &mut Params) -> Result<Self> {
        config.check().map_err(candle_core::Error::msg)?;
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let start = Start::Normal(0.02);
        let words = source.get("embeddings.word_embeddings.weight", &[config.vocab_size, hidden], start)?;
        let places =
            source.get("embeddings.position_embeddings.weight", &[config.max_position_embeddings, hidden], start)?;
        let segment = "embeddings.token_type_embeddings.weight";
        let places = match source {
            Source::File(_) if source.has(segment) => {
                let segments = source.get(segment, &[config.type_vocab_size, hidden], start)?;
                places.broadcast_add(&segments.get(0)?)?
            }
            _ => places,
        };
        let words = params.add("words", &words)?;
        let positions = params.add("positions", &places)?;
        let first = norm("norm", "embeddings.LayerNorm", hidden, source, params)?;
        let mut layers = Vec::new();
        for i in 0..config.num_hidden_layers {
            let file = format!("encoder.layer.{i}");
            let name = |part: &str| format!("layer.{i}.{part}");
            let selves = ["query", "key", "value"].map(|part| format!("{file}.attention.self.{part}"));
            let attended = [format!("{file}.attention.output.dense")];
            let up = [format!("{file}.intermediate.dense")];
            let down = [format!("{file}.output.dense")];
            let after = format!("{file}.attention.output.LayerNorm");
            layers.push(Layer {
                qkv: Linear::new(&name("qkv"), &selves, hidden, hidden, source, params)?,
                attended: Linear::new(&name("attended"), &attended, hidden, hidden, source, params)?,
                attention_norm: norm(&name("attention_norm"), &after, hidden, source, params)?,
                up: Linear::new(&name("up"), &up, hidden, inner, source, params)?,
                down: Linear::new(&name("down"), &down, inner, hidden, source, params)?,
                output_norm: norm(&name("output_norm"), &format!("{file}.output.LayerNorm"), hidden, source, params)?,
            });
        }
        Ok(Self { config: config.clone(), words, positions, norm: first, layers, words_fixed: false })
    }

    /// Its shape.
    pub fn config(&self) -> &EncoderConfig {
        &self.config
    }

    /// The words' vectors, (vocabulary, hidden).
    pub fn words(&self) -> &Var {
        &self.words
    }

    /// Encodes a batch.
    ///
    /// # Errors
    /// For tokens beyond the vocabulary or the window.
    pub fn forward(&self, batch: &Batch, chance: Chance) -> Result<Pass> {
        let (heads, eps, spans) = (self.config.num_attention_heads, self.config.layer_norm_eps, &batch.spans);
        let mut site = 0;
        let mut drop = |x: &Tensor| {
            site += 1;
            ops::dropout(x, chance.dropout, mixed(&[chance.seed, site]))
        };
        let words = if self.words_fixed { self.words.as_detached_tensor() } else { self.words.as_tensor().clone() };
        let words = ops::rows(&words, batch.ids.clone())?;
        let places = ops::rows(&self.positions, batch.places.clone())?;
        let mut x = drop(&ops::norm_of_sum(&words, &places, &self.norm, eps)?)?;
        let mut pass = Pass { states: vec![x.clone()], shares: Vec::new(), pooled: x.clone() };
        for layer in &self.layers {
            let qkv = layer.qkv.forward(&x)?;
            let shares = ops::shares(&qkv, spans, heads)?;
            let mixed = ops::mix(&shares, &qkv, spans, heads)?;
            x = ops::norm_of_sum(&x, &drop(&layer.attended.forward(&mixed)?)?, &layer.attention_norm, eps)?;
            let inner = layer.up.forward_gelu(&x)?;
            x = ops::norm_of_sum(&x, &drop(&layer.down.forward(&inner)?)?, &layer.output_norm, eps)?;
            pass.states.push(x.clone());
            pass.shares.push(shares);
        }
        pass.pooled = ops::mean_of_texts(&x, spans)?;
        Ok(pass)
    }
}

/// The place of each token in its text.
pub(crate) fn places(spans: &Spans) -> Arc<[u32]> {
    spans.iter().flat_map(|span| 0..span.len() as u32).collect()
}
