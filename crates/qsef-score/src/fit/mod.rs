//! Learning the coefficients from outcomes, and whether the result is calibrated.

mod calibration;
mod glm;
mod ledger;

pub use calibration::{brier, ece};
use glm::Row;
pub use ledger::Remembered;
use qsef_core::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::{
    Outcome, Scorer, Task, Term, Weights,
    history::{History, Map, Past},
    score::efficiency,
    scorer::history_terms,
};

/// Parts that the history is cut into, so that its estimates are fitted on outcomes that they have not seen.
const FOLDS: usize = 5;

/// Observations that the prior coefficients are worth.
const PRIOR: f64 = 10.0;

/// A task of the past with what came of it.
#[derive(Debug, Clone)]
pub struct Example {
    /// The task.
    pub task: Task,
    /// The vectors of [`Task::texts`].
    pub vectors: Vec<Vec<f32>>,
    /// How experts did at it.
    pub outcomes: Vec<Outcome>,
}

/// What to learn.
#[derive(Debug, Clone)]
pub struct LearnOptions {
    /// Keep the outcomes as history. Without, only the coefficients of the profile's terms are learned.
    pub history: bool,
    /// Terms to do without, as in an ablation.
    pub without: Vec<Term>,
}

impl Default for LearnOptions {
    fn default() -> Self {
        Self { history: true, without: Vec::new() }
    }
}

/// What was learned, and how far TE can be trusted: figures over outcomes that the estimates had not seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Learned {
    /// Tasks.
    pub tasks: usize,
    /// Outcomes of experts that the scorer has.
    pub outcomes: usize,
    /// Outcomes of experts that it does not have: they count once the expert is added.
    pub of_unknown: usize,
    /// Brier score of TE; lower is better.
    pub brier: f64,
    /// Brier score of each expert's mean success, for comparison.
    pub base_brier: f64,
    /// Expected calibration error of TE.
    pub ece: f64,
    /// The coefficients.
    pub weights: Weights,
}

impl Scorer {
    /// Learns coefficients and history from past tasks, in place of what it had learned before. With few outcomes the
    /// priors prevail; with none the scorer is as new.
    ///
    /// # Errors
    /// [`Error::Input`] for an outcome whose success or weight is no number in range.
    pub fn learn(&mut self, examples: &[Example], options: &LearnOptions) -> Result<Learned> {
        check(examples)?;
        self.set_history(None);
        let prior = without(Weights::default(), &options.without);
        let fixed = |term: Term| options.without.contains(&term);
        self.set_weights(prior);
        let observed = self.observe(examples);
        let rows: Vec<Row> = observed.iter().map(|o| o.row).collect();
        let mut weights = prior;
        weights.profile = glm::fit(&rows, &prior.profile, PRIOR, |t| fixed(t) || t.needs_history());
        let past: Vec<Past<'_>> = examples.iter().map(past).collect();
        let mut pairs: Vec<(f64, f64)> =
            rows.iter().map(|r| (efficiency(weights.profile.dot(&r.terms)), r.success)).collect();
        if options.history {
            let map = Map::learn(&past);
            let rows = cross_fit(&map, &past, &observed, &weights);
            weights.history = glm::fit(&rows, &prior.history, PRIOR, fixed);
            pairs = rows.iter().map(|r| (efficiency(weights.history.dot(&r.terms)), r.success)).collect();
            if !past.is_empty() {
                self.set_history(Some(History::learn(&map, &past)));
            }
        }
        self.set_weights(weights);
        let of_unknown = examples.iter().map(|e| e.outcomes.len()).sum::<usize>() - observed.len();
        Ok(Learned {
            tasks: examples.len(),
            outcomes: observed.len(),
            of_unknown,
            brier: brier(&pairs),
            base_brier: base_brier(&observed, self.len()),
            ece: ece(&pairs),
            weights,
        })
    }

    /// The profile's terms of every outcome whose expert is there.
    fn observe(&self, examples: &[Example]) -> Vec<Observed> {
        let mut observed = Vec::new();
        for (task, example) in examples.iter().enumerate() {
            let reading = self.read(&example.task, &example.vectors);
            for (nth, outcome) in example.outcomes.iter().enumerate() {
                let Some(place) = self.place(&outcome.expert) else { continue };
                let Some(scored) = self.scored(&reading, place) else { continue };
                let row = Row { terms: scored.values, success: outcome.success, weight: outcome.weight };
                observed.push(Observed { task, nth, place, expert: outcome.expert.clone(), row });
            }
        }
        observed
    }
}

fn past(example: &Example) -> Past<'_> {
    Past {
        vector: example.vectors.first().map_or(&[], Vec::as_slice),
        complexity: example.task.complexity(),
        outcomes: &example.outcomes,
    }
}

/// An outcome with the profile's terms.
struct Observed {
    task: usize,
    /// Its place among the task's outcomes.
    nth: usize,
    place: usize,
    expert: String,
    row: Row,
}

fn check(examples: &[Example]) -> Result<()> {
    for outcome in examples.iter().flat_map(|e| &e.outcomes) {
        let Outcome { expert, success, weight, .. } = outcome;
        if !(0.0..=1.0).contains(success) {
            return Err(Error::Input(format!("an outcome of `{expert}` has success {success}; it is from 0 to 1")));
        }
        if !(weight.is_finite() && *weight >= 0.0) {
            return Err(Error::Input(format!("an outcome of `{expert}` has weight {weight}; it is a number ≥ 0")));
        }
    }
    Ok(())
}

fn without(mut weights: Weights, terms: &[Term]) -> Weights {
    for &term in terms {
        weights.profile.set(term, 0.0);
        weights.history.set(term, 0.0);
    }
    weights
}

/// The observations with the history's terms, each from a history without the outcome's own task.
fn cross_fit(map: &Map, past: &[Past<'_>], observed: &[Observed], weights: &Weights) -> Vec<Row> {
    let mut rows = Vec::with_capacity(observed.len());
    for fold in 0..FOLDS {
        let others: Vec<Past<'_>> =
            past.iter().enumerate().filter(|(i, _)| i % FOLDS != fold).map(|(_, p)| *p).collect();
        let history = History::learn(map, &others);
        let mut similar = None;
        for o in observed.iter().filter(|o| o.task % FOLDS == fold) {
            if similar.as_ref().is_none_or(|(task, _)| *task != o.task) {
                similar = past.get(o.task).map(|p| (o.task, history.similar(p.vector, p.complexity)));
            }
            let Some((_, similar)) = &similar else { continue };
            let mut row = o.row;
            let promise = efficiency(weights.profile.dot(&row.terms));
            history_terms(&mut row.terms, &similar.estimate(history.number(&o.expert), promise));
            rows.push(row);
        }
    }
    rows
}

/// Brier score of predicting each expert's own mean.
fn base_brier(observed: &[Observed], experts: usize) -> f64 {
    let mut sums = vec![(0f64, 0f64); experts];
    for o in observed {
        if let Some((sum, count)) = sums.get_mut(o.place) {
            *sum += o.row.success;
            *count += 1.0;
        }
    }
    let mean = |place: usize| sums.get(place).map_or(0.0, |(sum, count)| sum / count.max(1.0));
    brier(&observed.iter().map(|o| (mean(o.place), o.row.success)).collect::<Vec<_>>())
}
