use std::{path::Path, sync::Arc};

use mistralrs::{GgufModelBuilder, Model, ModelCategory, MultimodalModelBuilder, TextModelBuilder, TokenSource};
use qsef_core::{DeltaStream, Error, LanguageModel, Modality, ModelInfo, Request, Result, check_real_model};
use tokio::sync::mpsc;

use crate::{
    Options,
    file::{Described, describe},
    reader, request,
};

/// A language model on mistral.rs, in this process. Clones share it.
#[derive(Clone)]
pub struct MistralRsModel {
    core: Arc<Core>,
    model: Arc<Model>,
}

/// What a model and its answers share.
pub(crate) struct Core {
    pub info: ModelInfo,
    /// Names of tokens that are no text.
    pub special: Vec<String>,
    /// Tokens that end an answer.
    pub ends: Vec<u32>,
}

impl Core {
    pub fn failed(&self, message: impl Into<String>) -> Error {
        Error::Model { model: self.info.name.clone(), message: message.into() }
    }

    pub fn accepts(&self, modality: Modality) -> bool {
        self.info.accepts.contains(&modality)
    }
}

impl MistralRsModel {
    /// Loads a GGUF file, or a directory with safetensors, `config.json` and `tokenizer.json`, with the default [`Options`]. `name` is
    /// what the model is called in errors and reports. Blocks; call it from a thread that may.
    ///
    /// # Errors
    /// [`Error::ModelFile`], naming the file, where it is missing, truncated, damaged or of an architecture that mistral.rs does not
    /// know; [`Error::Vetoed`] where real models are forbidden.
    pub fn load(name: &str, path: &Path) -> Result<Self> {
        Self::load_with(name, path, &Options::default())
    }

    /// Loads a model. Blocks.
    ///
    /// # Errors
    /// As [`MistralRsModel::load`].
    pub fn load_with(name: &str, path: &Path, options: &Options) -> Result<Self> {
        check_real_model(name)?;
        let Described { mut info, special, ends } = describe(name, path)?;
        let senses = info.accepts.len() > 1;
        let bad = |why: String| Error::ModelFile(format!("mistral.rs cannot load {}: {why}", path.display()));
        // A thread of its own: the caller's may be one of a runtime, which does not wait; and a panic of mistral.rs ends there.
        let loaded = std::thread::scope(|scope| scope.spawn(|| build(path, senses, options)).join());
        let model = match loaded {
            Ok(model) => model.map_err(bad)?,
            Err(_) => return Err(bad("it panicked; it knows fewer architectures than other backends".into())),
        };
        if let Ok(Some(tokens)) = model.max_sequence_length() {
            info.context_tokens = tokens.max(1);
        }
        Ok(Self { core: Arc::new(Core { info, special, ends }), model: Arc::new(model) })
    }

    /// What a model is, without loading its weights.
    ///
    /// # Errors
    /// As [`MistralRsModel::load`].
    pub fn peek(name: &str, path: &Path) -> Result<ModelInfo> {
        Ok(describe(name, path)?.info)
    }

    fn category(&self) -> Result<ModelCategory> {
        Ok(self.model.config().map_err(|e| self.core.failed(e.to_string()))?.category)
    }
}

/// Has mistral.rs load a model from files that are here, and only from these; `senses` for one that takes more than text. (mistral.rs's
/// own way of telling them apart asks the hub.)
fn build(path: &Path, senses: bool, options: &Options) -> Result<Model, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    // The builders have these methods in common, but no trait.
    macro_rules! build {
        ($builder:expr) => {{
            let at_once = options.at_once.unwrap_or(Options::AT_ONCE).max(1);
            let mut builder = $builder.with_token_source(TokenSource::None).with_max_num_seqs(at_once);
            if options.cpu {
                builder = builder.with_force_cpu();
            }
            runtime.block_on(builder.build())
        }};
    }
    let built = if !path.is_dir() {
        let (dir, file) = (path.parent().unwrap_or(Path::new("")), path.file_name().unwrap_or_default());
        // A directory that is there: what is named otherwise is taken for a repository of the hub.
        let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
        build!(GgufModelBuilder::new(dir.display(), vec![file.to_string_lossy()]))
    } else if senses {
        build!(MultimodalModelBuilder::new(path.display()))
    } else {
        build!(TextModelBuilder::new(path.display()))
    };
    built.map_err(|e| e.to_string().lines().next().unwrap_or_default().to_owned())
}

impl LanguageModel for MistralRsModel {
    fn info(&self) -> &ModelInfo {
        &self.core.info
    }

    async fn stream(&self, request: Request) -> Result<DeltaStream> {
        check_real_model(&self.core.info.name)?;
        // In a grammar, llguidance takes the tags of calls for text in one place and for special tokens in another.
        request.refuse_tools(&self.core.info.name)?;
        // Room for the whole answer: one that is read slowly does not hold up the others.
        let (answer, responses) = mpsc::channel(request.max_tokens.clamp(1, 1 << 20) + 8);
        let made = request::translate(&request, &self.core, &self.category()?, answer)?;
        let engine = self.model.inner().get_sender(None).map_err(|e| self.core.failed(e.to_string()))?;
        let sent = engine.send(mistralrs::Request::Normal(Box::new(made))).await;
        sent.map_err(|_| self.core.failed("its engine has ended; load the model again"))?;
        let expected = self.count_tokens(&request);
        Ok(reader::read(self.core.clone(), responses, engine, expected, &request.format))
    }
}

impl std::fmt::Debug for MistralRsModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MistralRsModel").field("info", &self.core.info).finish_non_exhaustive()
    }
}
