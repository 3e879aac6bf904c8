//! The experts that are at hand, and the choice among them by transmission efficiency.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, OnceLock},
};

use qsef_core::{AnyEmbedder, AnyExpert, Budget, Error, ExpertProfile, Modality, Plan, Result, SubtaskId};
use qsef_score::{
    Example, Outcome, Score, Scorer, Task, Weights, anchor_texts,
    choose::{self, Limits, Need, Offer, Size, Slot},
};
use serde::Serialize;

use crate::{
    complete::TypeGraph,
    ledger::HistoryRow,
    middleware::{self, WatchLayer},
    run::{Candidate, Choice, Integration},
};

/// Below this efficiency, by the priors of the score, no expert fits, and the fallback does the subtask.
const LEAST_TE: f64 = 0.10;

/// Tokens that one subtask is taken to need when its cost is estimated before it runs.
const EXPECTED_TOKENS: f64 = 1000.0;

/// What the difference between a free expert and the dearest one for a subtask is worth in probability of success: an expert
/// that is better by less is not worth its price.
const PRICE_IN_TE: f64 = 0.05;

/// Experts of a subtask that are weighed against each other within a budget.
const OFFERS: usize = 20;

/// Newer outcomes of the ledger that halve what an older one counts: experts change.
const HALF_LIFE: f64 = 1000.0;

/// How efficient an expert has to be, as a share of the chosen one's efficiency, to take over from it.
const AS_GOOD: f64 = 0.8;

/// The most experts that may take over, besides the fallback.
const UNDERSTUDIES: usize = 2;

/// What an expert is taken to need for one subtask: US dollars, and tokens, of which code takes none.
fn expected(profile: &ExpertProfile) -> (f64, u64) {
    let takes_tokens = profile.params_b.is_some() || profile.usd_per_mtok > 0.0;
    (profile.usd_per_mtok * EXPECTED_TOKENS / 1e6, if takes_tokens { EXPECTED_TOKENS as u64 } else { 0 })
}

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
    scorer: Scorer,
    /// The least efficiency of an expert that fits.
    least_te: f64,
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
            scorer: Scorer::new(Weights::default()),
            least_te: LEAST_TE,
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
        self.scorer.add(profile, vectors);
        self.places.insert(profile.id.clone(), self.experts.len());
        self.experts.push(middleware::around(expert, &WatchLayer));
        self.types = OnceLock::new();
        Ok(())
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
        let scored = tasks.iter().zip(vectors.chunks(Task::TEXTS)).map(|(task, vectors)| {
            let mut scores = self.scorer.score(task, vectors);
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
        let (te, expected_usd) = (chosen.te, self.offer(chosen).usd);
        Ok(Assignment { id, expert: expert.to_owned(), te, why, scores, expected_usd, vector })
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

    /// Takes what experts did before into account: rows of the ledger, newest first. Those of experts that are not registered
    /// count once they are.
    pub fn remember(&mut self, rows: &[HistoryRow]) {
        let examples = rows.iter().enumerate().filter_map(|(age, row)| {
            let vector = row.vector.clone()?;
            let outcome = Outcome {
                weight: row.weight * 0.5f64.powf(age as f64 / HALF_LIFE),
                seconds: row.latency_ms.map(|ms| ms as f64 / 1e3),
                ..Outcome::new(&row.expert, row.score)
            };
            // Its other texts are near enough to the task for the ledger not to keep their vectors.
            Some(Example { task: Task::new(&row.task), vectors: vec![vector; Task::TEXTS], outcomes: vec![outcome] })
        });
        let factor = self.scorer.remember(&examples.collect::<Vec<_>>());
        self.least_te = LEAST_TE.powf(factor);
    }

    /// Gives each subtask to an expert: those that together have the highest efficiency for their price, within the budget for
    /// the whole plan (a multiple-choice knapsack, see [`choose::assign`]). Where no expert fits a subtask, the fallback gets
    /// it. Of the deadline, what experts are known to take counts.
    ///
    /// # Errors
    /// [`Error::Budget`] when no choice of experts is within the budget; [`Error::Input`] when no expert accepts text;
    /// otherwise the embedder's own.
    pub async fn assign(&self, plan: &Plan, budget: &Budget) -> Result<Vec<Assignment>> {
        let need = text_need();
        if !self.experts.iter().any(|e| need.met_by(e.profile())) {
            return Err(Error::Input("no expert accepts text".into()));
        }
        let texts: Vec<&str> = plan.subtasks.iter().map(|s| s.task.as_str()).collect();
        let scored = self.scored(&texts).await?;
        let (scores, vectors): (Vec<Vec<Score>>, Vec<_>) = scored.into_iter().map(|s| (s.scores, s.vector)).unzip();
        let limits = Limits { usd: budget.usd, tokens: budget.tokens, seconds: budget.time.map(|t| t.as_secs_f64()) };
        // An expert that does not fit is better than none within the budget, and a part within the deadline better than
        // nothing: what an expert takes is only an estimate.
        let tries = [(false, limits), (true, limits), (true, Limits { seconds: None, ..limits })];
        let mut chosen = Err(Error::Internal("no assignment was tried".into()));
        for (all, limits) in tries {
            chosen = self.choose(plan, &scores, all, limits);
            if !matches!(chosen, Err(Error::Budget(_))) {
                break;
            }
        }
        let chosen = chosen?;
        let rows = plan.subtasks.iter().zip(chosen).zip(&scores).zip(vectors);
        let assignments = rows.map(|(((subtask, chosen), scores), vector)| Assignment {
            id: subtask.id,
            expert: chosen.expert.clone(),
            te: chosen.te,
            why: self.why(chosen, scores),
            expected_usd: self.offer(chosen).usd,
            scores: scores.clone(),
            vector,
        });
        Ok(assignments.collect())
    }

    /// The score of the expert that each subtask goes to.
    fn choose<'a>(&self, plan: &Plan, scores: &'a [Vec<Score>], all: bool, limits: Limits) -> Result<Vec<&'a Score>> {
        let places: BTreeMap<SubtaskId, usize> = plan.subtasks.iter().map(|s| s.id).zip(0..).collect();
        let candidates: Vec<Vec<&Score>> = scores.iter().map(|s| self.candidates(s, all)).collect();
        let slots = plan.subtasks.iter().zip(&candidates).map(|(subtask, candidates)| Slot {
            value: 1.0,
            offers: candidates.iter().map(|score| self.offer(score)).collect(),
            after: subtask.after.iter().filter_map(|id| places.get(id).copied()).collect(),
        });
        let slots: Vec<Slot> = slots.collect();
        let dearest = slots.iter().flat_map(|s| &s.offers).map(|o| o.usd).fold(0.0, f64::max);
        let lambda = if dearest > 0.0 { PRICE_IN_TE / dearest } else { 0.0 };
        let assignment = choose::assign(&slots, limits, lambda)?;
        let chosen = candidates.iter().zip(&assignment.chosen).map(|(scores, &at)| scores.get(at).copied());
        chosen.collect::<Option<_>>().ok_or_else(|| Error::Internal("an assignment names no offer".into()))
    }

    /// The experts that a subtask may go to: the best with the fallback, or the fallback alone where none fits. `all` takes
    /// those that do not fit, too, and the cheapest.
    fn candidates<'a>(&self, scores: &'a [Score], all: bool) -> Vec<&'a Score> {
        let fallback = self.fallback.as_ref().and_then(|f| scores.iter().find(|s| s.expert == *f));
        let fits = scores.first().is_some_and(|best| best.te >= self.least_te);
        let usd = |score: &Score| self.offer(score).usd;
        let cheapest = scores.iter().min_by(|a, b| usd(a).total_cmp(&usd(b))).filter(|_| all);
        match fallback {
            Some(fallback) if !fits && !all => vec![fallback],
            _ => scores.iter().take(OFFERS).chain(fallback).chain(cheapest).collect(),
        }
    }

    fn offer(&self, score: &Score) -> Offer {
        let (usd, tokens) = self.get(&score.expert).map(|e| expected(e.profile())).unwrap_or_default();
        Offer { te: score.te, usd, tokens, seconds: score.seconds.unwrap_or(0.0) }
    }

    /// An expert that may do a subtask, with what it may need.
    fn candidate(&self, expert: &str, te: f64) -> Option<Candidate> {
        let profile = self.get(expert)?.profile();
        let (usd, tokens) = expected(profile);
        Some(Candidate::new(profile, te, usd, tokens))
    }

    /// Who does a subtask, and who takes over where that expert cannot: those that are about as good, and the fallback. One that
    /// changes something takes over only from its like.
    pub(crate) fn choice(&self, assignment: &Assignment, committee: Option<Integration>) -> Choice {
        let others = || assignment.scores.iter().filter(|s| s.expert != assignment.expert);
        let as_good = others().filter(|s| s.te >= AS_GOOD * assignment.te).take(UNDERSTUDIES);
        let fallback = others().filter(|s| self.fallback.as_ref() == Some(&s.expert));
        let mut candidates: Vec<Candidate> = self.candidate(&assignment.expert, assignment.te).into_iter().collect();
        let may_act = candidates.iter().any(Candidate::is_consequential);
        for score in as_good.chain(fallback) {
            let is_new = !candidates.iter().any(|c| c.expert == score.expert);
            let next = self.candidate(&score.expert, score.te).filter(|c| may_act || !c.is_consequential());
            candidates.extend(next.filter(|_| is_new));
        }
        let committee = committee.map_or(Vec::new(), |c| self.committee(assignment, c.size));
        let is_candidate = |s: &Score| candidates.iter().any(|c| c.expert == s.expert);
        let ranked = assignment.scores.iter().enumerate();
        let scores = ranked.filter(|(rank, s)| *rank < OFFERS || is_candidate(s)).map(|(_, s)| s.clone()).collect();
        Choice { id: assignment.id, candidates, committee, why: assignment.why.clone(), scores }
    }

    /// The best experts that fit a subtask and may do it at the same time: not those that change something, of which one is
    /// enough, nor those that need a person. Empty where there are not two.
    fn committee(&self, assignment: &Assignment, size: usize) -> Vec<Candidate> {
        if self.get(&assignment.expert).is_none_or(|e| e.profile().is_consequential()) {
            return Vec::new();
        }
        let fits = assignment.scores.iter().filter(|s| s.te >= self.least_te);
        let fits = fits.filter(|s| self.get(&s.expert).is_some_and(|e| !e.profile().is_consequential()));
        let seated = choose::committee(fits.map(|s| (s.expert.as_str(), s.te)), Size::Fixed(size));
        let seated: Vec<Candidate> = seated.iter().filter_map(|m| self.candidate(&m.expert, m.te)).collect();
        if seated.len() < 2 { Vec::new() } else { seated }
    }

    fn why(&self, chosen: &Score, scores: &[Score]) -> String {
        match scores.first() {
            Some(best) if best.expert != chosen.expert && best.te < self.least_te => {
                format!("no expert fits: the best, {}, has only TE {:.2}", best.expert, best.te)
            }
            Some(best) if best.expert != chosen.expert => {
                format!("{}, for its price; {} has TE {:.2}", chosen.explain(), best.expert, best.te)
            }
            _ => chosen.explain(),
        }
    }
}
