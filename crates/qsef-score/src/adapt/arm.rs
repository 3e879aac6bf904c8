use rand::Rng;
use rand_distr::{Beta, Distribution};
use serde::{Deserialize, Serialize};

use super::{Rule, Settings};

/// No chance is taken to be surer than this, so that each expert can still surprise.
const SURE: f64 = 1e-3;

/// A shortfall per task that counts as chance.
const DRIFT: f64 = 0.15;

/// What an outcome from before an alarm still weighs.
pub(crate) const KEPT: f64 = 0.1;

/// What is remembered of one expert: sums over its outcomes, each weighing `γ^age`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Arm {
    /// `a = Σ γ^age·y`: successes.
    pub successes: f64,
    /// `b = Σ γ^age·TE`: the successes that TE expected.
    pub expected: f64,
    /// `n = Σ γ^age`: outcomes.
    pub count: f64,
    /// How far outcomes have fallen short of late, in successes: CUSUM of `mean − y − DRIFT`, never below 0.
    pub shortfall: f64,
    /// Forced trials that it still gets.
    pub trials: u32,
}

impl Arm {
    pub fn forget(&mut self, gamma: f64) {
        self.successes *= gamma;
        self.expected *= gamma;
        self.count *= gamma;
    }

    /// Takes in an outcome, and drops most of what was learnt before when too many fell short: true then.
    pub fn learn(&mut self, te: f64, outcome: f64, weight: f64, settings: &Settings) -> bool {
        let short = self.mean(te, settings.prior) - outcome - DRIFT;
        self.shortfall = (self.shortfall + weight * short).max(0.0);
        let changed = settings.alarm.is_some_and(|alarm| self.shortfall > alarm);
        if changed {
            self.shortfall = 0.0;
            self.forget(KEPT);
        }
        self.successes += weight * outcome;
        self.expected += weight * te;
        self.count += weight;
        changed
    }

    /// The corrected chance, where TE is worth `prior` outcomes.
    pub fn mean(&self, te: f64, prior: f64) -> f64 {
        let te = te.clamp(SURE, 1.0 - SURE);
        let (p, q) = (prior * te, prior * (1.0 - te));
        let won = (self.successes + p) / (self.expected + p);
        let lost = (self.count - self.successes + q) / (self.count - self.expected + q);
        let odds = te / (1.0 - te) * won / lost;
        (odds / (1.0 + odds)).clamp(SURE, 1.0 - SURE)
    }

    /// What the rule makes of it.
    pub fn index(&self, te: f64, settings: &Settings, rng: &mut impl Rng) -> f64 {
        let mean = self.mean(te, settings.prior);
        let weight = self.count + settings.spread;
        match settings.rule {
            Rule::Thompson => Beta::new(mean * weight, (1.0 - mean) * weight).map_or(mean, |beta| beta.sample(rng)),
            Rule::Ucb { width } => (mean + width * (mean * (1.0 - mean) / (weight + 1.0)).sqrt()).min(1.0),
        }
    }
}
