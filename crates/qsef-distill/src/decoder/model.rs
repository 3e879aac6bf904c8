use std::collections::HashMap;

use candle_core::{D, Device, Tensor, Var};
use qsef_candle::decoder::{DecoderConfig, Rope};
use qsef_core::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::{
    model::{Params, Start, random},
    ops,
    random::rng,
};

type Candle<T> = candle_core::Result<T>;

/// What is trained beside a decoder's weights: for each of its maps two narrow ones, `x·A·B·alpha/rank`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Adapters {
    /// Width between `A` and `B`.
    pub rank: usize,
    /// How much they weigh: by `alpha / rank`.
    pub alpha: f64,
}

impl Default for Adapters {
    fn default() -> Self {
        Self { rank: 16, alpha: 32.0 }
    }
}

/// A map with weights that stay, and its adapter.
struct Map {
    /// Its tensor's name in the file.
    name: String,
    /// (inputs, outputs).
    weight: Tensor,
    bias: Option<Tensor>,
    a: Var,
    b: Var,
    scale: f64,
}

struct Layer {
    attention_norm: Tensor,
    q: Map,
    k: Map,
    v: Map,
    out: Map,
    feed_norm: Tensor,
    gate: Map,
    up: Map,
    down: Map,
}

/// A decoder of the `llama` or `qwen2` architecture whose adapters are trained.
pub struct Decoder {
    config: DecoderConfig,
    speeds: Vec<f64>,
    /// (vocabulary, hidden).
    words: Tensor,
    layers: Vec<Layer>,
    norm: Tensor,
    /// (hidden, vocabulary).
    output: Tensor,
    /// Makes of a head's vector the one that stands at right angles to it, pair by pair: (width, width).
    quarter: Tensor,
    params: Params,
    count: usize,
}

/// What a text's layers share.
struct Place {
    cos: Tensor,
    sin: Tensor,
    /// What no token may see is far below 0: (tokens, tokens).
    mask: Tensor,
}

impl Map {
    fn forward(&self, x: &Tensor) -> Candle<Tensor> {
        let own = ops::times(x, &self.weight)?;
        let own = match &self.bias {
            Some(bias) => own.broadcast_add(bias)?,
            None => own,
        };
        own + (x.matmul(&self.a)?.matmul(&self.b)? * self.scale)?
    }

    /// The weight with its adapter in it, (outputs, inputs).
    fn merged(&self) -> Candle<Tensor> {
        let adapter = (self.a.as_detached_tensor().matmul(&self.b.as_detached_tensor())? * self.scale)?;
        (&self.weight + adapter)?.t()?.contiguous()
    }
}

/// Brings the mean square of each row to 1, then to what was learned.
fn normed(x: &Tensor, weight: &Tensor, eps: f64) -> Candle<Tensor> {
    let size = (x.sqr()?.mean_keepdim(D::Minus1)? + eps)?.sqrt()?;
    x.broadcast_div(&size)?.broadcast_mul(weight)
}

fn softmax(x: &Tensor) -> Candle<Tensor> {
    let powers = x.broadcast_sub(&x.max_keepdim(D::Minus1)?.detach())?.exp()?;
    powers.broadcast_div(&powers.sum_keepdim(D::Minus1)?)
}

/// Where a dimension's pair is, and the sign with which it comes in.
fn partner(rope: Rope, i: usize, width: usize) -> (usize, f32) {
    match rope {
        Rope::Halves if i < width / 2 => (i + width / 2, -1.0),
        Rope::Halves => (i - width / 2, 1.0),
        _ if i.is_multiple_of(2) => (i + 1, -1.0),
        _ => (i - 1, 1.0),
    }
}

impl Decoder {
    /// Of a file's tensors, which `tensor` gives by their GGUF names: those that may be missing are none. They are put on a device.
    /// Adapters begin so that they change nothing.
    ///
    /// # Errors
    /// [`Error::ModelFile`] for a tensor that is missing or has another shape than `config` says.
    pub fn new(
        config: &DecoderConfig,
        speeds: Vec<f64>,
        tensor: impl Fn(&str) -> Result<Option<Tensor>>,
        adapters: Adapters,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        let failed = |e: candle_core::Error| Error::ModelFile(e.to_string());
        let tensor = |name: &str| match tensor(name)? {
            Some(found) => found.to_device(device).map(Some).map_err(failed),
            None => Ok(None),
        };
        let mut params = Params::on(device);
        let mut count = 0;
        let shaped = |name: &str, found: Option<Tensor>, shape: &[usize]| -> Result<Tensor> {
            let found = found.ok_or_else(|| Error::ModelFile(format!("the tensor `{name}` is missing")))?;
            if found.dims() != shape {
                let message = format!("`{name}` has the shape {:?}, where {shape:?} is needed", found.dims());
                return Err(Error::ModelFile(message));
            }
            Ok(found)
        };
        let need = |name: &str, shape: &[usize]| shaped(name, tensor(name)?, shape);
        let (hidden, width) = (config.hidden, config.head_dim);
        let (queries, keys) = (config.heads * width, config.kv_heads * width);
        let words = tensor("token_embd.weight")?;
        let vocabulary = words.as_ref().and_then(|words| words.dims().first()).copied().unwrap_or_default();
        let words = shaped("token_embd.weight", words, &[vocabulary, hidden])?;
        count += words.elem_count();
        let output = match tensor("output.weight")? {
            Some(output) => {
                count += output.elem_count();
                output
            }
            None => words.clone(),
        };
        let mut rng = rng(seed, "adapters", 0);
        let mut layers = Vec::with_capacity(config.layers);
        for layer in 0..config.layers {
            let weight = |part: &str| tensor(&format!("blk.{layer}.{part}.weight"));
            let gate = weight("ffn_gate")?;
            let inner = gate.as_ref().map_or(0, |gate| gate.elem_count() / hidden.max(1));
            let mut map = |part: &str, found: Option<Tensor>, outputs: usize, inputs: usize| -> Result<Map> {
                let name = format!("blk.{layer}.{part}");
                let weight = shaped(&format!("{name}.weight"), found, &[outputs, inputs])?;
                count += weight.elem_count();
                let bias = tensor(&format!("{name}.bias"))?;
                let start = Start::Normal((inputs as f64).powf(-0.5));
                let mut adapter = |which: &str, shape: [usize; 2], start| {
                    random(&mut rng, &shape, start).and_then(|value| params.add(&format!("{name}.{which}"), &value))
                };
                let a = adapter("a", [inputs, adapters.rank], start).map_err(failed)?;
                let b = adapter("b", [adapters.rank, outputs], Start::All(0.0)).map_err(failed)?;
                let scale = adapters.alpha / adapters.rank.max(1) as f64;
                Ok(Map { name, weight: weight.t().map_err(failed)?, bias, a, b, scale })
            };
            layers.push(Layer {
                q: map("attn_q", weight("attn_q")?, queries, hidden)?,
                k: map("attn_k", weight("attn_k")?, keys, hidden)?,
                v: map("attn_v", weight("attn_v")?, keys, hidden)?,
                out: map("attn_output", weight("attn_output")?, hidden, queries)?,
                gate: map("ffn_gate", gate, inner, hidden)?,
                up: map("ffn_up", weight("ffn_up")?, inner, hidden)?,
                down: map("ffn_down", weight("ffn_down")?, hidden, inner)?,
                attention_norm: need(&format!("blk.{layer}.attn_norm.weight"), &[hidden])?,
                feed_norm: need(&format!("blk.{layer}.ffn_norm.weight"), &[hidden])?,
            });
        }
        let mut quarter = vec![0f32; width * width];
        for i in 0..width {
            let (from, sign) = partner(config.rope, i, width);
            if let Some(slot) = quarter.get_mut(from * width + i) {
                *slot = sign;
            }
        }
        Ok(Self {
            config: config.clone(),
            speeds,
            words,
            layers,
            norm: need("output_norm.weight", &[hidden])?,
            output: output.t().map_err(failed)?,
            quarter: Tensor::from_vec(quarter, (width, width), device).map_err(failed)?,
            params,
            count,
        })
    }

    /// What is trained.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Numbers in the weights that stay.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Logits over the vocabulary after the tokens at some places of a text: (places, vocabulary).
    ///
    /// # Errors
    /// For tokens beyond the vocabulary and places beyond the text.
    pub fn logits(&self, tokens: &[u32], at: &[u32]) -> Candle<Tensor> {
        let place = self.place(tokens.len())?;
        let ids = Tensor::from_slice(tokens, tokens.len(), self.params.device())?;
        let mut x = self.words.index_select(&ids, 0)?;
        let eps = self.config.eps;
        for layer in &self.layers {
            let attended = self.attend(layer, &normed(&x, &layer.attention_norm, eps)?, &place)?;
            x = (x + attended)?;
            let inner = normed(&x, &layer.feed_norm, eps)?;
            let gated = (layer.gate.forward(&inner)?.silu()? * layer.up.forward(&inner)?)?;
            x = (x + layer.down.forward(&gated)?)?;
        }
        let at = ops::rows(&x, at.into())?;
        ops::times(&normed(&at, &self.norm, eps)?, &self.output)
    }

    fn place(&self, tokens: usize) -> Candle<Place> {
        let width = self.config.head_dim;
        let speed = |i: usize| {
            let pair = if self.config.rope == Rope::Halves { i % (width / 2) } else { i / 2 };
            self.speeds.get(pair).copied().unwrap_or_default()
        };
        let table = |of: fn(f64) -> f64| {
            let values = (0..tokens).flat_map(|at| (0..width).map(move |i| of(at as f64 * speed(i)) as f32));
            Tensor::from_vec(values.collect::<Vec<f32>>(), (tokens, width), self.params.device())
        };
        let mask = (0..tokens).flat_map(|at| (0..tokens).map(move |other| if other > at { -1e9f32 } else { 0.0 }));
        let mask = Tensor::from_vec(mask.collect::<Vec<f32>>(), (tokens, tokens), self.params.device())?;
        Ok(Place { cos: table(f64::cos)?, sin: table(f64::sin)?, mask })
    }

    /// `x · cos + x⊥ · sin` of each head's vectors: (heads, tokens, width).
    fn turned(&self, x: &Tensor, place: &Place) -> Candle<Tensor> {
        let shape = x.dims3()?;
        let quarter = ops::times(&x.reshape((shape.0 * shape.1, shape.2))?, &self.quarter)?.reshape(shape)?;
        x.broadcast_mul(&place.cos)? + quarter.broadcast_mul(&place.sin)?
    }

    fn attend(&self, layer: &Layer, x: &Tensor, place: &Place) -> Candle<Tensor> {
        let DecoderConfig { heads, kv_heads, head_dim: width, .. } = self.config;
        let tokens = x.dim(0)?;
        let split = |x: Tensor, heads: usize| x.reshape((tokens, heads, width))?.transpose(0, 1)?.contiguous();
        // Heads of queries that share a key head follow each other.
        let shared = |x: Tensor| {
            let shape = (kv_heads, heads / kv_heads, tokens, width);
            x.unsqueeze(1)?.broadcast_as(shape)?.contiguous()?.reshape((heads, tokens, width))
        };
        let q = self.turned(&split(layer.q.forward(x)?, heads)?, place)?;
        let k = shared(self.turned(&split(layer.k.forward(x)?, kv_heads)?, place)?)?;
        let v = shared(split(layer.v.forward(x)?, kv_heads)?)?;
        let scores = (q.matmul(&k.transpose(1, 2)?.contiguous()?)? * (width as f64).powf(-0.5))?;
        let mixed = softmax(&scores.broadcast_add(&place.mask)?)?.matmul(&v)?;
        layer.out.forward(&mixed.transpose(0, 1)?.contiguous()?.reshape((tokens, heads * width))?)
    }

    /// The weights that adapters change, with these in them, by their names in the file.
    ///
    /// # Errors
    /// Candle's own.
    pub fn merged(&self) -> Candle<HashMap<String, Tensor>> {
        let mut merged = HashMap::new();
        for layer in &self.layers {
            let Layer { q, k, v, out, gate, up, down, .. } = layer;
            for map in [q, k, v, out, gate, up, down] {
                merged.insert(format!("{}.weight", map.name), map.merged()?);
            }
        }
        Ok(merged)
    }
}
