use candle_core::{DType, Device, Result, Tensor};

/// Keys and values of one layer: `[kv_heads, capacity, head_dim]`, of which a prefix is in use.
pub(super) struct LayerCache {
    keys: Tensor,
    values: Tensor,
}

/// The attention state of a session: room is doubled when it runs out, so that adding a token does not copy the rest.
pub(super) struct KvCache {
    layers: Vec<LayerCache>,
    capacity: usize,
    heads: usize,
    dim: usize,
}

impl KvCache {
    /// An empty cache.
    pub fn new(layers: usize, heads: usize, dim: usize) -> Result<Self> {
        let empty = || Tensor::zeros((heads, 0, dim), DType::F32, &Device::Cpu);
        let layers = (0..layers).map(|_| Ok(LayerCache { keys: empty()?, values: empty()? })).collect::<Result<_>>()?;
        Ok(Self { layers, capacity: 0, heads, dim })
    }

    /// Makes room for `tokens` positions, of which the first `used` keep their state.
    pub fn reserve(&mut self, tokens: usize, used: usize) -> Result<()> {
        if tokens <= self.capacity {
            return Ok(());
        }
        let capacity = tokens.max(self.capacity * 2).next_multiple_of(256);
        let grow = |old: &Tensor| {
            let new = Tensor::zeros((self.heads, capacity, self.dim), DType::F32, &Device::Cpu)?;
            if used > 0 {
                new.slice_set(&old.narrow(1, 0, used)?.contiguous()?, 1, 0)?;
            }
            Ok::<_, candle_core::Error>(new)
        };
        for layer in &mut self.layers {
            layer.keys = grow(&layer.keys)?;
            layer.values = grow(&layer.values)?;
        }
        self.capacity = capacity;
        Ok(())
    }

    /// Writes `[kv_heads, n, head_dim]` at position `at` and returns keys and values of positions `0..at + n`.
    pub fn put(&self, layer: usize, at: usize, keys: &Tensor, values: &Tensor) -> Result<(Tensor, Tensor)> {
        let Some(cache) = self.layers.get(layer) else { candle_core::bail!("no layer {layer}") };
        let end = at + keys.dim(1)?;
        cache.keys.slice_set(keys, 1, at)?;
        cache.values.slice_set(values, 1, at)?;
        Ok((cache.keys.narrow(1, 0, end)?, cache.values.narrow(1, 0, end)?))
    }

    /// Copies the state of the first `tokens` positions: per layer keys, then values, flat.
    pub fn export(&self, tokens: usize) -> Result<Vec<f32>> {
        let mut out = Vec::with_capacity(self.layers.len() * 2 * self.heads * self.dim * tokens);
        for layer in &self.layers {
            for tensor in [&layer.keys, &layer.values] {
                out.extend(tensor.narrow(1, 0, tokens)?.contiguous()?.flatten_all()?.to_vec1::<f32>()?);
            }
        }
        Ok(out)
    }

    /// Takes back what [`KvCache::export`] returned for `tokens` positions.
    pub fn import(&mut self, state: &[f32], tokens: usize) -> Result<()> {
        let size = self.heads * self.dim * tokens;
        if size == 0 || state.len() != size * 2 * self.layers.len() {
            candle_core::bail!("a saved state of {} numbers does not fit {tokens} tokens", state.len())
        }
        self.reserve(tokens, 0)?;
        let mut parts = state.chunks_exact(size);
        for layer in &self.layers {
            for tensor in [&layer.keys, &layer.values] {
                let Some(part) = parts.next() else { candle_core::bail!("a saved state broke off") };
                tensor.slice_set(&Tensor::from_slice(part, (self.heads, tokens, self.dim), &Device::Cpu)?, 1, 0)?;
            }
        }
        Ok(())
    }
}
