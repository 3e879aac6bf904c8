use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use fastembed::{InitOptionsUserDefined, QuantizationMode, TextEmbedding, TokenizerFiles, UserDefinedEmbeddingModel};
use qsef_core::{Embedder, Error, Result, check_real_model};
use serde_json::json;

use crate::{
    Options, Pooling, Runtime,
    files::{bad, json, model, read},
};

/// Texts that go through the model together.
const BATCH: usize = 32;

/// What models contain whose values are quantised while they run.
const DYNAMIC: &[u8] = b"DynamicQuantizeLinear";

struct Inner {
    name: String,
    dimensions: usize,
    /// Texts that go through the model together.
    batch: usize,
    model: Mutex<TextEmbedding>,
}

/// An embedder of texts on ONNX Runtime, in this process. Cheap to clone.
#[derive(Clone)]
pub struct FastembedEmbedder(Arc<Inner>);

impl FastembedEmbedder {
    /// Loads `model.onnx` and `tokenizer.json` from a directory with the default [`Options`]; `config.json`, `tokenizer_config.json`,
    /// `special_tokens_map.json` and `1_Pooling/config.json` are read where they are there. `name` is what the embedder is called in
    /// errors and reports.
    ///
    /// # Errors
    /// [`Error::ModelFile`] naming the file that is missing or damaged; [`Error::Vetoed`] where real models are forbidden.
    pub fn load(runtime: &Runtime, name: &str, dir: &Path) -> Result<Self> {
        Self::load_with(runtime, name, dir, &Options::default())
    }

    /// Loads an embedder.
    ///
    /// # Errors
    /// As [`FastembedEmbedder::load`].
    pub fn load_with(runtime: &Runtime, name: &str, dir: &Path, options: &Options) -> Result<Self> {
        check_real_model(name)?;
        let (path, onnx) = model(dir)?;
        // Its ranges are those of all that goes through together: a text would have another vector beside other texts.
        let dynamic = onnx.windows(DYNAMIC.len()).any(|bytes| bytes == DYNAMIC);
        let (batch, quantization) =
            if dynamic { (1, QuantizationMode::Dynamic) } else { (BATCH, QuantizationMode::None) };
        let tokenizer = tokenizer(options.tokenizer.as_deref().unwrap_or(dir), options)?;
        let pooling = match options.pooling {
            Some(pooling) => pooling,
            None => pooling(dir)?,
        };
        let pooling = match pooling {
            Pooling::Mean => fastembed::Pooling::Mean,
            Pooling::First => fastembed::Pooling::Cls,
        };
        let files =
            UserDefinedEmbeddingModel::new(onnx, tokenizer).with_quantization(quantization).with_pooling(pooling);
        let mut settings = InitOptionsUserDefined::new()
            .with_environment(runtime.0.clone())
            .with_max_length(options.max_tokens.unwrap_or(Options::MAX_TOKENS).max(1));
        settings.intra_threads = options.threads;
        let mut model = TextEmbedding::try_new_from_user_defined(files, settings).map_err(|e| bad(&path, e))?;
        // The length of vectors is known from one, and a model that fails does so here.
        let probe = model.embed([""], None).map_err(|e| bad(&path, e))?;
        let dimensions = probe.first().map_or(0, Vec::len);
        Ok(Self(Arc::new(Inner { name: name.to_owned(), dimensions, batch, model: Mutex::new(model) })))
    }

    /// See [`Embedder::embed`]; blocks the thread.
    ///
    /// # Errors
    /// [`Error::Model`] when a text cannot be read or the model fails; [`Error::Vetoed`] where real models are forbidden.
    pub fn embed_blocking(&self, texts: &[String]) -> Result<Vec<Vec<f32>>> {
        let Inner { name, batch, model, .. } = self.0.as_ref();
        check_real_model(name)?;
        let mut model = model.lock().unwrap_or_else(PoisonError::into_inner);
        let mut vectors = Vec::with_capacity(texts.len());
        for texts in texts.chunks(*batch) {
            let made = model.embed(texts, None);
            vectors.extend(made.map_err(|e| Error::Model { model: name.clone(), message: e.to_string() })?);
        }
        Ok(vectors)
    }
}

/// A directory's tokenizer, with what fastembed wants to know beside it made up where it is not there.
fn tokenizer(dir: &Path, options: &Options) -> Result<TokenizerFiles> {
    let path = dir.join("tokenizer.json");
    let tokenizer_file = read(&path)?;
    let tokenizer: serde_json::Value = serde_json::from_slice(&tokenizer_file).map_err(|e| bad(&path, e))?;
    let config = json(&dir.join("config.json"))?.unwrap_or_else(|| json!({}));
    let special = json(&dir.join("special_tokens_map.json"))?.unwrap_or_else(|| json!({}));
    let mut written = json(&dir.join("tokenizer_config.json"))?.unwrap_or_else(|| json!({}));
    if let Some(written) = written.as_object_mut() {
        written.entry("model_max_length").or_insert(options.max_tokens.unwrap_or(Options::MAX_TOKENS).into());
        let pad = tokenizer.pointer("/padding/pad_token").cloned();
        written.entry("pad_token").or_insert(pad.unwrap_or_else(|| "[PAD]".into()));
    }
    Ok(TokenizerFiles {
        tokenizer_file,
        config_file: config.to_string().into_bytes(),
        special_tokens_map_file: special.to_string().into_bytes(),
        tokenizer_config_file: written.to_string().into_bytes(),
    })
}

/// As sentence-transformers writes it down.
fn pooling(dir: &Path) -> Result<Pooling> {
    let path = dir.join("1_Pooling/config.json");
    let Some(config) = json(&path)? else { return Ok(Pooling::Mean) };
    let is = |field: &str| config.get(field).and_then(serde_json::Value::as_bool).unwrap_or(false);
    match (is("pooling_mode_cls_token"), is("pooling_mode_mean_tokens")) {
        (true, false) => Ok(Pooling::First),
        (false, true) => Ok(Pooling::Mean),
        _ => Err(bad(&path, "neither the mean of the tokens nor the first token alone; `Options::pooling` chooses")),
    }
}

impl Embedder for FastembedEmbedder {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn dimensions(&self) -> usize {
        self.0.dimensions
    }

    async fn embed(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>> {
        let this = self.clone();
        tokio::task::spawn_blocking(move || this.embed_blocking(&texts))
            .await
            .map_err(|e| Error::Internal(format!("the embedder's thread ended: {e}")))?
    }
}

impl std::fmt::Debug for FastembedEmbedder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FastembedEmbedder").field("name", &self.0.name).finish_non_exhaustive()
    }
}
