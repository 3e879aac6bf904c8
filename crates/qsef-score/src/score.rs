use serde::{Deserialize, Serialize};

use crate::terms::{Part, Term, Values, Weights};

/// What one term adds to the exponent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// The term.
    pub term: Term,
    /// Its value `x`, in [0, 1].
    pub value: f64,
    /// Its coefficient `β` ≥ 0; it adds `β·x` to `−ln TE`.
    pub weight: f64,
}

/// The efficiency of one expert for one task, with the parts that it comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// The expert's id.
    pub expert: String,
    /// Transmission efficiency, in (0, 1]: the probability of success.
    pub te: f64,
    /// Semantic distance `D`, in [0, 1].
    pub distance: f64,
    /// Cultural resistance `R`, in [0, 1].
    pub resistance: f64,
    /// `C_data`, in [0, 1]: complexity of the task.
    pub data: f64,
    /// `C_model`, in [0, 1]: the expert's cognitive load, from its size and from how it did before.
    pub model: f64,
    /// `C_sparsity`, in [0, 1]: how few of the task's telling words the profile has, unless the expert itself says that
    /// it covers the task.
    pub sparsity: f64,
    /// The paper's `k1`.
    pub k1: f64,
    /// The paper's `k2`.
    pub k2: f64,
    /// The exponent term by term: TE is `exp(−Σ weight·value)`. Terms without weight are left out.
    pub terms: Vec<Share>,
    /// Outcomes of this expert at similar tasks.
    pub seen: u32,
    /// Seconds that it takes, where similar tasks or others tell.
    pub seconds: Option<f64>,
}

/// Fewer outcomes than this say little of an expert.
const FEW: u32 = 5;

/// What is known of an expert besides its terms.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Known {
    pub outcomes: u32,
    pub seconds: Option<f64>,
}

impl Score {
    /// Puts the parts of a score together. `coefficients` are those in force for this expert; a part of the formula to which
    /// they give no weight is shown with the weights of `profile`.
    pub(crate) fn new(expert: &str, values: &Values, coefficients: &Values, profile: &Values, known: Known) -> Self {
        let mean_by = |weights: &Values, parts: &[Part]| {
            let terms = || Term::ALL.into_iter().filter(|t| parts.contains(&t.part()));
            let weight: f64 = terms().map(|t| weights.get(t)).sum();
            let sum: f64 = terms().map(|t| weights.get(t) * values.get(t)).sum();
            (weight > 0.0).then(|| sum / weight)
        };
        let mean =
            |parts: &[Part]| mean_by(coefficients, parts).or_else(|| mean_by(profile, parts)).unwrap_or_default();
        let (k1, k2) = Weights::k(coefficients);
        let share = |term| Share { term, value: values.get(term), weight: coefficients.get(term) };
        Self {
            expert: expert.to_owned(),
            te: efficiency(coefficients.dot(values)),
            distance: mean(&[Part::Distance]),
            resistance: mean(&[Part::Data, Part::Model, Part::Sparsity]),
            data: values.get(Term::Data),
            model: mean(&[Part::Model]),
            sparsity: mean(&[Part::Sparsity]),
            k1,
            k2,
            terms: Term::ALL.into_iter().map(share).filter(|s| s.weight > 0.0).collect(),
            seen: known.outcomes,
            seconds: known.seconds,
        }
    }

    /// The score and its parts in a line.
    pub fn explain(&self) -> String {
        format!(
            "TE {:.2} = exp(−({:.2}·D + {:.2}·R)), D {:.2}, R {:.2} (data {:.2}, model {:.2}, sparsity {:.2})",
            self.te, self.k1, self.k2, self.distance, self.resistance, self.data, self.model, self.sparsity
        )
    }

    /// What each term adds to the exponent, largest first, in a line.
    pub fn breakdown(&self) -> String {
        let mut shares: Vec<(f64, Term)> = self.terms.iter().map(|s| (s.weight * s.value, s.term)).collect();
        shares.sort_by(|a, b| b.0.total_cmp(&a.0));
        let parts: Vec<String> = shares.iter().map(|(share, term)| format!("{} {share:.2}", term.name())).collect();
        format!("−ln TE {:.2} = {}", -self.te.ln(), parts.join(" + "))
    }

    /// What would raise the efficiency most, in a line: the largest term, what TE would be without it, and what to do
    /// about it. `None` where nothing stands in the way.
    pub fn advice(&self) -> Option<String> {
        let largest = self.terms.iter().max_by(|a, b| (a.weight * a.value).total_cmp(&(b.weight * b.value)))?;
        let without = (self.te * (largest.weight * largest.value).exp()).min(1.0);
        let what = match largest.term {
            Term::Description => {
                "its description is far from the task: say in it what the expert does, or give examples"
            }
            Term::Examples | Term::Centre => "its examples are far from the task: add some like it",
            Term::Graph => "its concepts are far from the task's: connect them in the knowledge base",
            Term::Data => "the task is complex: ask for one thing at a time, in plain words",
            Term::Size => "the task is complex for a model of this size: simplify it, or take a larger model",
            Term::Latency => "it takes long for such tasks",
            Term::Coverage => "it has done few such tasks: rate its answers",
            Term::Neighbours if self.seen < FEW => "it has done few such tasks: rate its answers",
            Term::Neighbours => "it did badly at the most similar tasks: train it on them, or take another",
            Term::Trend => "it does badly at tasks of this kind: train it on them, or take another",
            Term::Lexical => "its profile lacks the task's words: add an example that has them",
            Term::Phrases => "its examples lack the task's phrases: add some like it",
            Term::Concepts => "the knowledge base does not know it for the task's concepts: add documents",
        };
        (without - self.te > 0.01).then(|| format!("{what} (TE {:.2} → up to {without:.2})", self.te))
    }
}

/// `TE = exp(−z)`, in (0, 1].
pub(crate) fn efficiency(exponent: f64) -> f64 {
    (-exponent).exp().max(f64::MIN_POSITIVE)
}

/// `TE = exp(−(k1·D + k2·R))`, in (0, 1] for arguments ≥ 0 (paper, section 6.2.4).
pub fn transmission_efficiency(k1: f64, distance: f64, k2: f64, resistance: f64) -> f64 {
    efficiency(k1 * distance + k2 * resistance)
}
