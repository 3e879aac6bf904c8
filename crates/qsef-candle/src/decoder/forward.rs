use candle_core::{Device, Module, Result, Tensor};
use candle_nn::ops::{rms_norm, silu, softmax_last_dim};
use candle_nn::rotary_emb::{rope, rope_i};

use super::{
    config::Rope,
    kv::KvCache,
    weights::{Layer, Weights},
};

/// What one pass over new tokens shares between layers.
struct Pass {
    /// Position of the first new token.
    start: usize,
    /// New tokens.
    count: usize,
    cos: Tensor,
    sin: Tensor,
    /// `[count, start + count]`: 0 where a token may look, −∞ where not. None for one token, which may look everywhere.
    mask: Option<Tensor>,
}

impl Weights {
    /// Runs `tokens` at positions `start..` through all layers, writing their state into `cache`.
    ///
    /// Returns the final hidden states `[tokens, hidden]`, not yet normalised, or None when `stop` said so on the way.
    pub fn hidden(
        &self,
        tokens: &[u32],
        start: usize,
        cache: &KvCache,
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<Tensor>> {
        let pass = self.pass(tokens.len(), start)?;
        let mut x = self.embedding.embedding(&Tensor::new(tokens, &Device::Cpu)?)?;
        for (index, layer) in self.layers.iter().enumerate() {
            if stop() {
                return Ok(None);
            }
            let normed = rms_norm(&x, &layer.attn_norm, self.config.eps as f32)?;
            x = (x + self.attention(layer, index, &normed, &pass, cache)?)?;
            let normed = rms_norm(&x, &layer.ffn_norm, self.config.eps as f32)?;
            let gated = (silu(&layer.gate.forward(&normed)?)? * layer.up.forward(&normed)?)?;
            x = (x + layer.down.forward(&gated)?)?;
        }
        Ok(Some(x))
    }

    /// Normalises hidden states `[n, hidden]` for the output layer.
    pub fn normed(&self, hidden: &Tensor) -> Result<Tensor> {
        rms_norm(&hidden.contiguous()?, &self.norm, self.config.eps as f32)
    }

    /// Logits over the vocabulary of one row of normalised hidden states.
    ///
    /// One row at a time: the kernels for several rows would first make a tiled copy of the output layer, the largest
    /// weight of all.
    pub fn logits(&self, normed: &Tensor, row: usize) -> Result<Vec<f32>> {
        self.output.forward(&normed.narrow(0, row, 1)?.contiguous()?)?.flatten_all()?.to_vec1()
    }

    fn pass(&self, count: usize, start: usize) -> Result<Pass> {
        let angles = (start..start + count).flat_map(|p| self.rope_speeds.iter().map(move |speed| p as f64 * speed));
        let (cos, sin): (Vec<f32>, Vec<f32>) = angles.map(|a| (a.cos() as f32, a.sin() as f32)).unzip();
        let shape = (count, self.rope_speeds.len());
        let total = start + count;
        let mask = (count > 1).then(|| {
            let mask: Vec<f32> = (0..count)
                .flat_map(|row| (0..total).map(move |col| if col <= start + row { 0.0 } else { f32::NEG_INFINITY }))
                .collect();
            Tensor::from_vec(mask, (1, count, total), &Device::Cpu)
        });
        Ok(Pass {
            start,
            count,
            cos: Tensor::from_vec(cos, shape, &Device::Cpu)?,
            sin: Tensor::from_vec(sin, shape, &Device::Cpu)?,
            mask: mask.transpose()?,
        })
    }

    /// Grouped-query attention without copies of keys and values: the queries that share a key head are stacked as rows
    /// of one matrix product.
    fn attention(&self, layer: &Layer, index: usize, x: &Tensor, pass: &Pass, cache: &KvCache) -> Result<Tensor> {
        let (heads, kv_heads, dim) = (self.config.heads, self.config.kv_heads, self.config.head_dim);
        let (count, group) = (pass.count, heads / kv_heads);
        let split = |t: Tensor, heads: usize| t.reshape((1, count, heads, dim))?.transpose(1, 2)?.contiguous();
        let turn = |t: &Tensor| match self.config.rope {
            Rope::Halves => rope(t, &pass.cos, &pass.sin),
            Rope::Pairs => rope_i(t, &pass.cos, &pass.sin),
        };
        let q = turn(&split(layer.q.forward(x)?, heads)?)?;
        let k = turn(&split(layer.k.forward(x)?, kv_heads)?)?.squeeze(0)?;
        let v = split(layer.v.forward(x)?, kv_heads)?.squeeze(0)?;
        let (keys, values) = cache.put(index, pass.start, &k, &v)?;

        let total = pass.start + count;
        let q = (q.reshape((kv_heads, group * count, dim))? * (dim as f64).powf(-0.5))?;
        let scores = q.matmul(&keys.transpose(1, 2)?)?;
        let scores = match &pass.mask {
            Some(mask) => scores.reshape((heads, count, total))?.broadcast_add(mask)?,
            None => scores.reshape((heads, count, total))?,
        };
        let weights = softmax_last_dim(&scores)?.reshape((kv_heads, group * count, total))?;
        let mixed = weights.matmul(&values)?;
        let mixed = mixed.reshape((heads, count, dim))?.transpose(0, 1)?.contiguous()?;
        layer.out.forward(&mixed.reshape((count, heads * dim))?)
    }
}
