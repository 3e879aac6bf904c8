//! An encoder with a map to classes, as it is read from a directory.

use std::{collections::HashMap, path::Path};

use candle_core::{DType, Device};
use candle_nn::VarBuilder;
use qsef_core::{Error, Result, check_real_model};
use serde::Deserialize;
use tokenizers::{Encoding, Tokenizer, TruncationParams};

use crate::{
    dense::{product, softmax},
    embedder::bert::{Bert, Config},
};

#[derive(Deserialize)]
struct Document {
    #[serde(flatten)]
    config: Config,
    /// The classes' names.
    #[serde(default)]
    id2label: HashMap<usize, String>,
}

pub(super) struct Headed {
    pub name: String,
    pub bert: Bert,
    pub classes: Vec<String>,
    /// The most tokens that it reads at a time.
    pub window: usize,
    tokenizer: Tokenizer,
    /// (classes, hidden).
    weight: Vec<f32>,
    /// (classes).
    bias: Vec<f32>,
}

impl Headed {
    /// Loads `config.json`, `tokenizer.json` and `model.safetensors` from a directory. Texts are cut to the window, or left whole.
    pub fn load(name: &str, dir: &Path, cut: bool) -> Result<Self> {
        check_real_model(name)?;
        let bad = |file: &str, why: String| Error::ModelFile(format!("{}: {why}", dir.join(file).display()));
        let document = std::fs::read(dir.join("config.json")).map_err(|e| bad("config.json", e.to_string()))?;
        let Document { config, mut id2label } =
            serde_json::from_slice(&document).map_err(|e| bad("config.json", e.to_string()))?;
        let classes = (0..id2label.len())
            .map(|i| id2label.remove(&i).ok_or_else(|| bad("config.json", format!("`id2label` lacks the class {i}"))))
            .collect::<Result<Vec<_>>>()?;
        if classes.len() < 2 {
            return Err(bad("config.json", "`id2label` has fewer than two classes".into()));
        }
        let mut tokenizer =
            Tokenizer::from_file(dir.join("tokenizer.json")).map_err(|e| bad("tokenizer.json", e.to_string()))?;
        let window = config.max_position_embeddings;
        let truncation = cut.then(|| TruncationParams { max_length: window, ..TruncationParams::default() });
        tokenizer.with_truncation(truncation).map_err(|e| bad("tokenizer.json", e.to_string()))?;
        tokenizer.with_padding(None);
        let tensors = candle_core::safetensors::load(dir.join("model.safetensors"), &Device::Cpu)
            .map_err(|e| bad("model.safetensors", e.to_string()))?;
        let vars = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
        let load = || {
            let head = vars.pp("classifier");
            let weight = head.get((classes.len(), config.hidden_size), "weight")?.flatten_all()?.to_vec1()?;
            let bias = head.get(classes.len(), "bias")?.to_vec1()?;
            Ok::<_, candle_core::Error>((Bert::load(&config, vars.clone())?, weight, bias))
        };
        let (bert, weight, bias) = load().map_err(|e| bad("model.safetensors", e.to_string()))?;
        Ok(Self { name: name.to_owned(), bert, classes, window, tokenizer, weight, bias })
    }

    pub fn failed(&self, message: impl ToString) -> Error {
        Error::Model { model: self.name.clone(), message: message.to_string() }
    }

    /// A text as tokens, of which there is at least one.
    pub fn encode(&self, text: &str) -> Result<Encoding> {
        check_real_model(&self.name)?;
        let encoding = self.tokenizer.encode(text, true).map_err(|e| self.failed(e))?;
        if encoding.get_ids().is_empty() { Err(self.failed("the text has no tokens")) } else { Ok(encoding) }
    }

    /// The logits of the classes for some vectors: (vectors, classes).
    pub fn logits(&self, vectors: &[&[f32]]) -> Vec<f32> {
        let mut logits = product(vectors, &self.weight, self.bert.dimensions());
        for row in logits.chunks_exact_mut(self.classes.len()) {
            row.iter_mut().zip(&self.bias).for_each(|(to, bias)| *to += bias);
        }
        logits
    }

    /// [`Headed::logits`] as probabilities.
    pub fn probabilities(&self, mut logits: Vec<f32>) -> Vec<f32> {
        logits.chunks_exact_mut(self.classes.len()).for_each(|row| softmax(row, 1.0));
        logits
    }
}
