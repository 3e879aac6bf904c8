//! The knowledge base of the home directory.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use qsef_agent::config::{AgentConfig, ExpertConfig};
use qsef_core::{AnyEmbedder, AnyExpert, AnyModel, Embedder, ExpertProfile, Result};
use qsef_knowledge::{Graph, KnowledgeBase, Librarian, LibrarianOptions};
use tokio::sync::OnceCell;

use super::{DEFAULT_EMBEDDER, Models, home};

/// Where the knowledge base of the [`home`] directory is, or would be.
///
/// # Errors
/// As [`home`].
pub fn knowledge_path() -> Result<PathBuf> {
    Ok(home()?.join(KnowledgeBase::FILE_NAME))
}

/// The knowledge base in the [`home`] directory, made where there is none. It blocks while it opens the file.
///
/// # Errors
/// As [`home`] and [`KnowledgeBase::open`].
pub fn open_knowledge() -> Result<KnowledgeBase> {
    KnowledgeBase::open(knowledge_path()?)
}

impl Models {
    /// The embedder of a knowledge base: the one that made its vectors; for a base without vectors `name`, or the default.
    ///
    /// # Errors
    /// [`qsef_core::Error::Input`] where `name` is another than the base's; as [`Models::embedder`].
    pub async fn embedder_of(&self, base: &KnowledgeBase, name: Option<&str>) -> Result<AnyEmbedder> {
        let known = base.embedder()?;
        match (known, name) {
            (Some(known), Some(name)) if known != name => Err(qsef_core::Error::Input(format!(
                "the knowledge base {} has vectors of the embedder `{known}`; `{name}` would need a new base",
                base.path().display()
            ))),
            (Some(known), _) => self.embedder(&known).await,
            (None, name) => self.embedder(name.unwrap_or(DEFAULT_EMBEDDER)).await,
        }
    }
}

impl Models {
    /// The knowledge base in this file, or the home directory's; `None` where nothing is in it. It blocks.
    fn knowledge(&self, file: Option<&Path>) -> Result<Option<KnowledgeBase>> {
        let path = file.map_or_else(|| self.inner.store.root().join(KnowledgeBase::FILE_NAME), Path::to_owned);
        if !path.exists() {
            return Ok(None);
        }
        let base = KnowledgeBase::open(path)?;
        Ok(if base.is_empty()? { None } else { Some(base) })
    }

    /// Makes an agent's expert of the kind `librarian`; `None` where there is nothing to answer from.
    pub(super) fn librarian(
        &self,
        config: &AgentConfig,
        expert: &ExpertConfig,
        profile: ExpertProfile,
        model: AnyModel,
    ) -> Result<Option<AnyExpert>> {
        let file = expert.base.as_ref().map(|file| config.path.parent().unwrap_or(Path::new("")).join(file));
        // What is on a cassette has to be the same wherever it is played.
        let base = if self.cassette.is_some() { None } else { self.knowledge(file.as_deref())? };
        let Some(base) = base else { return Ok(None) };
        let embedder = match base.embedder()? {
            Some(name) => Some(AnyEmbedder::new(Lazy {
                models: self.clone(),
                dimensions: base.dimensions()?,
                name,
                loaded: OnceCell::new(),
            })),
            None => None,
        };
        let defaults = LibrarianOptions::default();
        let options = LibrarianOptions {
            pieces: expert.pieces.map_or(defaults.pieces, std::num::NonZeroUsize::get),
            least_support: expert.least_support.unwrap_or(defaults.least_support),
        };
        Ok(Some(AnyExpert::new(Librarian { profile, base, embedder, model, options })))
    }

    /// The semantic graph of the home directory's base; `None` where it has none. A base that cannot be read stops nothing.
    pub(super) async fn graph(&self) -> Option<Arc<Graph>> {
        let read = self.blocking(|models, _| models.knowledge(None)?.map(|base| base.graph()).transpose()).await;
        read.unwrap_or_else(|error| {
            tracing::warn!(%error, "experts are scored without the semantic graph");
            None
        })
        .filter(|graph| !graph.is_empty())
    }
}

/// An embedder that is loaded when it is first asked: most requests are none for a librarian.
struct Lazy {
    models: Models,
    name: String,
    dimensions: usize,
    loaded: OnceCell<AnyEmbedder>,
}

impl Embedder for Lazy {
    fn name(&self) -> &str {
        &self.name
    }

    fn dimensions(&self) -> usize {
        self.dimensions
    }

    async fn embed(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>> {
        self.loaded.get_or_try_init(|| self.models.embedder(&self.name)).await?.embed(texts).await
    }
}
