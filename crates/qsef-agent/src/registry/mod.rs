//! The experts that are at hand, and the choice among them by transmission efficiency.

mod choose;
mod learned;

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock, PoisonError, RwLock},
};

use learned::Learned;
use qsef_core::{AnyEmbedder, AnyExpert, Error, ExpertProfile, Modality, Result, SubtaskId};
use qsef_score::{
    Score, Task, anchor_texts,
    choose::Need,
    distance::{GraphWeights, SemanticGraph},
};
use serde::Serialize;

use crate::{
    complete::TypeGraph,
    ledger::HistoryRow,
    middleware::{self, WatchLayer},
};

/// How efficient an expert has to be, as a share of the best or the chosen one's efficiency, to do a task in its place.
const AS_GOOD: f64 = 0.8;

/// Subtasks are text.
fn text_need() -> Need {
    Need { domain: None, modalities: vec![Modality::Text] }
}

/// Who does a subtask, and why.
#[derive(Debug, Clone, Serialize)]
pub struct Assignment {
    /// The subtask.
    pub id: SubtaskId,
    /// The chosen expert.
    pub expert: String,
    /// The chosen expert's efficiency, in (0, 1].
    pub te: f64,
    /// The reason, in a line.
    pub why: String,
    /// All scores, best first.
    pub scores: Vec<Score>,
    /// Money that it may cost, in US dollars.
    pub expected_usd: f64,
    /// The task's embedding, for the ledger.
    #[serde(skip)]
    pub vector: Option<Vec<f32>>,
}

/// A task's scores, best first, with its vector.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scored {
    pub scores: Vec<Score>,
    pub vector: Option<Vec<f32>>,
}

impl Scored {
    /// An expert's efficiency.
    pub fn te(&self, expert: &str) -> Option<f64> {
        self.scores.iter().find(|s| s.expert == expert).map(|s| s.te)
    }
}

/// The experts with their scorer.
#[derive(Debug, Clone)]
pub struct Registry {
    experts: Vec<AnyExpert>,
    places: HashMap<String, usize>,
    embedder: AnyEmbedder,
    /// Shared with clones until either gets or loses an expert.
    learned: Arc<RwLock<Arc<Learned>>>,
    fallback: Option<String>,
    types: OnceLock<Arc<TypeGraph>>,
}

impl Registry {
    /// Registers experts; `fallback` names the one that does what no other fits.
    ///
    /// # Errors
    /// [`Error::Input`] for no experts, two of one id, or an unknown fallback; otherwise the embedder's own.
    pub async fn new(embedder: AnyEmbedder, experts: Vec<AnyExpert>, fallback: Option<&str>) -> Result<Self> {
        let mut registry = Self {
            experts: Vec::new(),
            places: HashMap::new(),
            embedder,
            learned: Arc::default(),
            fallback: None,
            types: OnceLock::new(),
        };
        for expert in experts {
            registry.add(expert).await?;
        }
        if registry.experts.is_empty() {
            return Err(Error::Input("there are no experts: register at least one".into()));
        }
        if let Some(id) = fallback {
            registry.get(id).ok_or_else(|| Error::Input(format!("the fallback expert `{id}` is not registered")))?;
            registry.fallback = Some(id.to_owned());
        }
        Ok(registry)
    }

    /// Registers one more expert.
    ///
    /// # Errors
    /// [`Error::Input`] for an id that is taken; otherwise the embedder's own.
    pub async fn add(&mut self, expert: AnyExpert) -> Result<()> {
        let profile = expert.profile();
        if self.get(&profile.id).is_some() {
            return Err(Error::Input(format!("two experts have the id `{}`; ids are unique", profile.id)));
        }
        let vectors = self.embedder.embed(anchor_texts(profile)).await?;
        self.change(|learned| learned.add(profile, vectors));
        self.places.insert(profile.id.clone(), self.experts.len());
        self.experts.push(middleware::around(expert, &WatchLayer));
        self.types = OnceLock::new();
        Ok(())
    }

    /// Takes an expert out; false where there is none of that id. Runs that were given it before still call it.
    ///
    /// # Errors
    /// [`Error::Input`] for the fallback, and for the last expert.
    pub fn remove(&mut self, id: &str) -> Result<bool> {
        if self.fallback.as_deref() == Some(id) || (self.experts.len() == 1 && self.get(id).is_some()) {
            return Err(Error::Input(format!("the expert `{id}` cannot go: it is the fallback, or the last one")));
        }
        let Some(place) = self.places.remove(id) else { return Ok(false) };
        self.experts.remove(place);
        self.places.values_mut().filter(|p| **p > place).for_each(|p| *p -= 1);
        self.change(|learned| learned.remove(id));
        self.types = OnceLock::new();
        Ok(true)
    }

    /// What is known now.
    fn learned(&self) -> Arc<Learned> {
        self.learned.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes it for this registry alone.
    fn change(&mut self, change: impl FnOnce(&mut Learned)) {
        let mut own = match Arc::try_unwrap(std::mem::take(&mut self.learned)) {
            Ok(own) => own.into_inner().unwrap_or_else(PoisonError::into_inner),
            Err(shared) => shared.read().unwrap_or_else(PoisonError::into_inner).clone(),
        };
        change(Arc::make_mut(&mut own));
        self.learned = Arc::new(RwLock::new(own));
    }

    /// Takes what experts did before into account: rows of the ledger, newest first. Those of experts that are not registered
    /// count once they are. Clones of this registry that have the same experts know it, too.
    pub fn remember(&self, rows: &[HistoryRow]) {
        let learned = self.learned().remember(rows, self.experts.iter().map(AnyExpert::profile));
        *self.learned.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(learned);
    }

    /// Has the concepts of a semantic graph count in the scores: how far a task's are from an expert's, and how many it names.
    /// The graph is taken as it is now; `None` takes it away.
    pub fn set_graph(&mut self, graph: Option<Arc<dyn SemanticGraph>>) {
        let graph = graph.map(|graph| (graph, GraphWeights::default()));
        let profiles: Vec<ExpertProfile> = self.experts.iter().map(|expert| expert.profile().clone()).collect();
        self.change(|learned| learned.scorer.set_graph(graph, &profiles));
    }

    /// The expert with this id.
    pub fn get(&self, id: &str) -> Option<&AnyExpert> {
        self.experts.get(*self.places.get(id)?)
    }

    /// The expert that does what no other fits.
    pub fn fallback(&self) -> Option<&AnyExpert> {
        self.get(self.fallback.as_deref()?)
    }

    /// What embeds the tasks.
    pub fn embedder(&self) -> &AnyEmbedder {
        &self.embedder
    }

    /// All experts in the order of their registration.
    pub fn experts(&self) -> &[AnyExpert] {
        &self.experts
    }

    /// What the experts need and give, and so who can feed whom; read from their profiles when it is first asked for.
    pub fn types(&self) -> &TypeGraph {
        self.types.get_or_init(|| Arc::new(TypeGraph::new(self.experts.iter().map(AnyExpert::profile))))
    }

    /// Scores every expert that accepts text for several tasks.
    pub(crate) async fn scored(&self, texts: &[&str]) -> Result<Vec<Scored>> {
        let need = text_need();
        let tasks: Vec<Task> = texts.iter().map(|text| self.read(text)).collect();
        let vectors = self.embedder.embed(tasks.iter().flat_map(Task::texts).collect()).await?;
        let learned = self.learned();
        let scored = tasks.iter().zip(vectors.chunks(Task::TEXTS)).map(|(task, vectors)| {
            let mut scores = learned.scorer.score(task, vectors);
            scores.retain(|s| self.get(&s.expert).is_some_and(|e| need.met_by(e.profile())));
            Scored { scores, vector: vectors.first().cloned() }
        });
        Ok(scored.collect())
    }

    /// Gives a subtask to an expert that is already chosen.
    pub(crate) fn give(&self, id: SubtaskId, expert: &str, scored: Scored) -> Result<Assignment> {
        let Scored { scores, vector } = scored;
        let chosen = scores.iter().find(|s| s.expert == expert);
        let chosen = chosen.ok_or_else(|| Error::Internal(format!("`{expert}` has no score")))?;
        let why = match scores.first() {
            Some(best) if best.expert != expert => {
                format!(
                    "{}, for what comes before and after it; {} has TE {:.2}",
                    chosen.explain(),
                    best.expert,
                    best.te
                )
            }
            _ => chosen.explain(),
        };
        let (te, expected_usd) = (chosen.te, self.offer(&self.learned(), chosen).usd);
        Ok(Assignment { id, expert: expert.to_owned(), te, why, scores, expected_usd, vector })
    }

    /// Scores every expert for a task, best first.
    ///
    /// # Errors
    /// The embedder's own.
    pub async fn score(&self, task: &str) -> Result<Vec<Score>> {
        let task = self.read(task);
        let vectors = self.embedder.embed(task.texts().into()).await?;
        Ok(self.learned().scorer.score(&task, &vectors))
    }

    /// A task, and what the experts say of it.
    fn read(&self, text: &str) -> Task {
        let mut task = Task::new(text);
        for expert in &self.experts {
            if let Some(share) = expert.covers(text) {
                task.cover(&expert.profile().id, share);
            }
        }
        task
    }
}
