//! What experts did before, and what that says of a new task: the empirical part of `C_model` (paper, section 6.2.2).
//!
//! Two estimates of an expert's success, each shrunk to its mean, and that to what its profile promises (its TE without
//! history): the rate over the most similar tasks, and a linear trend over what a task is about and how complex it is.
//! The first needs many outcomes and is right about detail; the second is right with few.

mod neighbours;
mod promises;
mod space;
mod trend;

use std::collections::HashMap;

use neighbours::{Neighbours, Seen, Sums};
pub use promises::Promises;
use serde::{Deserialize, Serialize};
use space::{Place, Space};
use trend::{Observations, Trend};

use crate::{
    adapt::{Arm, Bandit},
    complexity::Complexity,
    matrix::{Matrix, unit},
};

/// Outcomes that a profile's promise is worth against the expert's mean.
const PROMISE: f64 = 5.0;

/// Outcomes at the same task that a profile's promise is worth in a ledger.
const PROMISE_IN_LEDGER: f64 = 2.0;

/// Outcomes that an expert's mean is worth against the rate in a neighbourhood.
const MEAN: f64 = 2.0;

/// How an expert did at a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The expert's id.
    pub expert: String,
    /// How well, from 0, a failure, to 1.
    pub success: f64,
    /// What the evidence is worth against that of a person's judgement, 1; older evidence may count for less.
    pub weight: f64,
    /// How long it took, in seconds, where that is known.
    pub seconds: Option<f64>,
}

impl Outcome {
    /// An outcome that counts in full.
    pub fn new(expert: impl Into<String>, success: f64) -> Self {
        Self { expert: expert.into(), success, weight: 1.0, seconds: None }
    }

    fn seen(&self, expert: usize) -> Option<Seen> {
        let usable = self.success.is_finite() && self.weight.is_finite() && self.weight > 0.0;
        usable.then(|| Seen {
            expert: expert as u32,
            success: self.success.clamp(0.0, 1.0) as f32,
            weight: self.weight as f32,
            seconds: self.seconds.filter(|s| *s >= 0.0).map_or(f32::NAN, |s| s as f32),
        })
    }
}

/// A task of the past as the history needs it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Past<'a> {
    pub vector: &'a [f32],
    pub complexity: &'a Complexity,
    pub outcomes: &'a [Outcome],
}

/// The coordinates of tasks, without outcomes: it can be shared between histories of parts of the same tasks.
#[derive(Debug, Clone)]
pub(crate) struct Map(Space);

impl Map {
    pub fn learn(tasks: &[Past<'_>]) -> Self {
        Self(Space::learn(tasks.iter().map(|t| (t.vector, t.complexity))))
    }
}

/// The experts that outcomes name, by number, with the sums over all outcomes of each.
#[derive(Debug, Clone, Default)]
struct Experts {
    numbers: HashMap<String, usize>,
    totals: Vec<Sums>,
}

impl Experts {
    /// A task's outcomes, as far as they can be used.
    fn read(&mut self, task: &Past<'_>) -> Vec<Seen> {
        let mut outcomes = Vec::with_capacity(task.outcomes.len());
        for outcome in task.outcomes {
            let next = self.numbers.len();
            let number = *self.numbers.entry(outcome.expert.clone()).or_insert(next);
            self.totals.resize(self.numbers.len(), Sums::default());
            if let (Some(seen), Some(total)) = (outcome.seen(number), self.totals.get_mut(number)) {
                total.add(&seen);
                outcomes.push(seen);
            }
        }
        outcomes
    }
}

/// What is learned where the outcomes of all experts are known.
#[derive(Debug, Clone)]
struct Fitted {
    space: Space,
    trend: Trend,
    directions: Matrix,
}

/// Whose outcomes are known.
#[derive(Debug, Clone)]
enum Whose {
    /// The outcomes of all experts.
    All(Box<Fitted>),
    /// Those of experts that were chosen: how promises are to be read, and how each expert did against its own, which are worth `prior`
    /// outcomes.
    Chosen { promises: Promises, arms: Vec<Arm>, prior: f64 },
}

/// The outcomes of past tasks.
#[derive(Debug, Clone)]
pub(crate) struct History {
    experts: Experts,
    neighbours: Neighbours,
    whose: Whose,
}

/// What the history says of one expert at one task.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Estimate {
    /// Probability of success from similar tasks, in [0.01, 0.999].
    pub neighbours: f64,
    /// Probability of success from the trend, in [0.01, 0.999].
    pub trend: f64,
    /// Its outcomes at similar tasks.
    pub count: u32,
    /// Seconds that it takes, where that is known.
    pub seconds: Option<f64>,
}

/// What the history says of a task.
pub(crate) struct Similar<'a> {
    history: &'a History,
    sums: Vec<Sums>,
    features: Vec<f32>,
}

impl History {
    /// Learns from tasks. Outcomes whose numbers are not finite, or that have no weight, are left out.
    pub fn learn(map: &Map, tasks: &[Past<'_>]) -> Self {
        let space = map.0.clone();
        let mut experts = Experts::default();
        let mut placed = Vec::with_capacity(tasks.len());
        for task in tasks {
            placed.push((space.place(task.vector, task.complexity), experts.read(task)));
        }
        let mut observations: Vec<Observations> =
            experts.totals.iter().map(|_| Observations::new(space.features())).collect();
        for (place, outcomes) in &placed {
            for seen in outcomes {
                let expert = seen.expert as usize;
                if let (Some(total), Some(observations)) = (experts.totals.get(expert), observations.get_mut(expert)) {
                    let mean = total.success / total.weight;
                    observations.add(&place.features, f64::from(seen.success) - mean, f64::from(seen.weight));
                }
            }
        }
        let trend = Trend::learn(&observations, space.features());
        let directions = trend.directions();
        let mut neighbours = Neighbours::new((space.coordinates() + directions.len()).next_multiple_of(8));
        for (place, outcomes) in placed {
            neighbours.add(&whereabouts(&place, &directions), outcomes);
        }
        neighbours.build_index();
        Self { experts, neighbours, whose: Whose::All(Box::new(Fitted { space, trend, directions })) }
    }

    /// Keeps the outcomes of a ledger: of experts that were chosen, not of all. There is no telling a trend or a mean from
    /// these, so each outcome speaks for tasks like its own only, but for what `promises` are worth and what `bandit` makes of an expert's
    /// failures.
    pub fn of_ledger(tasks: &[Past<'_>], promises: Promises, bandit: &Bandit, prior: f64) -> Self {
        let dimensions = tasks.first().map_or(0, |t| t.vector.len());
        let mut experts = Experts::default();
        let mut neighbours = Neighbours::new(dimensions);
        for task in tasks {
            neighbours.add(&unit(task.vector), experts.read(task));
        }
        let mut arms = vec![Arm::default(); experts.totals.len()];
        for (id, &number) in &experts.numbers {
            if let (Some(slot), Some(arm)) = (arms.get_mut(number), bandit.arm(id)) {
                *slot = arm;
            }
        }
        Self { experts, neighbours, whose: Whose::Chosen { promises, arms, prior } }
    }

    /// The number of an expert in [`Similar::estimate`]; none where nothing is known of it.
    pub fn number(&self, expert: &str) -> Option<usize> {
        self.experts.numbers.get(expert).copied()
    }

    /// How many tasks are known.
    pub fn tasks(&self) -> usize {
        self.neighbours.tasks()
    }

    /// Looks up a task.
    pub fn similar(&self, vector: &[f32], complexity: &Complexity) -> Similar<'_> {
        let experts = self.experts.numbers.len();
        let (sums, features) = match &self.whose {
            Whose::All(fitted) => {
                let Fitted { space, directions, .. } = fitted.as_ref();
                let place = space.place(vector, complexity);
                (self.neighbours.near(&whereabouts(&place, directions), experts), place.features)
            }
            Whose::Chosen { .. } => (self.neighbours.within_reach(&unit(vector), experts), Vec::new()),
        };
        Similar { history: self, sums, features }
    }
}

/// Where a task lies for its neighbours: what it is about and how complex it is, with what experts' success depends on
/// counting more.
fn whereabouts(place: &Place, directions: &Matrix) -> Vec<f32> {
    let mut all = place.coordinates.clone();
    all.extend(directions.times(&place.features));
    // Nothing is left over where products are taken eight values at a time.
    all.resize(all.len().next_multiple_of(8), 0.0);
    all
}

impl Similar<'_> {
    /// Whether the history is a ledger's: then it says something of experts that have no outcomes, too.
    pub fn is_of_chosen(&self) -> bool {
        matches!(self.history.whose, Whose::Chosen { .. })
    }

    /// What is to be expected of an expert whose profile promises `promise`, its TE without history.
    pub fn estimate(&self, expert: Option<usize>, promise: f64) -> Estimate {
        let promise = match &self.history.whose {
            Whose::All(_) => promise,
            Whose::Chosen { promises, .. } => promises.worth(promise),
        };
        let likely = |p: f64| p.clamp(0.01, 0.999);
        let known = expert.and_then(|e| Some((e, self.history.experts.totals.get(e)?, self.sums.get(e)?)));
        let Some((expert, total, near)) = known else {
            return Estimate { neighbours: likely(promise), trend: likely(promise), count: 0, seconds: None };
        };
        let seconds = [near, total].into_iter().find(|s| s.timed > 0).map(|s| s.seconds / f64::from(s.timed));
        let trend = match &self.history.whose {
            Whose::All(fitted) => &fitted.trend,
            Whose::Chosen { arms, prior, .. } => {
                let promise = arms.get(expert).map_or(promise, |arm| arm.mean(promise, *prior).min(promise));
                let rate = likely((near.success + PROMISE_IN_LEDGER * promise) / (near.weight + PROMISE_IN_LEDGER));
                return Estimate { neighbours: rate, trend: rate, count: near.count, seconds };
            }
        };
        let mean = (total.success + PROMISE * promise) / (total.weight + PROMISE);
        let rate = (near.success + MEAN * mean) / (near.weight + MEAN);
        let trend = mean + trend.above_mean(expert, &self.features);
        Estimate { neighbours: likely(rate), trend: likely(trend), count: near.count, seconds }
    }
}
