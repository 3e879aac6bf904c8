//! Models by name on this machine, fetched and loaded when they are first needed.

#[cfg(feature = "distill")]
mod distill;
#[cfg(feature = "distill")]
mod distilled;
#[cfg(feature = "fastembed")]
mod fastembed;
#[cfg(feature = "knowledge")]
mod knowledge;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

#[cfg(feature = "mcp")]
use qsef_agent::config::McpConfig;
use qsef_agent::{
    Hub, Ledger, Registry,
    config::{AgentConfig, build},
};
use qsef_candle::{
    decoder::CandleModel,
    embedder::CandleEmbedder,
    models::{ModelFiles, ModelSpec, ProgressEvent, Status, Store},
};
use qsef_cassette::Cassette;
use qsef_core::{
    AnyEmbedder, AnyExpert, AnyModel, DeltaStream, Error, LanguageModel, ModelInfo, Request, Result, check_real_model,
};
#[cfg(feature = "llamacpp")]
use qsef_llamacpp::LlamaCppModel;
#[cfg(feature = "mistralrs")]
use qsef_mistralrs::MistralRsModel;

#[cfg(feature = "distill")]
pub use distilled::{Distilled, DistilledFolder, Part};
#[cfg(feature = "knowledge")]
pub use knowledge::{knowledge_path, open_knowledge};

/// The planner and general expert where none is named.
pub const DEFAULT_MODEL: &str = "qwen2.5-coder-1.5b";

/// The embedder where none is named.
pub const DEFAULT_EMBEDDER: &str = "all-minilm-l6-v2";

/// What the names of models behind endpoints begin with.
#[cfg(feature = "openai")]
const OPENAI: &str = "openai:";

/// What the names of models on llama.cpp begin with.
const LLAMACPP: &str = "llamacpp:";

/// What the names of models on mistral.rs begin with.
const MISTRALRS: &str = "mistralrs:";

/// What the names of embedders on fastembed begin with.
const FASTEMBED: &str = "fastembed:";

/// The directory of models and saved state: `$QSEF_HOME`, or the platform's data directory.
///
/// # Errors
/// [`Error::Input`] where neither is known.
pub fn home() -> Result<PathBuf> {
    Ok(Store::open_default()?.root().to_owned())
}

/// The ledger in the [`home`] directory. It blocks while it opens the file.
///
/// # Errors
/// As [`home`] and [`Ledger::open`].
pub fn open_ledger() -> Result<Ledger> {
    Ledger::open(home()?.join(Ledger::FILE_NAME))
}

struct Inner {
    store: Store,
    progress: Box<dyn Fn(ProgressEvent) + Send + Sync>,
    loaded: Loaded<CandleModel>,
    #[cfg(feature = "llamacpp")]
    llama_cpp: Loaded<LlamaCppModel>,
    #[cfg(feature = "mistralrs")]
    mistral_rs: Loaded<MistralRsModel>,
    /// One load at a time: two would only share the disk and the cores.
    loading: Mutex<()>,
    /// The connections of all models behind endpoints.
    #[cfg(feature = "openai")]
    client: OnceLock<qsef_openai::Client>,
}

/// Models of one backend by name.
type Loaded<M> = Mutex<HashMap<String, Arc<OnceLock<M>>>>;

/// Opens models by name. Each is loaded once and shared by all who use it. Cheap to clone.
#[derive(Clone)]
pub struct Models {
    inner: Arc<Inner>,
    cassette: Option<Cassette>,
}

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
        let inner = Inner {
            store,
            progress: Box::new(progress),
            loaded: Mutex::default(),
            #[cfg(feature = "llamacpp")]
            llama_cpp: Mutex::default(),
            #[cfg(feature = "mistralrs")]
            mistral_rs: Mutex::default(),
            loading: Mutex::default(),
            #[cfg(feature = "openai")]
            client: OnceLock::new(),
        };
        Self { inner: Arc::new(inner), cassette: None }
    }

    /// These models with all their calls on a cassette; where it is played back, none is fetched, loaded or called. A hub that
    /// [`open_agent`] makes of them neither reads nor writes the ledger: what happened before is not on the cassette.
    #[must_use]
    pub fn with_cassette(mut self, cassette: Cassette) -> Self {
        self.cassette = Some(cassette);
        self
    }

    /// The known models, and what is here of them.
    ///
    /// # Errors
    /// Those of the store.
    pub fn list(&self) -> Result<Vec<(ModelSpec, Status)>> {
        self.inner.store.models().iter().map(|m| Ok((m.clone(), self.inner.store.status(&m.name)?))).collect()
    }

    /// Makes sure that a model's files are here; the directory that holds them. Dropping the future ends a download
    /// soon; what has arrived is kept.
    ///
    /// # Errors
    /// As [`Store::ensure`].
    pub async fn fetch(&self, name: &str) -> Result<PathBuf> {
        let name = name.to_owned();
        self.blocking(move |models, cancel| Ok(models.files(&name, cancel)?.dir)).await
    }

    /// The decoder of this name, or of this GGUF file: fetched and loaded where it is not yet. Dropping the future ends a
    /// download soon.
    ///
    /// # Errors
    /// As [`Store::ensure`] and [`CandleModel::load`].
    pub async fn candle(&self, name: &str) -> Result<CandleModel> {
        let name = name.to_owned();
        self.blocking(move |models, cancel| {
            let cache = models.inner.store.root();
            models.load(&models.inner.loaded, &name, cancel, |path| CandleModel::load_with_cache(&name, path, cache))
        })
        .await
    }

    /// The model of this name, or of this GGUF file, on llama.cpp: fetched and loaded where it is not yet. Dropping the future
    /// ends a download soon.
    ///
    /// # Errors
    /// As [`Store::ensure`] and [`LlamaCppModel::load`].
    #[cfg(feature = "llamacpp")]
    pub async fn llama_cpp(&self, name: &str) -> Result<LlamaCppModel> {
        let name = name.to_owned();
        self.blocking(move |models, cancel| {
            let called = format!("{LLAMACPP}{name}");
            models.load(&models.inner.llama_cpp, &name, cancel, |path| LlamaCppModel::load(&called, path))
        })
        .await
    }

    /// The model of this name, or of this GGUF file or directory of safetensors, on mistral.rs: fetched and loaded where it is not
    /// yet. Dropping the future ends a download soon.
    ///
    /// # Errors
    /// As [`Store::ensure`] and [`MistralRsModel::load`].
    #[cfg(feature = "mistralrs")]
    pub async fn mistral_rs(&self, name: &str) -> Result<MistralRsModel> {
        let name = name.to_owned();
        self.blocking(move |models, cancel| {
            let called = format!("{MISTRALRS}{name}");
            models.load(&models.inner.mistral_rs, &name, cancel, |path| MistralRsModel::load(&called, path))
        })
        .await
    }

    /// The client of the endpoints that `openai.toml` in the home directory or the environment names, opened when it is first
    /// needed.
    ///
    /// # Errors
    /// As [`qsef_openai::Settings::load`] and [`qsef_openai::Client::new`].
    #[cfg(feature = "openai")]
    pub fn client(&self) -> Result<qsef_openai::Client> {
        if let Some(client) = self.inner.client.get() {
            return Ok(client.clone());
        }
        let settings = qsef_openai::Settings::load(&self.inner.store.root().join("openai.toml"))?;
        let client = qsef_openai::Client::new(settings)?;
        Ok(self.inner.client.get_or_init(|| client).clone())
    }

    /// The sentence embedder of this name; `openai:NAME` is one behind an endpoint, `fastembed:NAME` (or a directory) one on ONNX
    /// Runtime, where the feature of that name is on. Dropping the future ends a download soon.
    ///
    /// # Errors
    /// As [`Store::ensure`] and [`CandleEmbedder::load`]; as [`Models::client`], and the endpoint's own.
    pub async fn embedder(&self, name: &str) -> Result<AnyEmbedder> {
        match &self.cassette {
            Some(cassette) => cassette.embedder(name, self.real_embedder(name)).await,
            None => self.real_embedder(name).await,
        }
    }

    async fn real_embedder(&self, name: &str) -> Result<AnyEmbedder> {
        #[cfg(feature = "openai")]
        if let Some(name) = name.strip_prefix(OPENAI) {
            return Ok(AnyEmbedder::new(qsef_openai::OpenAiEmbedder::open(self.client()?, name).await?));
        }
        // Before it is fetched.
        check_real_model(name)?;
        #[cfg(feature = "fastembed")]
        if let Some(name) = name.strip_prefix(FASTEMBED) {
            return Ok(AnyEmbedder::new(self.fastembed(name).await?));
        }
        #[cfg(not(feature = "fastembed"))]
        if name.starts_with(FASTEMBED) {
            return Err(not_built(name, "fastembed", "fastembed"));
        }
        let name = name.to_owned();
        self.blocking(move |models, cancel| {
            Ok(AnyEmbedder::new(CandleEmbedder::load(&name, &models.files(&name, cancel)?.dir)?))
        })
        .await
    }

    /// Does blocking work on a thread that may block. Dropping the future sets the flag that the work is given.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self, &AtomicBool) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (models, flag) = (self.clone(), CancelOnDrop::default());
        let cancel = flag.0.clone();
        let done = tokio::task::spawn_blocking(move || work(&models, &cancel)).await;
        done.map_err(|e| Error::Internal(format!("loading ended: {e}")))?
    }

    fn files(&self, name: &str, cancel: &AtomicBool) -> Result<ModelFiles> {
        self.inner.store.ensure(name, &|event| (self.inner.progress)(event), cancel)
    }

    /// The file of a model: a path where it is one, else a name of the manifest, which is fetched.
    fn file(&self, name: &str, cancel: &AtomicBool) -> Result<PathBuf> {
        if is_file(name) { Ok(PathBuf::from(name)) } else { Ok(self.files(name, cancel)?.main()) }
    }

    /// The loaded model of this name; `load` does it at first, from the model's file.
    fn load<M: Clone>(
        &self,
        loaded: &Loaded<M>,
        name: &str,
        cancel: &AtomicBool,
        load: impl FnOnce(&Path) -> Result<M>,
    ) -> Result<M> {
        let cell = locked(loaded).entry(name.to_owned()).or_default().clone();
        let _one_at_a_time = locked(&self.inner.loading);
        if let Some(model) = cell.get() {
            return Ok(model.clone());
        }
        // Before it is fetched.
        check_real_model(name)?;
        let model = load(&self.file(name, cancel)?)?;
        Ok(cell.get_or_init(|| model).clone())
    }

    /// A language model of this name, loaded when it is first called; `openai:NAME` is one behind an endpoint, `llamacpp:NAME` (or a
    /// file) one on llama.cpp, `mistralrs:NAME` (or a file or directory) one on mistral.rs, where the feature of that name is on.
    ///
    /// # Errors
    /// [`Error::Input`] for a name that is neither known nor a GGUF file, and [`Error::ModelFile`] for a file that is no
    /// model; as [`Models::client`].
    pub fn model(&self, name: &str) -> Result<AnyModel> {
        match &self.cassette {
            Some(cassette) => cassette.model(name, || self.real_model(name)),
            None => self.real_model(name),
        }
    }

    fn real_model(&self, name: &str) -> Result<AnyModel> {
        #[cfg(feature = "openai")]
        if let Some(name) = name.strip_prefix(OPENAI) {
            return Ok(AnyModel::new(qsef_openai::OpenAiModel::new(self.client()?, name)));
        }
        #[cfg(feature = "llamacpp")]
        if let Some(name) = name.strip_prefix(LLAMACPP) {
            let mut info = self.describe(name, LlamaCppModel::peek)?;
            info.context_tokens = info.context_tokens.min(qsef_llamacpp::Options::CONTEXT_TOKENS);
            info.name = format!("{LLAMACPP}{name}");
            return Ok(AnyModel::new(Lazy { models: self.clone(), info, backend: Backend::LlamaCpp }));
        }
        #[cfg(not(feature = "llamacpp"))]
        if name.starts_with(LLAMACPP) {
            return Err(not_built(name, "llama.cpp", "llamacpp"));
        }
        #[cfg(feature = "mistralrs")]
        if let Some(name) = name.strip_prefix(MISTRALRS) {
            let mut info = match Path::new(name) {
                dir if is_file(name) && dir.is_dir() => MistralRsModel::peek(name, dir)?,
                _ => self.describe(name, MistralRsModel::peek)?,
            };
            info.name = format!("{MISTRALRS}{name}");
            return Ok(AnyModel::new(Lazy { models: self.clone(), info, backend: Backend::MistralRs }));
        }
        #[cfg(not(feature = "mistralrs"))]
        if name.starts_with(MISTRALRS) {
            return Err(not_built(name, "mistral.rs", "mistralrs"));
        }
        let info = self.describe(name, CandleModel::peek)?;
        Ok(AnyModel::new(Lazy { models: self.clone(), info, backend: Backend::Candle }))
    }

    /// What the model of this name, or in this file, is; `peek` reads files.
    fn describe(&self, name: &str, peek: impl FnOnce(&str, &Path) -> Result<ModelInfo>) -> Result<ModelInfo> {
        if is_file(name) {
            if !Path::new(name).is_file() {
                return Err(Error::Input(format!("there is no file {name}")));
            }
            peek(name, Path::new(name))
        } else {
            let spec = self.inner.store.spec(name)?;
            let context_tokens = spec.context_tokens.ok_or_else(|| {
                Error::Input(format!("`{name}` ({}) is no language model; `qsef models list` shows them", spec.summary))
            })?;
            Ok(ModelInfo::new(name, context_tokens).params_b(spec.params_b))
        }
    }
}

/// Whether a model of this name runs in this process, by [`Models::candle`].
pub fn is_embedded(name: &str) -> bool {
    #[cfg(feature = "openai")]
    if name.starts_with(OPENAI) {
        return false;
    }
    !name.starts_with(LLAMACPP) && !name.starts_with(MISTRALRS)
}

/// An error about a name of a backend that was left out.
#[cfg(not(all(feature = "fastembed", feature = "llamacpp", feature = "mistralrs")))]
fn not_built(name: &str, backend: &str, feature: &str) -> Error {
    Error::Input(format!("`{name}`: this program is built without {backend} (feature `{feature}`)"))
}

fn is_file(name: &str) -> bool {
    name.ends_with(".gguf") || name.contains(std::path::MAIN_SEPARATOR)
}

/// A model that is loaded when it is first called: many requests never need every expert.
struct Lazy {
    models: Models,
    info: ModelInfo,
    backend: Backend,
}

/// What runs models in this process.
enum Backend {
    Candle,
    #[cfg(feature = "llamacpp")]
    LlamaCpp,
    #[cfg(feature = "mistralrs")]
    MistralRs,
}

impl LanguageModel for Lazy {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// Exact once the model is loaded.
    fn count_tokens(&self, request: &Request) -> u64 {
        let cell = locked(&self.models.inner.loaded).get(&self.info.name).cloned();
        match cell.as_ref().and_then(|cell| cell.get()) {
            Some(model) => LanguageModel::count_tokens(model, request),
            None => request.approximate_tokens(),
        }
    }

    async fn stream(&self, request: Request) -> Result<DeltaStream> {
        let name = &self.info.name;
        match self.backend {
            Backend::Candle => LanguageModel::stream(&self.models.candle(name).await?, request).await,
            #[cfg(feature = "llamacpp")]
            Backend::LlamaCpp => {
                let name = name.strip_prefix(LLAMACPP).unwrap_or(name);
                LanguageModel::stream(&self.models.llama_cpp(name).await?, request).await
            }
            #[cfg(feature = "mistralrs")]
            Backend::MistralRs => {
                let name = name.strip_prefix(MISTRALRS).unwrap_or(name);
                LanguageModel::stream(&self.models.mistral_rs(name).await?, request).await
            }
        }
    }
}

/// Sets its flag when it is dropped, so that work nobody waits for any more ends.
#[derive(Default)]
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Makes an agent's experts, but librarians whose base is empty, those that were distilled into the home directory, and starts the servers
/// whose tools are experts, too. What of these could not be had, in sentences.
///
/// # Errors
/// Those of the models it names, and of its experts.
pub async fn agent_experts(config: &AgentConfig, models: &Models) -> Result<(Vec<AnyExpert>, Vec<String>)> {
    #[cfg_attr(not(any(feature = "distill", feature = "mcp")), allow(unused_mut))]
    let mut experts = build(config, &|name| models.model(name), &|expert, profile, model| {
        #[cfg(feature = "knowledge")]
        return models.librarian(config, expert, profile, model);
        #[cfg(not(feature = "knowledge"))]
        {
            let _ = (expert, profile, model);
            Ok(None)
        }
    })?;
    #[cfg(not(feature = "distill"))]
    let mut warnings = Vec::new();
    // What is on a cassette has to be the same wherever it is played.
    #[cfg(feature = "distill")]
    let mut warnings = if models.cassette.is_some() {
        Vec::new()
    } else {
        let (distilled, warnings) = models.distilled(&experts);
        experts.extend(distilled);
        warnings
    };
    #[cfg(feature = "mcp")]
    {
        let taken: Vec<String> = experts.iter().map(|e| e.profile().id.clone()).collect();
        let writer = |server: &McpConfig| models.model(server.model.as_deref().unwrap_or(&config.model));
        let toolbox = qsef_mcp::connect(&config.mcp, taken, writer).await?;
        experts.extend(toolbox.experts);
        warnings.extend(toolbox.warnings);
        Ok((experts, warnings))
    }
    #[cfg(not(feature = "mcp"))]
    {
        let message = |name| format!("the MCP server `{name}` is left out: qsef is built without its feature `mcp`");
        warnings.extend(config.mcp.iter().map(|server| message(server.name())));
        Ok((experts, warnings))
    }
}

/// Makes a hub of an agent's definition. How experts did before counts in the choice among them. Its runs are recorded in the
/// ledger of the models' home directory; one that cannot be opened stops nothing, nor does an MCP server that cannot be had: each
/// run says so in a warning. Models with a cassette ([`Models::with_cassette`]) have no ledger.
///
/// # Errors
/// Those of the models it names, and of its experts.
pub async fn open_agent(config: &AgentConfig, models: &Models) -> Result<Hub> {
    let planner = models.model(&config.model)?;
    let (experts, warnings) = agent_experts(config, models).await?;
    let fallback = config.fallback.as_ref().map(|f| f.get_ref().as_str());
    let embedder = models.embedder(&config.embedder).await?;
    #[cfg_attr(not(feature = "knowledge"), allow(unused_mut))]
    let mut registry = Registry::new(embedder, experts, fallback).await?;
    if models.cassette.is_some() {
        return Ok(Hub::new(planner, registry));
    }
    let ledger =
        models.blocking(|models, _| Ok(Ledger::open(models.inner.store.root().join(Ledger::FILE_NAME)))).await?;
    #[cfg(feature = "knowledge")]
    if let Some(graph) = models.graph().await {
        registry.set_graph(Some(graph));
    }
    let mut hub = Hub::new(planner, registry).with_ledger(ledger);
    for warning in warnings {
        hub = hub.with_warning(warning);
    }
    hub.recall().await;
    Ok(hub)
}
