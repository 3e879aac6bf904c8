//! MiniLM-class sentence embedders: a BERT encoder from safetensors, mean pooling, unit length.

pub(crate) mod bert;
mod linear;

use std::{collections::BTreeMap, path::Path, sync::Arc};

use bert::{Bert, Config};
use candle_core::{DType, Device};
use candle_nn::VarBuilder;
use qsef_core::{Embedder, Error, Result, check_real_model};
use tokenizers::{Tokenizer, TruncationParams};

/// The most tokens of a text that the model sees (its `sentence_bert_config.json`).
const WINDOW: usize = 256;

/// Tokens that are encoded in one pass, unless one text alone has more: what is computed of them stays in the processor's caches.
const BATCH_TOKENS: usize = 512;

struct Inner {
    name: String,
    bert: Bert,
    tokenizer: Tokenizer,
}

/// A sentence embedder that runs in this process. Cheap to clone.
#[derive(Clone)]
pub struct CandleEmbedder(Arc<Inner>);

impl CandleEmbedder {
    /// Loads `config.json`, `tokenizer.json` and `model.safetensors` from a directory.
    ///
    /// # Errors
    /// [`Error::ModelFile`] naming the file that is missing or damaged; [`Error::Vetoed`] where real models are forbidden.
    pub fn load(name: &str, dir: &Path) -> Result<Self> {
        check_real_model(name)?;
        let bad = |file: &str, why: String| Error::ModelFile(format!("{}: {why}", dir.join(file).display()));
        let config = std::fs::read(dir.join("config.json")).map_err(|e| bad("config.json", e.to_string()))?;
        let config: Config = serde_json::from_slice(&config).map_err(|e| bad("config.json", e.to_string()))?;
        let mut tokenizer =
            Tokenizer::from_file(dir.join("tokenizer.json")).map_err(|e| bad("tokenizer.json", e.to_string()))?;
        let truncation = TruncationParams { max_length: WINDOW, ..TruncationParams::default() };
        tokenizer.with_truncation(Some(truncation)).map_err(|e| bad("tokenizer.json", e.to_string()))?;
        tokenizer.with_padding(None);
        let weights = dir.join("model.safetensors");
        let tensors = candle_core::safetensors::load(&weights, &Device::Cpu)
            .map_err(|e| bad("model.safetensors", e.to_string()))?;
        let variables = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
        let bert = Bert::load(&config, variables).map_err(|e| bad("model.safetensors", e.to_string()))?;
        Ok(Self(Arc::new(Inner { name: name.to_owned(), bert, tokenizer })))
    }

    /// See [`Embedder::embed`]; blocks the thread.
    ///
    /// # Errors
    /// [`Error::Model`] when a text cannot be read or the model fails; [`Error::Vetoed`] where real models are forbidden.
    pub fn embed_blocking(&self, texts: &[String]) -> Result<Vec<Vec<f32>>> {
        check_real_model(&self.0.name)?;
        let failed = |e: String| Error::Model { model: self.0.name.clone(), message: e };
        // Equal texts are computed once.
        let mut places: BTreeMap<Vec<u32>, Vec<usize>> = BTreeMap::new();
        for (place, text) in texts.iter().enumerate() {
            let tokens = self.0.tokenizer.encode(text.as_str(), true).map_err(|e| failed(e.to_string()))?;
            places.entry(tokens.get_ids().to_vec()).or_default().push(place);
        }
        // A text without tokens has no direction.
        let mut vectors = vec![vec![0.0; self.dimensions()]; texts.len()];
        places.remove([].as_slice());
        let rows: Vec<(Vec<u32>, Vec<usize>)> = places.into_iter().collect();
        let mut rest = rows.as_slice();
        while !rest.is_empty() {
            let mut tokens = 0;
            let fits = |(ids, _): &&(Vec<u32>, Vec<usize>)| {
                tokens += ids.len();
                tokens <= BATCH_TOKENS
            };
            let count = rest.iter().take_while(fits).count().max(1);
            let (batch, after) = rest.split_at(count);
            let ids: Vec<&[u32]> = batch.iter().map(|(ids, _)| ids.as_slice()).collect();
            let encoded = self.0.bert.encode(&ids).map_err(|e| failed(e.to_string()))?;
            for ((_, places), vector) in batch.iter().zip(encoded) {
                for place in places {
                    if let Some(slot) = vectors.get_mut(*place) {
                        slot.clone_from(&vector);
                    }
                }
            }
            rest = after;
        }
        Ok(vectors)
    }
}

impl Embedder for CandleEmbedder {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn dimensions(&self) -> usize {
        self.0.bert.dimensions()
    }

    async fn embed(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>> {
        let this = self.clone();
        tokio::task::spawn_blocking(move || this.embed_blocking(&texts))
            .await
            .map_err(|e| Error::Internal(format!("the embedder's thread ended: {e}")))?
    }
}
