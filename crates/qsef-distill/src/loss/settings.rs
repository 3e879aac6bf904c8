use serde::{Deserialize, Serialize};

use super::{Divergence, Measure};
use crate::ranges;

/// A part of the loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Term {
    /// Cross-entropy with the true class.
    Task,
    /// The divergence from the teacher's soft predictions, `L_KD`.
    Kd,
    /// The difference of hidden states, `L_SemanticAlign`.
    Align,
    /// The difference of attention maps.
    Maps,
    /// What of the semantic distance is above the threshold, `L_QSEF-SD`.
    Semantic,
    /// The task's loss weighted by resistance, `L_CulturalResistance`.
    Resistance,
}

/// How the terms make a loss: `Σ weight · term / level`. With `align` (λ₁) and `resistance` (λ₂) it is the loss of the paper's section
/// 6.3, with `align` (α) and `semantic` (β) that of section 4.3. A weight of 0 switches a term off.
///
/// As text, what is left out is as [`Settings::on`] has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default = "Settings::on", deny_unknown_fields)]
pub struct Settings {
    /// Weight of [`Term::Task`].
    pub task: f64,
    /// Weight of [`Term::Kd`].
    pub kd: f64,
    /// Weight of [`Term::Align`]: λ₁, α.
    pub align: f64,
    /// Weight of [`Term::Maps`].
    pub maps: f64,
    /// Weight of [`Term::Semantic`]: β.
    pub semantic: f64,
    /// Weight of [`Term::Resistance`]: λ₂.
    pub resistance: f64,
    /// The temperature of soft predictions.
    pub temperature: f64,
    /// Their divergence.
    pub divergence: Divergence,
    /// How hidden states are compared.
    pub measure: Measure,
    /// Which states of the student are compared with which of the teacher: pairs of layers, 0 being what goes into the first. None: the
    /// last ones.
    pub layers: Vec<(usize, usize)>,
    /// Whether states are compared token by token, which needs the same tokens, or by their mean over the text.
    pub tokens: bool,
    /// The semantic distance that is near enough, in [0, 1).
    pub threshold: f64,
    /// Of the truth, how much is spread over all classes.
    pub smoothing: f64,
    /// Whether each term is divided by its level at the beginning, before its weight applies.
    pub normalise: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            task: 1.0,
            kd: 0.0,
            align: 0.0,
            maps: 0.0,
            semantic: 0.0,
            resistance: 0.0,
            temperature: 2.0,
            divergence: Divergence::Forward,
            measure: Measure::Cosine,
            layers: Vec::new(),
            tokens: false,
            threshold: 0.05,
            smoothing: 0.0,
            normalise: true,
        }
    }
}

impl Settings {
    /// The weights that terms have where they are switched on and no other weight is given.
    pub fn on() -> Self {
        Self { kd: 1.0, align: 1.0, maps: 1.0, semantic: 1.0, resistance: 0.5, ..Self::default() }
    }

    /// What is wrong with them: field and message.
    ///
    /// # Errors
    /// The field and the message.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let weights = [
            ("task", self.task),
            ("kd", self.kd),
            ("align", self.align),
            ("maps", self.maps),
            ("semantic", self.semantic),
            ("resistance", self.resistance),
        ];
        weights.into_iter().try_for_each(|(field, weight)| ranges::not_negative(field, weight))?;
        ranges::positive("temperature", self.temperature)?;
        ranges::share("threshold", self.threshold)?;
        ranges::share("smoothing", self.smoothing)
    }

    /// Pairs of layers, the student's and the teacher's, whose attention is compared: what goes into the first layer has none.
    pub fn layers_with_maps(&self) -> impl Iterator<Item = (usize, usize)> {
        self.layers.iter().copied().filter(|(student, teacher)| *student > 0 && *teacher > 0)
    }

    /// The weight of a term.
    pub fn weight(&self, term: Term) -> f64 {
        match term {
            Term::Task => self.task,
            Term::Kd => self.kd,
            Term::Align => self.align,
            Term::Maps => self.maps,
            Term::Semantic => self.semantic,
            Term::Resistance => self.resistance,
        }
    }

    /// Whether any term needs a teacher.
    pub fn needs_teacher(&self) -> bool {
        self.kd > 0.0 || self.needs_states() || self.semantic > 0.0
    }

    /// Whether any term needs a teacher's inner states, which only an encoder has.
    pub fn needs_states(&self) -> bool {
        self.align > 0.0 || self.maps > 0.0 || self.semantic > 0.0
    }
}
