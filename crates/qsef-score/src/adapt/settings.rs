use qsef_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// How an expert is judged where its chance is not known well.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rule {
    /// Thompson sampling: a draw from `Beta(m·(n + s), (1 − m)·(n + s))`.
    Thompson,
    /// An upper confidence bound: `m + width·sqrt(m·(1 − m)/(n + s + 1))`, at most 1: that many standard deviations
    /// of the same Beta above its mean.
    Ucb {
        /// Standard deviations, ≥ 0; 0 takes the mean, without exploration.
        width: f64,
    },
}

/// The constants of a [`super::Bandit`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// γ, the forgetting factor, in (0, 1]: what an outcome weighs after one more outcome of any expert. 1 forgets
    /// nothing; `1/(1 − γ)` outcomes are remembered.
    pub gamma: f64,
    /// κ > 0: how many tasks' worth of evidence TE has in the mean.
    pub prior: f64,
    /// s > 0: how many tasks' worth of evidence TE has in the spread of the draw.
    pub spread: f64,
    /// h > 0: the successes that an expert may lately fall short of before it counts as changed. `None`: never.
    pub alarm: Option<f64>,
    /// How a choice is made.
    pub rule: Rule,
    /// A forced trial needs a task for which the new expert has at least this TE, in [0, 1].
    pub trial_te: f64,
    /// A forced trial costs at most so many US dollars.
    pub trial_usd: f64,
}

/// Chosen on simulated worlds other than those that `qsef eval adapt` reports on. The confidence bound has less
/// regret there than Thompson sampling, which wants a `spread` of about 20.
impl Default for Settings {
    fn default() -> Self {
        Self {
            gamma: 0.998,
            prior: 3.0,
            spread: 5.0,
            alarm: Some(4.0),
            rule: Rule::Ucb { width: 1.0 },
            trial_te: 0.3,
            trial_usd: f64::MAX,
        }
    }
}

impl Settings {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`Error::Input`] that names the field.
    pub fn check(&self) -> Result<()> {
        let positive = |x: f64| x.is_finite() && x > 0.0;
        let width = match self.rule {
            Rule::Thompson => 0.0,
            Rule::Ucb { width } => width,
        };
        let alarm = self.alarm.unwrap_or(1.0);
        let rules = [
            ("gamma", self.gamma, positive(self.gamma) && self.gamma <= 1.0, "in (0, 1]"),
            ("prior", self.prior, positive(self.prior), "a number above 0"),
            ("spread", self.spread, positive(self.spread), "a number above 0"),
            ("alarm", alarm, positive(alarm), "a number above 0"),
            ("width", width, width.is_finite() && width >= 0.0, "a number, 0 or more"),
            ("trial_te", self.trial_te, (0.0..=1.0).contains(&self.trial_te), "in [0, 1]"),
            ("trial_usd", self.trial_usd, self.trial_usd >= 0.0, "0 or more"),
        ];
        match rules.into_iter().find(|(_, _, good, _)| !good) {
            Some((name, value, _, range)) => {
                Err(Error::Input(format!("the bandit's `{name}` is {value}; it has to be {range}")))
            }
            None => Ok(()),
        }
    }
}
