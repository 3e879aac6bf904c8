//! The BERT encoder, inference only. Written over slices: for a short text, candle's operations on tensors take as long as
//! the products.

use candle_core::{Result, bail};
use candle_nn::VarBuilder;
use serde::Deserialize;

use super::linear::Linear;
use crate::dense::{in_parallel_if_much, mix, product, side_by_side, softmax, sum};

/// What is read of `config.json`.
#[derive(Debug, Deserialize)]
pub(crate) struct Config {
    pub hidden_size: usize,
    intermediate_size: usize,
    num_attention_heads: usize,
    num_hidden_layers: usize,
    pub max_position_embeddings: usize,
    type_vocab_size: usize,
    vocab_size: usize,
    layer_norm_eps: f64,
}

/// Brings the values of each row to mean 0 and variance 1, then to what was learned.
struct Norm {
    /// (hidden).
    weight: Vec<f32>,
    /// (hidden).
    bias: Vec<f32>,
    eps: f32,
}

impl Norm {
    fn load(config: &Config, vars: VarBuilder) -> Result<Self> {
        let read = |name| vars.get(config.hidden_size, name)?.to_vec1();
        Ok(Self { weight: read("weight")?, bias: read("bias")?, eps: config.layer_norm_eps as f32 })
    }

    /// The sum `x + y`, normalised. Both are (rows, hidden).
    fn of_sum(&self, mut x: Vec<f32>, y: &[f32]) -> Vec<f32> {
        let hidden = self.weight.len();
        x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
        for row in x.chunks_exact_mut(hidden.max(1)) {
            let mean = sum(row, |x| x) / hidden as f32;
            row.iter_mut().for_each(|x| *x -= mean);
            let scale = 1.0 / (sum(row, |x| x * x) / hidden as f32 + self.eps).sqrt();
            for ((x, weight), bias) in row.iter_mut().zip(&self.weight).zip(&self.bias) {
                *x = *x * scale * weight + bias;
            }
        }
        x
    }
}

struct Layer {
    /// Query, key and value.
    attend: Linear,
    attended: Linear,
    attention_norm: Norm,
    up: Linear,
    down: Linear,
    output_norm: Norm,
}

impl Layer {
    fn load(config: &Config, vars: VarBuilder) -> Result<Self> {
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let attention = vars.pp("attention");
        let selves = attention.pp("self");
        Ok(Self {
            attend: Linear::load(hidden, hidden, &["query", "key", "value"].map(|part| selves.pp(part)))?,
            attended: Linear::load(hidden, hidden, &[attention.pp("output.dense")])?,
            attention_norm: Norm::load(config, attention.pp("output.LayerNorm"))?,
            up: Linear::load(hidden, inner, &[vars.pp("intermediate.dense")])?.with_gelu(),
            down: Linear::load(inner, hidden, &[vars.pp("output.dense")])?,
            output_norm: Norm::load(config, vars.pp("output.LayerNorm"))?,
        })
    }

    /// `x`: (tokens, hidden), the tokens of all texts, one text's after the other's, as many as `lengths` say.
    fn forward(&self, x: Vec<f32>, lengths: &[usize], hidden: usize, heads: usize) -> Vec<f32> {
        let mixed = attention(&self.attend.forward(&x), lengths, hidden, heads);
        let x = self.attention_norm.of_sum(x, &self.attended.forward(&mixed));
        let inner = self.up.forward(&x);
        self.output_norm.of_sum(x, &self.down.forward(&inner))
    }
}

/// `x`: (tokens, 3 · hidden), query, key and value of the tokens of all texts, to (tokens, hidden).
fn attention(x: &[f32], lengths: &[usize], hidden: usize, heads: usize) -> Vec<f32> {
    let mut rows = x.chunks_exact(3 * hidden);
    let texts: Vec<Vec<&[f32]>> = lengths.iter().map(|tokens| rows.by_ref().take(*tokens).collect()).collect();
    let each: Vec<(&[&[f32]], usize)> =
        texts.iter().flat_map(|text| (0..heads).map(|head| (text.as_slice(), head))).collect();
    let width = hidden / heads;
    let multiplications = lengths.iter().map(|tokens| 2 * tokens * tokens * hidden).sum();
    let mixed = in_parallel_if_much(multiplications, &each, |(text, head)| {
        let part = |i: usize| {
            let start = i * hidden + head * width;
            text.iter().map(move |row| row.get(start..start + width).unwrap_or_default())
        };
        one_head(
            &part(0).collect::<Vec<_>>(),
            &part(1).collect::<Vec<_>>().concat(),
            &part(2).collect::<Vec<_>>().concat(),
        )
    });
    texts.iter().zip(mixed.chunks(heads)).flat_map(|(text, heads)| side_by_side(heads, text.len())).collect()
}

/// Attention of one text's tokens to each other: (tokens, width).
fn one_head(query: &[&[f32]], key: &[f32], value: &[f32]) -> Vec<f32> {
    let tokens = query.len();
    let width = key.len() / tokens;
    let mut scores = product(query, key, width);
    let scale = 1.0 / (width as f32).sqrt();
    scores.chunks_exact_mut(tokens).for_each(|row| softmax(row, scale));
    mix(&scores, value, width)
}

/// The encoder.
pub(crate) struct Bert {
    /// (vocabulary, hidden).
    words: Vec<f32>,
    /// (positions, hidden), with the embedding of segment 0, the only one used.
    positions: Vec<f32>,
    norm: Norm,
    layers: Vec<Layer>,
    heads: usize,
    hidden: usize,
}

impl Bert {
    pub fn load(config: &Config, vars: VarBuilder) -> Result<Self> {
        let (hidden, heads) = (config.hidden_size, config.num_attention_heads);
        if heads == 0 || hidden == 0 || !hidden.is_multiple_of(heads) {
            bail!("{hidden} values cannot be shared among {heads} heads");
        }
        let embeddings = vars.pp("embeddings");
        let embedding = |count: usize, name: &str| embeddings.pp(name).get((count, hidden), "weight");
        let positions = embedding(config.max_position_embeddings, "position_embeddings")?;
        let segment = embedding(config.type_vocab_size, "token_type_embeddings")?.get(0)?;
        let layers = (0..config.num_hidden_layers).map(|i| Layer::load(config, vars.pp(format!("encoder.layer.{i}"))));
        Ok(Self {
            words: embedding(config.vocab_size, "word_embeddings")?.flatten_all()?.to_vec1()?,
            positions: positions.broadcast_add(&segment)?.flatten_all()?.to_vec1()?,
            norm: Norm::load(config, embeddings.pp("LayerNorm"))?,
            layers: layers.collect::<Result<_>>()?,
            heads,
            hidden,
        })
    }

    pub fn dimensions(&self) -> usize {
        self.hidden
    }

    /// One vector of unit length per text: the direction of [`Bert::means`].
    pub fn encode(&self, texts: &[&[u32]]) -> Result<Vec<Vec<f32>>> {
        let mut means = self.means(texts)?;
        for mean in &mut means {
            let length = sum(mean, |x| x * x).sqrt();
            mean.iter_mut().for_each(|x| *x /= length);
        }
        Ok(means)
    }

    /// The mean over each text's tokens; a text is given by its token ids, of which there is at least one.
    pub fn means(&self, texts: &[&[u32]]) -> Result<Vec<Vec<f32>>> {
        let states = self.states(texts)?;
        let mut rows = states.chunks_exact(self.hidden);
        let mean = |text: &&[u32]| {
            let mut mean = vec![0f32; self.hidden];
            for row in rows.by_ref().take(text.len()) {
                mean.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
            }
            mean.iter_mut().for_each(|x| *x /= text.len() as f32);
            mean
        };
        Ok(texts.iter().map(mean).collect())
    }

    /// The vectors of all texts' tokens after the last layer, one text's after the other's: (tokens, hidden).
    pub fn states(&self, texts: &[&[u32]]) -> Result<Vec<f32>> {
        let rows = |from: &[f32], at: usize| from.get(at * self.hidden..(at + 1) * self.hidden).map(<[f32]>::to_vec);
        let (mut words, mut positions) = (Vec::new(), Vec::new());
        for (position, id) in texts.iter().flat_map(|text| text.iter().enumerate()) {
            let (Some(word), Some(place)) = (rows(&self.words, *id as usize), rows(&self.positions, position)) else {
                bail!("token {id} at {position} is beyond the model's vocabulary or window");
            };
            words.extend(word);
            positions.extend(place);
        }
        let lengths: Vec<usize> = texts.iter().map(|text| text.len()).collect();
        let mut x = self.norm.of_sum(words, &positions);
        for layer in &self.layers {
            x = layer.forward(x, &lengths, self.hidden, self.heads);
        }
        Ok(x)
    }
}
