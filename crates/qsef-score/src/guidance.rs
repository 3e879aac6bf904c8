//! What the score advises distillation and curricula to do (paper, section 4.5, point 3, "optimisation guidance"): how far
//! to simplify a task for an expert, and which samples it should see more often, or later.

use qsef_core::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::{
    score::{Score, efficiency},
    terms::{Part, Term},
};

/// How far a task's text must be simplified for an expert to reach an efficiency.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
#[non_exhaustive]
pub enum Simplification {
    /// The expert reaches the goal with the text as it is.
    NotNeeded,
    /// The expert reaches the goal with a text of this complexity.
    To {
        /// The complexity `C_data` that is needed, in [0, 1), less than the task's.
        data: f64,
        /// The share of the task's complexity that has to go, in (0, 1].
        reduction: f64,
    },
    /// No simplification is enough.
    Impossible {
        /// What stands in the way: of distance, model and sparsity the one that adds most to the exponent at `C_data = 0`.
        obstacle: Part,
        /// The efficiency that is reached at `C_data = 0`, in (0, 1).
        reachable: f64,
    },
}

/// Whether a term is proportional to `C_data`.
fn follows_data(term: Term) -> bool {
    matches!(term, Term::Data | Term::Size)
}

/// How far a task must be simplified for the expert of its score to reach the efficiency `goal_te`, in (0, 1] (paper,
/// sections 4.5 and 6.2.4).
///
/// The terms `data` and `size` are proportional to `C_data`; the others are held, though a simpler wording may change them
/// too. With `z = −ln TE` and their sum `v` at the task's `C_data = c`, a text of complexity `x` has
/// `−ln TE = z − v + v·x/c`; solved for the goal, `x = c·(1 − (z + ln goal)/v)`.
///
/// A score whose term `neighbours` or `trend` carries the profile's efficiency within it, as it does with a history, is
/// moved by simplification only as far as `data` and `size` have weights of their own.
///
/// # Errors
/// [`Error::Input`] where the goal is not in (0, 1], or a term is no number.
pub fn simplification(score: &Score, goal_te: f64) -> Result<Simplification> {
    if !(goal_te > 0.0 && goal_te <= 1.0) {
        return Err(Error::Input(format!("the goal is an efficiency in (0, 1], not {goal_te}")));
    }
    let exponent = resistance(score)?;
    let excess = exponent + goal_te.ln();
    if excess <= 0.0 {
        return Ok(Simplification::NotNeeded);
    }
    let shares = || score.terms.iter().map(|s| (s.term, s.weight * s.value));
    let removable: f64 = shares().filter(|(term, _)| follows_data(*term)).map(|(_, share)| share).sum();
    let held =
        |part| shares().filter(|(t, _)| t.part() == part && !follows_data(*t)).map(|(_, share)| share).sum::<f64>();
    if excess <= removable && score.data > 0.0 {
        let reduction = excess / removable;
        return Ok(Simplification::To { data: score.data * (1.0 - reduction), reduction });
    }
    let [distance, model, sparsity] = [Part::Distance, Part::Model, Part::Sparsity].map(held);
    let obstacle = if distance >= model && distance >= sparsity {
        Part::Distance
    } else if model >= sparsity {
        Part::Model
    } else {
        Part::Sparsity
    };
    Ok(Simplification::Impossible { obstacle, reachable: efficiency(distance + model + sparsity) })
}

/// How samples are told apart by how much they resist.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SamplingOptions {
    /// Units of the exponent, > 0, over which a sample's weight grows by a factor e: at a small temperature the most
    /// resisting samples are nearly all that is sampled, at a large one all samples are alike.
    pub temperature: f64,
    /// Stages of the curriculum, ≥ 1. Samples of equal resistance share one, so that some may be empty.
    pub stages: usize,
}

impl Default for SamplingOptions {
    /// Temperature 1: a sample is drawn in proportion to `1 / TE`. Four stages.
    fn default() -> Self {
        Self { temperature: 1.0, stages: 4 }
    }
}

/// How much one sample resists.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resisting {
    /// The sample's id, as it was given.
    pub sample: String,
    /// The exponent `−ln TE`, ≥ 0.
    pub resistance: f64,
    /// The share of draws that it should have, in [0, 1]; all samples' sum to 1.
    pub weight: f64,
    /// Its stage in a progressive curriculum, from 0, the easiest, below the number of stages.
    pub stage: usize,
}

/// The samples by how much they resist an expert, the most resisting first, ties in the order of their ids.
///
/// With the resistance `z = −ln TE` and the temperature `T`, a sample's weight is `exp(z/T) / Σ exp(z/T)`: what is hard is
/// drawn more often (paper, sections 4.3.2 and 6.2; "difficulty-aware sampling"). Its stage is
/// `⌊stages · (share of samples that resist less)⌋`: the quantiles of resistance, for curricula that go from easy to hard.
///
/// # Errors
/// [`Error::Input`] where there is no sample, the temperature is not > 0, there is no stage, or a sample's score has a
/// term that is no number.
pub fn resisting(samples: &[(impl AsRef<str>, Score)], options: &SamplingOptions) -> Result<Vec<Resisting>> {
    let SamplingOptions { temperature, stages } = *options;
    if samples.is_empty() {
        return Err(Error::Input("there is no sample to weigh".into()));
    }
    if !(temperature.is_finite() && temperature > 0.0) {
        return Err(Error::Input(format!("the temperature is a number > 0, not {temperature}")));
    }
    if stages == 0 {
        return Err(Error::Input("a curriculum has at least one stage".into()));
    }
    let mut found = Vec::with_capacity(samples.len());
    for (id, score) in samples {
        let resistance =
            resistance(score).map_err(|error| Error::Input(format!("sample `{}`: {error}", id.as_ref())))?;
        found.push(Resisting { sample: id.as_ref().to_owned(), resistance, weight: 0.0, stage: 0 });
    }
    found.sort_by(|a, b| b.resistance.total_cmp(&a.resistance).then_with(|| a.sample.cmp(&b.sample)));
    // Less the largest, no power overflows.
    let largest = found.first().map_or(0.0, |r| r.resistance);
    for sample in &mut found {
        sample.weight = ((sample.resistance - largest) / temperature).exp();
    }
    let sum: f64 = found.iter().map(|r| r.weight).sum();
    let count = found.len();
    let (mut below, mut previous) = (0, f64::NAN);
    for (easier, sample) in found.iter_mut().rev().enumerate() {
        if sample.resistance != previous {
            (below, previous) = (easier, sample.resistance);
        }
        sample.stage = (stages as u128 * below as u128 / count as u128) as usize;
        sample.weight /= sum;
    }
    Ok(found)
}

/// The exponent `−ln TE` from its terms, which stay exact where TE itself is at the end of its range.
fn resistance(score: &Score) -> Result<f64> {
    let sum: f64 = score.terms.iter().map(|s| s.weight * s.value).sum();
    match score.terms.iter().find(|s| (s.weight * s.value).is_nan() || s.weight * s.value < 0.0) {
        None if sum.is_finite() && score.data.is_finite() => Ok(sum),
        None => Err(Error::Input(format!("the score of `{}` is not finite", score.expert))),
        Some(share) => Err(Error::Input(format!(
            "the term {} of the score of `{}` is {} · {}; both are numbers ≥ 0",
            share.term.name(),
            score.expert,
            share.weight,
            share.value
        ))),
    }
}
