use llama_cpp_2::{
    context::params::LlamaContextParams,
    model::{LlamaModel, params::LlamaModelParams},
};

/// How a model is loaded and run.
#[derive(Debug, Clone, Default)]
pub struct Options {
    context_tokens: Option<usize>,
    threads: Option<usize>,
    gpu_layers: Option<u32>,
    #[cfg(feature = "mtmd")]
    projector: Option<std::path::PathBuf>,
}

impl Options {
    /// The context of a model that was trained with a longer one, where nothing else is asked for: attention state takes memory
    /// for all of it from the beginning, and hardly any request needs more.
    pub const CONTEXT_TOKENS: usize = 8192;

    /// The most tokens that prompt and answer may have together: 8,192 unless this says otherwise, and never more than the
    /// model was trained with.
    #[must_use]
    pub fn context_tokens(mut self, tokens: usize) -> Self {
        self.context_tokens = Some(tokens);
        self
    }

    /// Threads that compute: as many as there are cores unless this says otherwise.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// How many of the model's layers a GPU computes, where llama.cpp was built for one: all unless this says otherwise.
    #[must_use]
    pub fn gpu_layers(mut self, layers: u32) -> Self {
        self.gpu_layers = Some(layers);
        self
    }

    /// The projector (`mmproj-….gguf`) with which the model reads images or sound.
    #[cfg(feature = "mtmd")]
    #[must_use]
    pub fn projector(mut self, file: impl Into<std::path::PathBuf>) -> Self {
        self.projector = Some(file.into());
        self
    }

    #[cfg(feature = "mtmd")]
    pub(crate) fn projector_file(&self) -> Option<&std::path::Path> {
        self.projector.as_deref()
    }

    pub(crate) fn thread_count(&self) -> i32 {
        let cores = || num_cpus::get_physical().min(num_cpus::get());
        self.threads.unwrap_or_else(cores).clamp(1, 512) as i32
    }

    pub(crate) fn context_of(&self, model: &LlamaModel) -> usize {
        self.context_tokens.unwrap_or(Self::CONTEXT_TOKENS).clamp(1, trained_context(model))
    }

    pub(crate) fn of_model(&self) -> LlamaModelParams {
        let params = LlamaModelParams::default();
        match self.gpu_layers {
            Some(layers) => params.with_n_gpu_layers(layers),
            None => params,
        }
    }

    pub(crate) fn of_context(&self, model: &LlamaModel) -> LlamaContextParams {
        let threads = self.thread_count();
        LlamaContextParams::default()
            .with_n_ctx(u32::try_from(self.context_of(model)).ok().and_then(std::num::NonZeroU32::new))
            .with_n_threads(threads)
            .with_n_threads_batch(threads)
    }
}

/// The context that a model was trained with; of one without weights the file's own word.
fn trained_context(model: &LlamaModel) -> usize {
    let architecture = || model.meta_val_str("general.architecture").ok();
    let written = || model.meta_val_str(&format!("{}.context_length", architecture()?)).ok()?.parse().ok();
    match model.n_ctx_train() {
        0 => written().unwrap_or(1).max(1),
        trained => trained as usize,
    }
}
