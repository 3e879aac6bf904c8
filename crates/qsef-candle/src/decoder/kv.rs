use candle_core::{Result, bail};
use half::{f16, slice::HalfFloatSliceExt, vec::HalfBitsVecExt};

/// Keys and values of one layer: each `[kv_heads, capacity, head_dim]`, of which the first positions are in use.
///
/// In 16 bits, as llama.cpp keeps them by default: half the memory, at no loss that perplexity shows.
#[derive(Default)]
pub(super) struct LayerCache {
    keys: Vec<f16>,
    values: Vec<f16>,
    capacity: usize,
    dim: usize,
}

impl LayerCache {
    /// Keys and values of one head at positions `0..len`, `[len, head_dim]` each.
    pub fn head(&self, head: usize, len: usize) -> (&[f16], &[f16]) {
        let start = head * self.capacity * self.dim;
        let range = start..start + len * self.dim;
        (self.keys.get(range.clone()).unwrap_or_default(), self.values.get(range).unwrap_or_default())
    }

    /// Writes key and value of one head at one position, for which there is room.
    pub fn put(&mut self, head: usize, position: usize, key: &[f32], value: &[f32]) {
        let start = (head * self.capacity + position) * self.dim;
        for (state, new) in [(&mut self.keys, key), (&mut self.values, value)] {
            if let Some(place) = state.get_mut(start..start + new.len()) {
                place.convert_from_f32_slice(new);
            }
        }
    }

    fn grow(&mut self, capacity: usize, heads: usize, used: usize) {
        let (old, dim) = (self.capacity * self.dim, self.dim);
        for state in [&mut self.keys, &mut self.values] {
            // Of zeros of 16 bits, for which the system gives memory only where it is written.
            let mut grown = vec![0u16; heads * capacity * dim].reinterpret_into::<f16>();
            for (to, from) in grown.chunks_exact_mut((capacity * dim).max(1)).zip(state.chunks_exact(old.max(1))) {
                to.iter_mut().zip(from.iter().take(used * dim)).for_each(|(to, from)| *to = *from);
            }
            *state = grown;
        }
        self.capacity = capacity;
    }
}

/// The attention state of a session: room grows by a quarter when it runs out, so that adding a token rarely copies the rest.
pub(super) struct KvCache {
    pub layers: Vec<LayerCache>,
    capacity: usize,
    heads: usize,
    dim: usize,
}

impl KvCache {
    /// An empty cache.
    pub fn new(layers: usize, heads: usize, dim: usize) -> Self {
        let layers = (0..layers).map(|_| LayerCache { dim, ..LayerCache::default() }).collect();
        Self { layers, capacity: 0, heads, dim }
    }

    /// Makes room for `tokens` positions, of which the first `used` keep their state.
    pub fn reserve(&mut self, tokens: usize, used: usize) {
        if tokens > self.capacity {
            self.capacity = tokens.max(self.capacity + self.capacity / 4).next_multiple_of(256);
            self.layers.iter_mut().for_each(|layer| layer.grow(self.capacity, self.heads, used));
        }
    }

    /// Copies the state of the first `tokens` positions: per layer keys, then values, flat.
    pub fn export(&self, tokens: usize) -> Vec<f16> {
        let mut out = Vec::with_capacity(self.layers.len() * 2 * self.heads * self.dim * tokens);
        for layer in &self.layers {
            let heads = || (0..self.heads).map(|head| layer.head(head, tokens));
            heads().for_each(|(keys, _)| out.extend_from_slice(keys));
            heads().for_each(|(_, values)| out.extend_from_slice(values));
        }
        out
    }

    /// Takes back what [`KvCache::export`] returned for `tokens` positions.
    pub fn import(&mut self, state: &[f16], tokens: usize) -> Result<()> {
        let size = self.dim * tokens;
        if size == 0 || state.len() != size * self.heads * 2 * self.layers.len() {
            bail!("a saved state of {} numbers does not fit {tokens} tokens", state.len())
        }
        self.reserve(tokens, 0);
        let room = self.capacity * self.dim;
        let mut parts = state.chunks_exact(size);
        for layer in &mut self.layers {
            for state in [&mut layer.keys, &mut layer.values] {
                for (to, from) in state.chunks_exact_mut(room).zip(parts.by_ref().take(self.heads)) {
                    to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
                }
            }
        }
        Ok(())
    }
}
