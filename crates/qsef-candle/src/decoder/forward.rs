use candle_core::{Device, Result, Tensor, bail};
use pulp::Arch;
use qsef_decode::Kernels;

use super::{
    attention::{Heads, Seen, attention},
    config::Rope,
    kv::KvCache,
    linear::{Linear, read},
    weights::{Layer, Weights},
};
use crate::dense::{exp, in_parts, sum};

/// Numbers that one thread takes at a time where each is computed by itself.
const PART: usize = 4096;

/// New tokens of one sequence.
pub(super) struct Part<'a> {
    pub tokens: &'a [u32],
    /// Position of the first.
    pub start: usize,
    pub cache: &'a mut KvCache,
}

/// What a pass shares between layers.
struct Pass {
    kernels: Kernels,
    /// Cosine and sine of the rotation of each pair of dimensions, `[tokens, head_dim / 2]`.
    turns: Vec<(f32, f32)>,
}

impl Weights {
    /// Runs the new tokens of one or several sequences through all layers together, writing their state into the caches, which have
    /// room for it.
    ///
    /// Returns the final hidden states `[tokens, hidden]`, one sequence's after the other's, not yet normalised, or None when
    /// `stop` said so on the way.
    pub fn hidden(
        &self,
        parts: &mut [Part<'_>],
        kernels: Kernels,
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<Vec<f32>>> {
        let turn = |position: usize| {
            self.rope_speeds.iter().map(move |speed| {
                let (sin, cos) = (position as f64 * speed).sin_cos();
                (cos as f32, sin as f32)
            })
        };
        let positions = parts.iter().flat_map(|part| part.start..part.start + part.tokens.len());
        let pass = Pass { kernels, turns: positions.flat_map(turn).collect() };
        let tokens: Vec<u32> = parts.iter().flat_map(|part| part.tokens).copied().collect();
        let embedded = self.embedding.embedding(&Tensor::new(tokens, &Device::Cpu)?)?;
        let mut x: Vec<f32> = embedded.flatten_all()?.to_vec1()?;
        for (index, layer) in self.layers.iter().enumerate() {
            if stop() {
                return Ok(None);
            }
            let attended = self.attention(layer, index, self.normed(&x, &layer.attn_norm)?, &pass, parts)?;
            read(&attended, |more| add(&mut x, more))?;
            let fed = self.feed_forward(layer, self.normed(&x, &layer.ffn_norm)?, kernels)?;
            read(&fed, |more| add(&mut x, more))?;
        }
        Ok(Some(x))
    }

    /// Brings the values of each row of `x [rows, hidden]` to a mean square of 1, then to what was learned.
    pub fn normed(&self, x: &[f32], weight: &[f32]) -> Result<Tensor> {
        let mut normed = x.to_vec();
        Arch::new().dispatch(|| {
            for row in normed.chunks_exact_mut(weight.len().max(1)) {
                let mean = sum(row, |x| x * x) / weight.len() as f32;
                let scale = 1.0 / (mean + self.config.eps as f32).sqrt();
                row.iter_mut().zip(weight).for_each(|(x, weight)| *x = *x * scale * weight);
            }
        });
        Tensor::from_vec(normed, (x.len() / weight.len().max(1), weight.len()), &Device::Cpu)
    }

    /// Logits over the vocabulary of one row of normalised hidden states.
    ///
    /// One row at a time: the kernels for several rows would first make a tiled copy of the output layer, the largest
    /// weight of all.
    pub fn logits(&self, normed: &Tensor, row: usize) -> Result<Vec<f32>> {
        self.output.forward(&normed.narrow(0, row, 1)?.contiguous()?, Kernels::One)?.flatten_all()?.to_vec1()
    }

    fn attention(&self, layer: &Layer, index: usize, x: Tensor, pass: &Pass, parts: &mut [Part<'_>]) -> Result<Tensor> {
        let heads = Heads { queries: self.config.heads, keys: self.config.kv_heads, dim: self.config.head_dim };
        let [q, k, v] = Linear::forward_all([&layer.q, &layer.k, &layer.v], &x, pass.kernels)?;
        let scale = (heads.dim as f32).powf(-0.5);
        let mut queries: Vec<f32> = q.flatten_all()?.to_vec1()?;
        self.turn(&mut queries, &layer.q, heads.queries, pass);
        queries.iter_mut().for_each(|x| *x *= scale);
        let mut keys: Vec<f32> = k.flatten_all()?.to_vec1()?;
        self.turn(&mut keys, &layer.k, heads.keys, pass);
        let mut values: Vec<f32> = v.flatten_all()?.to_vec1()?;
        add_bias(&mut values, &layer.v);
        let mut made = keys.chunks_exact(heads.dim).zip(values.chunks_exact(heads.dim));
        let mut sequences = Vec::with_capacity(parts.len());
        for Part { tokens, start, cache } in parts {
            let Some(cache) = cache.layers.get_mut(index) else { bail!("no state of layer {index}") };
            for row in 0..tokens.len() {
                for (head, (key, value)) in (0..heads.keys).zip(made.by_ref()) {
                    cache.put(head, *start + row, key, value);
                }
            }
            sequences.push(Seen { rows: tokens.len(), start: *start, cache });
        }
        let mixed = attention(&queries, heads, &sequences);
        let rows = x.dim(0)?;
        layer.out.forward(&Tensor::from_vec(mixed, (rows, heads.queries * heads.dim), &Device::Cpu)?, pass.kernels)
    }

    /// Adds the bias of `of` to what it made, `[rows, heads · head_dim]`, and rotates each head by its position.
    fn turn(&self, x: &mut [f32], of: &Linear, heads: usize, pass: &Pass) {
        add_bias(x, of);
        let dim = self.config.head_dim;
        for (row, turns) in x.chunks_exact_mut(heads * dim).zip(pass.turns.chunks_exact(dim / 2)) {
            for head in row.chunks_exact_mut(dim) {
                match self.config.rope {
                    Rope::Halves => {
                        let (first, second) = head.split_at_mut(dim / 2);
                        for ((a, b), turn) in first.iter_mut().zip(second).zip(turns) {
                            rotate(a, b, turn);
                        }
                    }
                    Rope::Pairs => {
                        for ([a, b], turn) in head.as_chunks_mut::<2>().0.iter_mut().zip(turns) {
                            rotate(a, b, turn);
                        }
                    }
                }
            }
        }
    }

    /// `down(silu(gate(x)) · up(x))`.
    fn feed_forward(&self, layer: &Layer, x: Tensor, kernels: Kernels) -> Result<Tensor> {
        let [gate, up] = Linear::forward_all([&layer.gate, &layer.up], &x, kernels)?;
        let shape = gate.dims2()?;
        let mut gated = vec![0.0; shape.0 * shape.1];
        read(&gate, |gate| {
            read(&up, |up| {
                in_parts(&mut gated, PART, |from, part| {
                    let ends = from..from + part.len();
                    let (gate, up) = (gate.get(ends.clone()).unwrap_or_default(), up.get(ends).unwrap_or_default());
                    Arch::new().dispatch(|| {
                        for ((to, gate), up) in part.iter_mut().zip(gate).zip(up) {
                            *to = gate / (1.0 + exp(-gate)) * up;
                        }
                    });
                });
            })
        })??;
        layer.down.forward(&Tensor::from_vec(gated, shape, &Device::Cpu)?, kernels)
    }
}

fn rotate(a: &mut f32, b: &mut f32, (cos, sin): &(f32, f32)) {
    (*a, *b) = (*a * cos - *b * sin, *a * sin + *b * cos);
}

fn add(x: &mut [f32], more: &[f32]) {
    x.iter_mut().zip(more).for_each(|(x, more)| *x += more);
}

fn add_bias(x: &mut [f32], of: &Linear) {
    if let Some(bias) = &of.bias {
        x.chunks_exact_mut(bias.len().max(1)).for_each(|row| add(row, bias));
    }
}
