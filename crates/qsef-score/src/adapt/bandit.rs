use std::collections::BTreeMap;

use qsef_core::{Error, Result};
use rand::{SeedableRng, rngs::ChaCha8Rng};
use serde::{Deserialize, Serialize};

use super::{Rule, Settings, arm::Arm};

/// An expert that may do the task at hand.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate<'a> {
    /// Its id.
    pub expert: &'a str,
    /// Its transmission efficiency for the task, in [0, 1].
    pub te: f64,
    /// What it is expected to cost, in US dollars.
    pub usd: f64,
}

/// Learns from outcomes how far TE can be trusted, expert by expert.
///
/// Per expert, with sums over its outcomes y in [0, 1] that weigh `γ^age`: successes `a = Σ y`, expected `b = Σ TE`,
/// count `n = Σ 1`. The corrected chance m multiplies the odds of TE by how successes and failures compare with what
/// was expected, `κ` tasks of prior evidence included:
///
/// `m/(1 − m) = TE/(1 − TE) · (a + κ·TE)/(b + κ·TE) · (n − b + κ·(1 − TE))/(n − a + κ·(1 − TE))`
///
/// which is TE without outcomes, and on tasks of one TE the mean of outcomes and prior, `(a + κ·TE)/(n + κ)`.
///
/// Outcomes of an expert that fall short of m by more than chance add up (CUSUM, `S ← max(0, S + m − y − 0.15)`); above
/// `alarm` they count as a change, and what was learnt before weighs a tenth. This lets γ be near 1 and still leaves a
/// degraded expert soon.
///
/// The same seed, calls and outcomes give the same choices, also across a round trip through serde: each call of
/// [`Bandit::choose`] and [`Bandit::sample`] draws from its own stream of one ChaCha8 generator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bandit {
    settings: Settings,
    seed: u64,
    draws: u64,
    arms: BTreeMap<String, Arm>,
}

impl Bandit {
    /// A bandit without experts.
    ///
    /// # Errors
    /// [`Error::Input`] for settings outside their ranges.
    pub fn new(settings: Settings, seed: u64) -> Result<Self> {
        settings.check()?;
        Ok(Self { seed, ..Self::of_valid(settings) })
    }

    pub(crate) fn of_valid(settings: Settings) -> Self {
        Self { settings, seed: 0, draws: 0, arms: BTreeMap::new() }
    }

    /// Adds an expert that gets the first `trials` suitable tasks; 0 for one that TE is trusted about. An expert that
    /// is there already keeps its outcomes and only gets its trials anew.
    pub fn add(&mut self, expert: &str, trials: u32) {
        self.arms.entry(expert.to_owned()).or_default().trials = trials;
    }

    /// Removes an expert with all that is known of it. It is not chosen any more; outcomes that still come are ignored.
    pub fn remove(&mut self, expert: &str) {
        self.arms.remove(expert);
    }

    /// Replaces the rule; what was learnt stays.
    ///
    /// # Errors
    /// [`Error::Input`] for a width outside its range; nothing is changed.
    pub fn set_rule(&mut self, rule: Rule) -> Result<()> {
        let settings = Settings { rule, ..self.settings };
        settings.check()?;
        self.settings = settings;
        Ok(())
    }

    /// The experts, in the order of their ids.
    pub fn experts(&self) -> impl Iterator<Item = &str> {
        self.arms.keys().map(String::as_str)
    }

    /// The corrected chance of success, in (0, 1), without exploration; `None` for an expert that was not added, or a
    /// TE that is not a number.
    pub fn mean(&self, expert: &str, te: f64) -> Option<f64> {
        self.arms.get(expert).filter(|_| !te.is_nan()).map(|arm| arm.mean(te, self.settings.prior))
    }

    /// A chance for each candidate by the rule, in [0, 1]: what goes as `te` into [`crate::choose::Offer`] when a
    /// plan is assigned as a whole. `None` as in [`Bandit::mean`]. One draw per expert and call, in the order of ids,
    /// whatever the order of candidates.
    pub fn sample(&mut self, candidates: &[Candidate<'_>]) -> Vec<Option<f64>> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(self.draws);
        self.draws = self.draws.wrapping_add(1);
        let mut order: Vec<usize> = (0..candidates.len()).collect();
        order.sort_by_key(|i| candidates.get(*i).map(|c| c.expert));
        let mut chances = vec![None; candidates.len()];
        for i in order {
            let Some((candidate, chance)) = candidates.get(i).zip(chances.get_mut(i)) else { continue };
            *chance = self
                .arms
                .get(candidate.expert)
                .filter(|_| !candidate.te.is_nan())
                .map(|arm| arm.index(candidate.te, &self.settings, &mut rng));
        }
        chances
    }

    /// The place of the candidate that gets the task; `None` when none was added.
    ///
    /// A new expert with trials left comes first, see [`Bandit::trial`]. Otherwise the highest `chance − λ·usd`, chances
    /// by [`Bandit::sample`]; `lambda` is what a dollar is worth in successes. Ties go to the first id.
    pub fn choose(&mut self, candidates: &[Candidate<'_>], lambda: f64) -> Option<usize> {
        if let Some(trial) = self.trial(candidates) {
            return Some(trial);
        }
        let chances = self.sample(candidates);
        let worth = candidates.iter().zip(chances).map(|(c, chance)| chance.map(|chance| chance - lambda * c.usd));
        first_best(candidates, worth)
    }

    /// The place of a new expert that has trials left and that the task suits, its TE at least `trial_te` and its cost
    /// at most `trial_usd`: of several the one with the highest TE. One of its trials is used up.
    pub fn trial(&mut self, candidates: &[Candidate<'_>]) -> Option<usize> {
        let due = |c: &Candidate<'_>| {
            let left = self.arms.get(c.expert).is_some_and(|arm| arm.trials > 0);
            left && c.te >= self.settings.trial_te && c.usd <= self.settings.trial_usd
        };
        let first = first_best(candidates, candidates.iter().map(|c| due(c).then_some(c.te)))?;
        self.arms.get_mut(candidates.get(first)?.expert)?.trials -= 1;
        Some(first)
    }

    pub(crate) fn arm(&self, expert: &str) -> Option<Arm> {
        self.arms.get(expert).copied()
    }

    /// Takes in how well an expert did a task, in [0, 1], with the TE that it was chosen by. Time passes for all
    /// experts, by one outcome. Outcomes of unknown experts are ignored.
    ///
    /// # Errors
    /// [`Error::Input`] for a TE or an outcome outside [0, 1]; nothing is changed.
    pub fn observe(&mut self, expert: &str, te: f64, outcome: f64) -> Result<()> {
        self.observe_weighted(expert, te, outcome, 1.0).map(|_| ())
    }

    /// As [`Bandit::observe`], for evidence that is worth `weight` in [0, 1] of a person's judgement. True where the
    /// expert now counts as changed.
    ///
    /// # Errors
    /// As [`Bandit::observe`], and for a weight outside [0, 1].
    pub fn observe_weighted(&mut self, expert: &str, te: f64, outcome: f64, weight: f64) -> Result<bool> {
        for (name, x) in [("TE", te), ("outcome", outcome), ("weight", weight)] {
            if !(0.0..=1.0).contains(&x) {
                return Err(Error::Input(format!("the {name} of expert `{expert}` is {x}; it has to be in [0, 1]")));
            }
        }
        if !self.arms.contains_key(expert) {
            return Ok(false);
        }
        for arm in self.arms.values_mut() {
            arm.forget(self.settings.gamma);
        }
        Ok(self.arms.get_mut(expert).is_some_and(|arm| arm.learn(te, outcome, weight, &self.settings)))
    }
}

/// The place of the greatest worth; of equals that of the first id. What is not a number is passed over.
fn first_best(candidates: &[Candidate<'_>], worth: impl Iterator<Item = Option<f64>>) -> Option<usize> {
    let known = candidates.iter().zip(worth).enumerate().filter_map(|(i, (c, w))| Some((i, c.expert, w?)));
    let best = known.filter(|(_, _, w)| !w.is_nan()).min_by(|a, b| b.2.total_cmp(&a.2).then_with(|| a.1.cmp(b.1)));
    best.map(|(i, _, _)| i)
}
