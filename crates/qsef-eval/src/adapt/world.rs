//! A synthetic world: tasks of several topics, experts whose true chances TE knows only roughly, and three changes.

use qsef_score::adapt::Candidate;
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

/// Tasks of one run.
pub(super) const TASKS: usize = 4000;
/// From this task on the expert that was the best choice most often fails most of the time.
pub(super) const DEGRADED_AT: usize = 2000;
/// From this task on there is a new, excellent expert, of which TE expects little.
pub(super) const ARRIVES_AT: usize = 2750;
/// From this task on the most useful of the other experts is gone.
pub(super) const REMOVED_AT: usize = 3400;
/// What a dollar is worth in successes.
pub(super) const LAMBDA: f64 = 10.0;

const TOPICS: usize = 6;
const EXPERTS: usize = 8;
/// Id of the expert that arrives.
pub(super) const NEWCOMER: &str = "new";

#[derive(Debug)]
struct Expert {
    id: String,
    /// Log-odds of success by topic, at middle difficulty.
    skill: Vec<f64>,
    /// What TE takes them for.
    believed: Vec<f64>,
    usd: f64,
}

/// One expert that may do a task.
#[derive(Debug)]
pub(super) struct Chance<'a> {
    pub candidate: Candidate<'a>,
    /// The true probability of success.
    pub p: f64,
}

impl Chance<'_> {
    /// What choosing it is worth in the mean.
    pub fn utility(&self) -> f64 {
        self.p - LAMBDA * self.candidate.usd
    }
}

#[derive(Debug)]
struct Task {
    topic: usize,
    /// In log-odds.
    difficulty: f64,
    /// The task succeeds with an expert whose chance is above this: all policies have the same luck.
    luck: f64,
}

#[derive(Debug)]
pub(super) struct World {
    experts: Vec<Expert>,
    tasks: Vec<Task>,
    degraded: String,
    removed: String,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // Uniform on ±√3·sd has standard deviation sd.
        let mut spread = |sd: f64| rng.random_range(-1.0..1.0) * sd * 3f64.sqrt();
        let mut experts = Vec::new();
        for i in 0..EXPERTS {
            let (level, bias) = (0.3 + spread(0.5), spread(0.6));
            let skill: Vec<f64> = (0..TOPICS).map(|_| level + spread(1.0)).collect();
            let believed = skill.iter().map(|s| 0.7 * s + bias + spread(0.4)).collect();
            // From $0.0003 to $0.01, evenly in the logarithm.
            let usd = 0.0017 * (spread(1.0)).exp();
            experts.push(Expert { id: format!("e{i}"), skill, believed, usd });
        }
        let skill: Vec<f64> = (0..TOPICS).map(|_| 2.2 + spread(0.3)).collect();
        experts.push(Expert { id: NEWCOMER.into(), believed: vec![0.0; TOPICS], skill, usd: 0.002 });
        let task = |_| Task {
            topic: rng.random_range(0..TOPICS),
            difficulty: rng.random_range(-1.0..1.0),
            luck: rng.random(),
        };
        let tasks = (0..TASKS).map(task).collect();
        let mut world = Self { experts, tasks, degraded: String::new(), removed: String::new() };
        world.degraded = world.most_useful(0..DEGRADED_AT);
        world.removed = world.most_useful(DEGRADED_AT..ARRIVES_AT);
        world
    }

    /// The expert that the oracle chooses most often.
    fn most_useful(&self, tasks: std::ops::Range<usize>) -> String {
        let mut counts = std::collections::BTreeMap::new();
        for chances in tasks.map(|t| self.chances(t)) {
            if let Some(best) = oracle(&chances).and_then(|i| chances.get(i)) {
                *counts.entry(best.candidate.expert.to_owned()).or_insert(0) += 1;
            }
        }
        counts.into_iter().max_by_key(|(_, n)| *n).map(|(id, _)| id).unwrap_or_default()
    }

    /// The experts that are there at the start.
    pub fn founders(&self) -> impl Iterator<Item = &str> {
        self.experts.iter().map(|e| e.id.as_str()).filter(|id| *id != NEWCOMER)
    }

    /// The expert that goes at [`REMOVED_AT`].
    pub fn removed(&self) -> &str {
        &self.removed
    }

    /// The experts that may do a task.
    pub fn chances(&self, number: usize) -> Vec<Chance<'_>> {
        let Some(task) = self.tasks.get(number) else { return Vec::new() };
        let there =
            |e: &&Expert| (e.id != NEWCOMER || number >= ARRIVES_AT) && (e.id != self.removed || number < REMOVED_AT);
        let chance = |e| -> Chance<'_> {
            let e: &Expert = e;
            let of = |log_odds: &[f64]| log_odds.get(task.topic).map_or(0.0, |s| s - task.difficulty);
            let lost = if e.id == self.degraded && number >= DEGRADED_AT { 3.0 } else { 0.0 };
            let candidate = Candidate { expert: &e.id, te: logistic(of(&e.believed)), usd: e.usd };
            Chance { candidate, p: logistic(of(&e.skill) - lost) }
        };
        self.experts.iter().filter(there).map(chance).collect()
    }

    /// Whether a task succeeds with an expert of this chance: 1 or 0.
    pub fn outcome(&self, number: usize, p: f64) -> f64 {
        self.tasks.get(number).map_or(0.0, |task| f64::from(task.luck < p))
    }
}

/// The choice with the highest true utility.
pub(super) fn oracle(chances: &[Chance<'_>]) -> Option<usize> {
    let utilities = chances.iter().map(Chance::utility).enumerate();
    utilities.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(i, _)| i)
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}
