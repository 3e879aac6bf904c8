//! The terms of the exponent, `−ln TE = Σ β_i·x_i`, and their coefficients.

use serde::{Deserialize, Serialize};

/// One term `x` in [0, 1] of the exponent. The paper's parts are groups of them: `D` (section 6.1), and in `R` the data's
/// complexity, the expert's cognitive load and its sparsity (section 6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Term {
    /// `D`: from the task to the expert's description and name.
    Description,
    /// `D`: to the nearest of its examples.
    Examples,
    /// `D`: to the centre of its examples, in units of how much an expert's examples differ among themselves.
    Centre,
    /// `D`: between the concepts of both in the semantic graph.
    Graph,
    /// `C_data`: complexity of the task.
    Data,
    /// `C_model`: that complexity for a model of this size, `C_data / (1 + b)` at `b·10⁹` parameters; 0 for code.
    Size,
    /// `C_model`: time it took for similar tasks, half at 10 seconds.
    Latency,
    /// `C_model`: how little it has been seen at similar tasks: `5 / (5 + n)` after `n` of them.
    Coverage,
    /// `C_model`: surprisal of a success, given how it did at the most similar tasks.
    Neighbours,
    /// `C_model`: surprisal of a success, given how its success depends on what a task is about and how complex it is.
    Trend,
    /// `C_sparsity`: the task's telling words that its profile lacks (1 − BM25, normalised).
    Lexical,
    /// `C_sparsity`: the same of pairs of neighbouring words; it tells where experts have many examples.
    Phrases,
    /// `C_sparsity`: the task's concepts that its profile lacks.
    Concepts,
}

impl Term {
    /// All terms, in the order of the paper.
    pub const ALL: [Self; 13] = [
        Self::Description,
        Self::Examples,
        Self::Centre,
        Self::Graph,
        Self::Data,
        Self::Size,
        Self::Latency,
        Self::Coverage,
        Self::Neighbours,
        Self::Trend,
        Self::Lexical,
        Self::Phrases,
        Self::Concepts,
    ];

    /// Number of terms.
    pub const COUNT: usize = Self::ALL.len();

    /// Which part of the paper's formula it belongs to.
    pub fn part(self) -> Part {
        match self {
            Self::Description | Self::Examples | Self::Centre | Self::Graph => Part::Distance,
            Self::Data => Part::Data,
            Self::Size | Self::Latency | Self::Coverage | Self::Neighbours | Self::Trend => Part::Model,
            Self::Lexical | Self::Phrases | Self::Concepts => Part::Sparsity,
        }
    }

    /// Whether it takes outcomes of the past to know.
    pub fn needs_history(self) -> bool {
        matches!(self, Self::Latency | Self::Coverage | Self::Neighbours | Self::Trend)
    }

    /// Its name, as in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Description => "description",
            Self::Examples => "examples",
            Self::Centre => "centre",
            Self::Graph => "graph",
            Self::Data => "data",
            Self::Size => "size",
            Self::Latency => "latency",
            Self::Coverage => "coverage",
            Self::Neighbours => "neighbours",
            Self::Trend => "trend",
            Self::Lexical => "lexical",
            Self::Phrases => "phrases",
            Self::Concepts => "concepts",
        }
    }
}

/// The parts of the paper's formula.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// `D`, semantic distance.
    Distance,
    /// `C_data`, complexity of the task.
    Data,
    /// `C_model`, cognitive load of the expert.
    Model,
    /// `C_sparsity`, what the expert's material lacks.
    Sparsity,
}

/// A value for every term.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Values([f64; Term::COUNT]);

impl Values {
    /// The value of a term.
    pub fn get(&self, term: Term) -> f64 {
        self.0.get(term as usize).copied().unwrap_or_default()
    }

    /// Sets the value of a term.
    pub fn set(&mut self, term: Term, value: f64) {
        if let Some(slot) = self.0.get_mut(term as usize) {
            *slot = value;
        }
    }

    /// The values in the order of [`Term::ALL`].
    pub fn as_array(&self) -> &[f64; Term::COUNT] {
        &self.0
    }

    /// `Σ β_i·x_i`.
    pub fn dot(&self, other: &Self) -> f64 {
        self.0.iter().zip(&other.0).map(|(a, b)| a * b).sum()
    }

    /// Coefficients where some terms are missing and have the mean of others' values: the weight goes to those others, which
    /// changes no sum. A missing distance leaves it to the distances that are there, missing concepts to the words.
    pub(crate) fn without_missing(mut self, missing: &[Term]) -> Self {
        let there = |t: &Term| t.part() == Part::Distance && !missing.contains(t);
        let heirs = Term::ALL.into_iter().filter(there).count().max(1) as f64;
        for &term in missing {
            let weight = self.get(term);
            self.set(term, 0.0);
            match term.part() {
                Part::Distance => {
                    for heir in Term::ALL.into_iter().filter(there) {
                        self.set(heir, self.get(heir) + weight / heirs);
                    }
                }
                _ => self.set(Term::Lexical, self.get(Term::Lexical) + weight),
            }
        }
        self
    }

    /// The sum over the terms of a part.
    pub fn sum(&self, part: Part) -> f64 {
        Term::ALL.into_iter().filter(|t| t.part() == part).map(|t| self.get(t)).sum()
    }
}

impl From<[f64; Term::COUNT]> for Values {
    fn from(values: [f64; Term::COUNT]) -> Self {
        Self(values)
    }
}

impl FromIterator<(Term, f64)> for Values {
    fn from_iter<I: IntoIterator<Item = (Term, f64)>>(pairs: I) -> Self {
        let mut values = Self::default();
        for (term, value) in pairs {
            values.set(term, value);
        }
        values
    }
}

/// By name, so that files stay readable, and stay right when terms are added.
impl Serialize for Values {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(Term::ALL.into_iter().map(|t| (t, self.get(t))))
    }
}

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let map = std::collections::BTreeMap::<Term, f64>::deserialize(deserializer)?;
        match map.iter().find(|(_, v)| !v.is_finite() || **v < 0.0) {
            Some((term, v)) => Err(serde::de::Error::custom(format!("{}: {v} is not a number ≥ 0", term.name()))),
            None => Ok(map.into_iter().collect()),
        }
    }
}

/// The most surprising success that is told apart: one of a hundred. Surprisal is given in units of this.
pub(crate) const MOST_SURPRISAL: f64 = 4.605_170_185_988_091; // ln 100

/// The coefficients of the score: those of an expert without history, and those of one with.
///
/// The paper's constants follow from them: `k1` is the sum over the terms of `D`, `k2` over those of `R`, and the
/// weights inside `D` and `R` are the terms' shares of those sums.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Weights {
    /// Coefficients ≥ 0 for what the profile tells. Its TE is also what the history's estimates shrink to.
    pub profile: Values,
    /// Coefficients ≥ 0 where there is a history; neighbours and trend then carry the profile's TE within them.
    pub history: Values,
}

impl Weights {
    /// The coefficients, where there is a history, of an expert that it knows nothing of: what would come from the history
    /// comes from the profile.
    pub(crate) fn newcomer(&self) -> Values {
        let by_history = (self.history.get(Term::Neighbours) + self.history.get(Term::Trend)) / MOST_SURPRISAL;
        let coefficient = |term| match term {
            Term::Neighbours | Term::Trend => 0.0,
            _ => self.history.get(term) + by_history * self.profile.get(term),
        };
        Values(Term::ALL.map(coefficient))
    }

    /// `k1` and `k2` of a set of coefficients.
    pub fn k(coefficients: &Values) -> (f64, f64) {
        let resistance = [Part::Data, Part::Model, Part::Sparsity].map(|part| coefficients.sum(part));
        (coefficients.sum(Part::Distance), resistance.iter().sum())
    }
}

impl Default for Weights {
    /// Priors for a system without history: `k1 = 3` and `k2 = 2.4`, with half of the exponent from each estimate of
    /// the history once there is one.
    fn default() -> Self {
        Self {
            profile: Values::from_iter([
                (Term::Description, 0.75),
                (Term::Examples, 0.75),
                (Term::Centre, 0.75),
                (Term::Graph, 0.75),
                (Term::Data, 0.24),
                (Term::Size, 0.72),
                (Term::Lexical, 0.96),
                (Term::Concepts, 0.48),
            ]),
            history: Values::from_iter([(Term::Neighbours, 0.5 * MOST_SURPRISAL), (Term::Trend, 0.5 * MOST_SURPRISAL)]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_keep_their_places_and_names() {
        for (i, term) in Term::ALL.into_iter().enumerate() {
            assert_eq!(term as usize, i);
            assert_eq!(serde_json::to_value(term).unwrap(), term.name());
        }
        let weights = Weights::default();
        let (k1, k2) = Weights::k(&weights.profile);
        assert!((k1 - 3.0).abs() < 1e-12 && (k2 - 2.4).abs() < 1e-12);
        let json = serde_json::to_string(&weights).unwrap();
        assert_eq!(serde_json::from_str::<Weights>(&json).unwrap(), weights);
        let broken = json.replacen("0.75", "-0.75", 1);
        assert!(serde_json::from_str::<Weights>(&broken).unwrap_err().to_string().contains("description"));
    }
}
