//! Models by name on this machine, fetched and loaded when they are first needed.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use qsef_agent::{
    Hub, Registry,
    config::{AgentConfig, build},
};
use qsef_candle::{
    decoder::CandleModel,
    embedder::CandleEmbedder,
    models::{ModelSpec, ProgressEvent, Status, Store},
};
use qsef_core::{AnyEmbedder, AnyModel, DeltaStream, Error, LanguageModel, Modality, ModelInfo, Request, Result};

/// The planner and general expert where none is named.
pub const DEFAULT_MODEL: &str = "qwen2.5-coder-1.5b";

/// The embedder where none is named.
pub const DEFAULT_EMBEDDER: &str = "all-minilm-l6-v2";

/// The expert that does what no other fits, where an agent has one of this id.
const FALLBACK: &str = "general";

/// The directory of models and saved state: `$QSEF_HOME`, or the platform's data directory.
///
/// # Errors
/// [`Error::Input`] where neither is known.
pub fn home() -> Result<PathBuf> {
    Ok(Store::open_default()?.root().to_owned())
}

struct Inner {
    store: Store,
    progress: Box<dyn Fn(ProgressEvent) + Send + Sync>,
    cancel: Arc<AtomicBool>,
    loaded: Mutex<HashMap<String, Arc<OnceLock<CandleModel>>>>,
    /// One load at a time: two would only share the disk and the cores.
    loading: Mutex<()>,
}

/// Opens models by name. Each is loaded once and shared by all who use it. Cheap to clone.
#[derive(Clone)]
pub struct Models(Arc<Inner>);

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Models {
    /// Opens the default store; `progress` hears of downloads, from other threads.
    ///
    /// # Errors
    /// [`Error::Input`] where there is no home directory.
    pub fn open(progress: impl Fn(ProgressEvent) + Send + Sync + 'static) -> Result<Self> {
        Ok(Self::with_store(Store::open_default()?, progress))
    }

    /// Opens models from a store.
    pub fn with_store(store: Store, progress: impl Fn(ProgressEvent) + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner {
            store,
            progress: Box::new(progress),
            cancel: Arc::default(),
            loaded: Mutex::default(),
            loading: Mutex::default(),
        }))
    }

    /// Setting this to true ends a download soon; what is fetched is kept.
    pub fn cancel_handle(&self) -> Arc<AtomicBool> {
        self.0.cancel.clone()
    }

    /// The known models, and whether they are here.
    ///
    /// # Errors
    /// Those of the store.
    pub fn list(&self) -> Result<Vec<(ModelSpec, bool)>> {
        let here = |m: &ModelSpec| Ok(matches!(self.0.store.status(&m.name)?, Status::Ready | Status::Unverified));
        self.0.store.models().iter().map(|m| Ok((m.clone(), here(m)?))).collect()
    }

    /// Makes sure that a model's files are here; the directory that holds them. Blocks.
    ///
    /// # Errors
    /// As [`Store::ensure`].
    pub fn fetch(&self, name: &str) -> Result<PathBuf> {
        Ok(self.files(name)?.dir)
    }

    fn files(&self, name: &str) -> Result<qsef_candle::models::ModelFiles> {
        self.0.cancel.store(false, Ordering::Relaxed);
        self.0.store.ensure(name, &|event| (self.0.progress)(event), &self.0.cancel)
    }

    /// The decoder of this name, or of this GGUF file: fetched and loaded where it is not yet. Blocks.
    ///
    /// # Errors
    /// As [`Store::ensure`] and [`CandleModel::load`].
    pub fn candle(&self, name: &str) -> Result<CandleModel> {
        let cell = locked(&self.0.loaded).entry(name.to_owned()).or_default().clone();
        let _one_at_a_time = locked(&self.0.loading);
        if let Some(model) = cell.get() {
            return Ok(model.clone());
        }
        let path = if is_file(name) { PathBuf::from(name) } else { self.files(name)?.main() };
        let model = CandleModel::load(name, &path)?.with_prefix_dir(self.0.store.root().join("prefixes"));
        Ok(cell.get_or_init(|| model).clone())
    }

    /// A language model of this name, loaded when it is first called.
    ///
    /// # Errors
    /// [`Error::Input`] for a name that is neither known nor a GGUF file.
    pub fn model(&self, name: &str) -> Result<AnyModel> {
        let params_b = if is_file(name) {
            if !Path::new(name).is_file() {
                return Err(Error::Input(format!("there is no file {name}")));
            }
            None
        } else {
            Some(self.0.store.spec(name)?.params_b)
        };
        let info = ModelInfo {
            name: name.to_owned(),
            context_tokens: 4096,
            params_b,
            accepts: vec![Modality::Text],
            usd_per_mtok: 0.0,
        };
        Ok(AnyModel::new(Lazy { models: self.clone(), info }))
    }

    /// The sentence embedder of this name. Blocks.
    ///
    /// # Errors
    /// As [`Store::ensure`] and [`CandleEmbedder::load`].
    pub fn embedder(&self, name: &str) -> Result<AnyEmbedder> {
        Ok(AnyEmbedder::new(CandleEmbedder::load(name, &self.files(name)?.dir)?))
    }
}

fn is_file(name: &str) -> bool {
    name.ends_with(".gguf") || name.contains(std::path::MAIN_SEPARATOR)
}

/// A model that is loaded when it is first called: many requests never need every expert.
struct Lazy {
    models: Models,
    info: ModelInfo,
}

impl LanguageModel for Lazy {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    async fn stream(&self, request: Request) -> Result<DeltaStream> {
        let (models, name) = (self.models.clone(), self.info.name.clone());
        // Dropping the call, as Ctrl-C does, ends a download.
        let guard = CancelOnDrop(Some(self.models.cancel_handle()));
        let loaded = tokio::task::spawn_blocking(move || models.candle(&name)).await;
        guard.finished();
        let model = loaded.map_err(|e| Error::Internal(format!("loading ended: {e}")))??;
        LanguageModel::stream(&model, request).await
    }
}

struct CancelOnDrop(Option<Arc<AtomicBool>>);

impl CancelOnDrop {
    fn finished(mut self) {
        self.0 = None;
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if let Some(cancel) = &self.0 {
            cancel.store(true, Ordering::Relaxed);
        }
    }
}

/// Makes a hub of an agent's definition.
///
/// # Errors
/// Those of the models it names, and of its experts.
pub async fn open_agent(config: &AgentConfig, models: &Models) -> Result<Hub> {
    let embedder = {
        let (models, name) = (models.clone(), config.embedder.clone());
        let guard = CancelOnDrop(Some(models.cancel_handle()));
        let loaded = tokio::task::spawn_blocking(move || models.embedder(&name)).await;
        guard.finished();
        loaded.map_err(|e| Error::Internal(format!("loading ended: {e}")))??
    };
    let planner = models.model(&config.model)?;
    let experts = build(config, &|name| models.model(name))?;
    let fallback = experts.iter().map(|e| e.profile().id.clone()).find(|id| id == FALLBACK);
    let registry = Registry::new(embedder, experts, fallback.as_deref()).await?;
    Ok(Hub::new(planner, registry))
}
