//! The BERT encoder, inference only.

use candle_core::{D, DType, Device, Result, Tensor};
use candle_nn::{
    Embedding, LayerNorm, Linear, Module, VarBuilder, embedding, layer_norm, linear, ops::softmax_last_dim,
};
use serde::Deserialize;

/// What is read of `config.json`.
#[derive(Debug, Deserialize)]
pub(super) struct Config {
    hidden_size: usize,
    intermediate_size: usize,
    num_attention_heads: usize,
    num_hidden_layers: usize,
    max_position_embeddings: usize,
    type_vocab_size: usize,
    vocab_size: usize,
    layer_norm_eps: f64,
}

struct Layer {
    query: Linear,
    key: Linear,
    value: Linear,
    attended: Linear,
    attention_norm: LayerNorm,
    up: Linear,
    down: Linear,
    output_norm: LayerNorm,
}

impl Layer {
    fn load(config: &Config, vars: VarBuilder) -> Result<Self> {
        let (hidden, inner, eps) = (config.hidden_size, config.intermediate_size, config.layer_norm_eps);
        let attention = vars.pp("attention");
        let selves = attention.pp("self");
        Ok(Self {
            query: linear(hidden, hidden, selves.pp("query"))?,
            key: linear(hidden, hidden, selves.pp("key"))?,
            value: linear(hidden, hidden, selves.pp("value"))?,
            attended: linear(hidden, hidden, attention.pp("output.dense"))?,
            attention_norm: layer_norm(hidden, eps, attention.pp("output.LayerNorm"))?,
            up: linear(hidden, inner, vars.pp("intermediate.dense"))?,
            down: linear(inner, hidden, vars.pp("output.dense"))?,
            output_norm: layer_norm(hidden, eps, vars.pp("output.LayerNorm"))?,
        })
    }

    /// `x`: (batch, tokens, hidden); `mask`: (batch, 1, 1, tokens), 0 for tokens and −∞ for padding.
    fn forward(&self, x: &Tensor, mask: &Tensor, heads: usize) -> Result<Tensor> {
        let (batch, tokens, hidden) = x.dims3()?;
        let split = |t: Tensor| t.reshape((batch, tokens, heads, hidden / heads))?.transpose(1, 2)?.contiguous();
        let query = split(self.query.forward(x)?)?;
        let key = split(self.key.forward(x)?)?;
        let value = split(self.value.forward(x)?)?;
        let scale = ((hidden / heads) as f64).sqrt();
        let scores = (query.matmul(&key.transpose(D::Minus1, D::Minus2)?)? / scale)?.broadcast_add(mask)?;
        let mixed = softmax_last_dim(&scores)?.matmul(&value)?;
        let mixed = mixed.transpose(1, 2)?.contiguous()?.reshape((batch, tokens, hidden))?;
        let x = self.attention_norm.forward(&(x + self.attended.forward(&mixed)?)?)?;
        let inner = self.up.forward(&x)?.gelu_erf()?;
        self.output_norm.forward(&(&x + self.down.forward(&inner)?)?)
    }
}

/// The encoder.
pub(super) struct Bert {
    words: Embedding,
    positions: Embedding,
    /// The embedding of segment 0, the only one used: (hidden).
    segment: Tensor,
    norm: LayerNorm,
    layers: Vec<Layer>,
    heads: usize,
    hidden: usize,
}

impl Bert {
    pub fn load(config: &Config, vars: VarBuilder) -> Result<Self> {
        let hidden = config.hidden_size;
        let embeddings = vars.pp("embeddings");
        let segments = embedding(config.type_vocab_size, hidden, embeddings.pp("token_type_embeddings"))?;
        let layers = (0..config.num_hidden_layers).map(|i| Layer::load(config, vars.pp(format!("encoder.layer.{i}"))));
        Ok(Self {
            words: embedding(config.vocab_size, hidden, embeddings.pp("word_embeddings"))?,
            positions: embedding(config.max_position_embeddings, hidden, embeddings.pp("position_embeddings"))?,
            segment: segments.embeddings().get(0)?,
            norm: layer_norm(hidden, config.layer_norm_eps, embeddings.pp("LayerNorm"))?,
            layers: layers.collect::<Result<_>>()?,
            heads: config.num_attention_heads,
            hidden,
        })
    }

    pub fn dimensions(&self) -> usize {
        self.hidden
    }

    /// One vector of unit length per row of token ids: the mean over its tokens.
    pub fn encode<'a>(&self, rows: impl ExactSizeIterator<Item = &'a [u32]>) -> Result<Vec<Vec<f32>>> {
        let rows: Vec<&[u32]> = rows.collect();
        let longest = rows.iter().map(|r| r.len()).max().unwrap_or(0);
        if longest == 0 {
            return Ok(vec![vec![0.0; self.hidden]; rows.len()]);
        }
        let padded = |f: &dyn Fn(Option<&u32>) -> f32| -> Vec<f32> {
            rows.iter().flat_map(|r| (0..longest).map(|i| f(r.get(i)))).collect()
        };
        let shape = (rows.len(), longest);
        let ids: Vec<u32> = rows.iter().flat_map(|r| (0..longest).map(|i| r.get(i).copied().unwrap_or(0))).collect();
        let ids = Tensor::from_vec(ids, shape, &Device::Cpu)?;
        let present = Tensor::from_vec(padded(&|id| if id.is_some() { 1.0 } else { 0.0 }), shape, &Device::Cpu)?;
        let mask = padded(&|id| if id.is_some() { 0.0 } else { f32::NEG_INFINITY });
        let mask = Tensor::from_vec(mask, (rows.len(), 1, 1, longest), &Device::Cpu)?;
        let positions = Tensor::arange(0u32, longest as u32, &Device::Cpu)?;

        let x = self.words.forward(&ids)?.broadcast_add(&self.positions.forward(&positions)?)?;
        let mut x = self.norm.forward(&x.broadcast_add(&self.segment)?)?;
        for layer in &self.layers {
            x = layer.forward(&x, &mask, self.heads)?;
        }
        // Unit length makes the sum as good as the mean.
        let sum = x.broadcast_mul(&present.unsqueeze(2)?)?.sum(1)?;
        let norm = sum.sqr()?.sum_keepdim(1)?.sqrt()?;
        sum.broadcast_div(&norm)?.to_dtype(DType::F32)?.to_vec2()
    }
}
