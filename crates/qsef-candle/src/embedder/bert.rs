//! The BERT encoder, inference only.

use candle_core::{D, Device, Result, Tensor};
use candle_nn::{Embedding, LayerNorm, Module, VarBuilder, embedding, layer_norm, ops::softmax_last_dim};
use serde::Deserialize;

use super::linear::Linear;

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
    /// Query, key and value.
    attend: Linear,
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
            attend: Linear::load(hidden, hidden, &["query", "key", "value"].map(|part| selves.pp(part)))?,
            attended: Linear::load(hidden, hidden, &[attention.pp("output.dense")])?,
            attention_norm: layer_norm(hidden, eps, attention.pp("output.LayerNorm"))?,
            up: Linear::load(hidden, inner, &[vars.pp("intermediate.dense")])?,
            down: Linear::load(inner, hidden, &[vars.pp("output.dense")])?,
            output_norm: layer_norm(hidden, eps, vars.pp("output.LayerNorm"))?,
        })
    }

    /// `x`: (tokens, hidden), the tokens of all texts, one text's after the other's.
    fn forward(&self, x: &Tensor, groups: &[Group], heads: usize) -> Result<Tensor> {
        let all = self.attend.forward(x)?;
        let mixed = groups.iter().map(|group| attention(&group.of(&all)?, heads)).collect::<Result<Vec<_>>>()?;
        let x = self.attention_norm.forward(&(x + self.attended.forward(&Tensor::cat(&mixed, 0)?)?)?)?;
        let inner = self.up.forward(&x)?.gelu_erf()?;
        self.output_norm.forward(&(&x + self.down.forward(&inner)?)?)
    }
}

/// `x`: (texts, tokens, 3 · hidden), query, key and value of texts of one length, to (texts · tokens, hidden).
fn attention(x: &Tensor, heads: usize) -> Result<Tensor> {
    let (texts, tokens, width) = x.dims3()?;
    let hidden = width / 3;
    let x = x.reshape((texts, tokens, 3, heads, hidden / heads))?;
    let part = |i| x.narrow(2, i, 1)?.squeeze(2)?.transpose(1, 2)?.contiguous();
    let (query, key, value) = (part(0)?, part(1)?, part(2)?);
    let scale = ((hidden / heads) as f64).sqrt();
    let scores = (query.matmul(&key.transpose(D::Minus1, D::Minus2)?)? / scale)?;
    softmax_last_dim(&scores)?.matmul(&value)?.transpose(1, 2)?.reshape((texts * tokens, hidden))
}

/// Texts of one length, one after the other: what lies side by side needs no padding to be computed together.
struct Group {
    /// The first of their tokens among all tokens.
    start: usize,
    texts: usize,
    tokens: usize,
}

impl Group {
    /// Its rows of (tokens, width), as (texts, tokens, width).
    fn of(&self, all: &Tensor) -> Result<Tensor> {
        all.narrow(0, self.start, self.texts * self.tokens)?.reshape((self.texts, self.tokens, ()))
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

    /// One vector of unit length per row of token ids: the mean over its tokens. Rows of one length that follow each other
    /// are computed together.
    pub fn encode(&self, rows: &[&[u32]]) -> Result<Vec<Vec<f32>>> {
        let ids: Vec<u32> = rows.concat();
        let positions: Vec<u32> = rows.iter().flat_map(|r| 0..r.len() as u32).collect();
        let mut start = 0;
        let mut groups = Vec::new();
        for texts in rows.chunk_by(|a, b| a.len() == b.len()) {
            let tokens = texts.first().map_or(0, |text| text.len());
            groups.push(Group { start, texts: texts.len(), tokens });
            start += texts.len() * tokens;
        }
        let [ids, positions] = [ids, positions].map(|x| Tensor::new(x, &Device::Cpu));
        let x = (self.words.forward(&ids?)? + self.positions.forward(&positions?)?)?;
        let mut x = self.norm.forward(&x.broadcast_add(&self.segment)?)?;
        for layer in &self.layers {
            x = layer.forward(&x, &groups, self.heads)?;
        }
        // Unit length makes the sum as good as the mean.
        let sums = groups.iter().map(|group| group.of(&x)?.sum(1)).collect::<Result<Vec<_>>>()?;
        let sums = Tensor::cat(&sums, 0)?;
        let norm = sums.sqr()?.sum_keepdim(1)?.sqrt()?;
        sums.broadcast_div(&norm)?.to_vec2()
    }
}
