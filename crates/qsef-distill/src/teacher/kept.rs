//! What a teacher said, on disk: it is asked again for each grid over the same texts.

use std::{collections::HashMap, path::Path};

use candle_core::{Device, Result as Candle, Tensor};
use qsef_core::Result;

use super::{Inner, Knowledge};

fn matrix(rows: &[Vec<f32>]) -> Candle<Tensor> {
    let width = rows.first().map_or(0, Vec::len);
    Tensor::from_vec(rows.concat(), (rows.len(), width), &Device::Cpu)
}

impl Knowledge {
    /// Writes it, where the states that it has are the texts' means.
    ///
    /// # Errors
    /// [`qsef_core::Error::Io`].
    pub(crate) fn keep(&self, path: &Path) -> Result<()> {
        let tensors = || -> Candle<HashMap<String, Tensor>> {
            // Texts may have several rows: one for each of their words.
            let rows: Vec<Vec<f32>> =
                self.logits.iter().flat_map(|text| text.chunks(self.classes.max(1)).map(<[f32]>::to_vec)).collect();
            let counts: Vec<u32> = self.logits.iter().map(|text| (text.len() / self.classes.max(1)) as u32).collect();
            let counts = Tensor::from_slice(&counts, counts.len(), &Device::Cpu)?;
            let mut tensors = HashMap::from([("logits".to_owned(), matrix(&rows)?), ("rows".to_owned(), counts)]);
            if let Some(inner) = &self.inner {
                tensors.insert("pooled".into(), matrix(&inner.pooled)?);
                for (layer, states) in inner.layers.iter().zip(&inner.states) {
                    tensors.insert(format!("layer.{layer}"), matrix(states)?);
                }
            }
            Ok(tensors)
        };
        let tensors = tensors().map_err(|e| qsef_core::Error::Internal(e.to_string()))?;
        crate::files::save_tensors(path, &tensors)
    }

    /// Reads what [`Knowledge::keep`] wrote of an encoder; none where it is not there, or damaged.
    pub(crate) fn kept(path: &Path, layers: &[usize]) -> Option<Self> {
        let tensors = candle_core::safetensors::load(path, &Device::Cpu).ok()?;
        let rows = |name: &str| tensors.get(name)?.to_vec2::<f32>().ok();
        let pooled = rows("pooled")?;
        let inner = Inner {
            width: pooled.first().map_or(0, Vec::len),
            pooled,
            layers: layers.to_vec(),
            states: layers.iter().map(|layer| rows(&format!("layer.{layer}"))).collect::<Option<_>>()?,
            maps: vec![Vec::new(); layers.len()],
        };
        let all = rows("logits")?;
        let mut rest = all.as_slice();
        let mut logits = Vec::new();
        for count in tensors.get("rows")?.to_vec1::<u32>().ok()? {
            let (text, after) = rest.split_at_checked(count as usize)?;
            logits.push(text.concat());
            rest = after;
        }
        Some(Self { logits, classes: all.first().map_or(0, Vec::len), inner: Some(inner) })
    }
}
