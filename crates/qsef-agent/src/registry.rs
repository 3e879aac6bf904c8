//! The experts that are at hand, and the choice among them by transmission efficiency.

use qsef_core::{AnyEmbedder, AnyExpert, Error, ExpertProfile, Plan, Result, SubtaskId};
use qsef_score::{Score, Scorer, Task, Weights, anchor_texts};
use serde::Serialize;

/// Below this efficiency no expert fits, and the fallback does the subtask.
const LEAST_TE: f64 = 0.10;

/// Tokens that one subtask is taken to need when its cost is estimated before it runs.
const EXPECTED_TOKENS: f64 = 1000.0;

/// What an expert is taken to need for one subtask, in US dollars.
pub(crate) fn expected_usd(profile: &ExpertProfile) -> f64 {
    profile.usd_per_mtok * EXPECTED_TOKENS / 1e6
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

/// The experts with their scorer.
#[derive(Debug, Clone)]
pub struct Registry {
    experts: Vec<AnyExpert>,
    embedder: AnyEmbedder,
    scorer: Scorer,
    fallback: Option<String>,
}

impl Registry {
    /// Registers experts; `fallback` names the one that does what no other fits.
    ///
    /// # Errors
    /// [`Error::Input`] for no experts, two of one id, or an unknown fallback; otherwise the embedder's own.
    pub async fn new(embedder: AnyEmbedder, experts: Vec<AnyExpert>, fallback: Option<&str>) -> Result<Self> {
        let mut registry =
            Self { experts: Vec::new(), embedder, scorer: Scorer::new(Weights::default()), fallback: None };
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
        self.scorer.add(profile, vectors);
        self.experts.push(expert);
        Ok(())
    }

    /// The expert with this id.
    pub fn get(&self, id: &str) -> Option<&AnyExpert> {
        self.experts.iter().find(|e| e.profile().id == id)
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

    /// Scores every expert for a task, best first.
    ///
    /// # Errors
    /// The embedder's own.
    pub async fn score(&self, task: &str) -> Result<Vec<Score>> {
        let task = self.read(task);
        let vectors = self.embedder.embed(task.texts().into()).await?;
        Ok(self.scorer.score(&task, &vectors))
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

    /// Gives each subtask to the expert with the highest efficiency among those that the money left can pay.
    ///
    /// # Errors
    /// [`Error::Budget`] when no expert is within the budget; otherwise the embedder's own.
    pub async fn assign(&self, plan: &Plan, usd: Option<f64>) -> Result<Vec<Assignment>> {
        let tasks: Vec<Task> = plan.subtasks.iter().map(|s| self.read(&s.task)).collect();
        let vectors = self.embedder.embed(tasks.iter().flat_map(Task::texts).collect()).await?;
        let mut left = usd.unwrap_or(f64::INFINITY);
        let mut assignments = Vec::new();
        for ((subtask, task), vectors) in plan.subtasks.iter().zip(&tasks).zip(vectors.chunks(Task::TEXTS)) {
            let scores = self.scorer.score(task, vectors);
            let mut assignment = self.choose(subtask.id, scores, left)?;
            assignment.vector = vectors.first().cloned();
            left -= assignment.expected_usd;
            assignments.push(assignment);
        }
        Ok(assignments)
    }

    fn choose(&self, id: SubtaskId, scores: Vec<Score>, left: f64) -> Result<Assignment> {
        let cost = |score: &Score| self.get(&score.expert).map_or(0.0, |e| expected_usd(e.profile()));
        let affordable = || scores.iter().filter(|s| cost(s) <= left);
        let best = affordable().next().ok_or_else(|| {
            Error::Budget(format!("no expert for subtask {id} costs less than the {left:.6} US dollars that are left"))
        })?;
        let fallback = self.fallback.as_ref().and_then(|f| affordable().find(|s| s.expert == *f));
        let (chosen, why) = match fallback {
            Some(fallback) if best.te < LEAST_TE && best.expert != fallback.expert => {
                (fallback, format!("no expert fits: the best, {}, has only TE {:.2}", best.expert, best.te))
            }
            _ => (best, best.explain()),
        };
        Ok(Assignment {
            id,
            expert: chosen.expert.clone(),
            te: chosen.te,
            why,
            expected_usd: cost(chosen),
            scores: scores.clone(),
            vector: None,
        })
    }
}
