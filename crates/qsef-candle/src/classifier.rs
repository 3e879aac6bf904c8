//! Encoders that tell classes apart: BERT, the mean of its tokens, and one map to the classes.

use std::{collections::HashMap, path::Path, sync::Arc};

use candle_core::{DType, Device};
use candle_nn::VarBuilder;
use qsef_core::{Error, Result, check_real_model};
use serde::Deserialize;
use tokenizers::{Tokenizer, TruncationParams};

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

struct Inner {
    name: String,
    bert: Bert,
    tokenizer: Tokenizer,
    labels: Vec<String>,
    /// (classes, hidden).
    weight: Vec<f32>,
    /// (classes).
    bias: Vec<f32>,
}

/// A classifier that runs in this process. Cheap to clone.
#[derive(Clone)]
pub struct CandleClassifier(Arc<Inner>);

/// What a classifier says of a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Classified {
    /// The number of the likeliest class.
    pub class: usize,
    /// The probability of each class.
    pub probabilities: Vec<f32>,
    /// The mean of the text's tokens, before the map to the classes.
    pub vector: Vec<f32>,
}

impl CandleClassifier {
    /// Loads `config.json`, `tokenizer.json` and `model.safetensors` from a directory.
    ///
    /// # Errors
    /// [`Error::ModelFile`] naming the file that is missing or damaged; [`Error::Vetoed`] where real models are forbidden.
    pub fn load(name: &str, dir: &Path) -> Result<Self> {
        check_real_model(name)?;
        let bad = |file: &str, why: String| Error::ModelFile(format!("{}: {why}", dir.join(file).display()));
        let document = std::fs::read(dir.join("config.json")).map_err(|e| bad("config.json", e.to_string()))?;
        let Document { config, mut id2label } =
            serde_json::from_slice(&document).map_err(|e| bad("config.json", e.to_string()))?;
        let labels = (0..id2label.len())
            .map(|i| id2label.remove(&i).ok_or_else(|| bad("config.json", format!("`id2label` lacks the class {i}"))))
            .collect::<Result<Vec<_>>>()?;
        if labels.len() < 2 {
            return Err(bad("config.json", "`id2label` has fewer than two classes".into()));
        }
        let mut tokenizer =
            Tokenizer::from_file(dir.join("tokenizer.json")).map_err(|e| bad("tokenizer.json", e.to_string()))?;
        let truncation = TruncationParams { max_length: config.max_position_embeddings, ..TruncationParams::default() };
        tokenizer.with_truncation(Some(truncation)).map_err(|e| bad("tokenizer.json", e.to_string()))?;
        tokenizer.with_padding(None);
        let tensors = candle_core::safetensors::load(dir.join("model.safetensors"), &Device::Cpu)
            .map_err(|e| bad("model.safetensors", e.to_string()))?;
        let vars = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
        let load = || {
            let head = vars.pp("classifier");
            let weight = head.get((labels.len(), config.hidden_size), "weight")?.flatten_all()?.to_vec1()?;
            let bias = head.get(labels.len(), "bias")?.to_vec1()?;
            Ok::<_, candle_core::Error>((Bert::load(&config, vars.clone())?, weight, bias))
        };
        let (bert, weight, bias) = load().map_err(|e| bad("model.safetensors", e.to_string()))?;
        Ok(Self(Arc::new(Inner { name: name.to_owned(), bert, tokenizer, labels, weight, bias })))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The classes' names.
    pub fn labels(&self) -> &[String] {
        &self.0.labels
    }

    /// Tells a text's class; blocks the thread, for about a millisecond.
    ///
    /// # Errors
    /// [`Error::Model`] for a text that cannot be read or has no tokens; [`Error::Vetoed`] where real models are forbidden.
    pub fn classify(&self, text: &str) -> Result<Classified> {
        let inner = &*self.0;
        check_real_model(&inner.name)?;
        let failed = |message: String| Error::Model { model: inner.name.clone(), message };
        let tokens = inner.tokenizer.encode(text, true).map_err(|e| failed(e.to_string()))?;
        if tokens.get_ids().is_empty() {
            return Err(failed("the text has no tokens".into()));
        }
        let mut means = inner.bert.means(&[tokens.get_ids()]).map_err(|e| failed(e.to_string()))?;
        let vector = means.pop().ok_or_else(|| failed("the text has no vector".into()))?;
        let mut probabilities = product(&[&vector], &inner.weight, vector.len().max(1));
        probabilities.iter_mut().zip(&inner.bias).for_each(|(to, bias)| *to += bias);
        softmax(&mut probabilities, 1.0);
        let best = probabilities
            .iter()
            .enumerate()
            .fold((0, f32::NEG_INFINITY), |best, (i, p)| if *p > best.1 { (i, *p) } else { best });
        Ok(Classified { class: best.0, probabilities, vector })
    }
}
