use serde::{Deserialize, Serialize};

use crate::{Cost, Format};

/// What made a payload into what its consumer takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Means {
    /// Nothing: the consumer takes it as it is.
    Untouched,
    /// Code, and experts that convert between kinds of signals.
    Adapters,
    /// The large model.
    Model,
    /// Nothing could: the consumer gets it as it is, in a format that it does not ask for.
    Verbatim,
}

/// How one payload went from its producer to its consumer: the record of a translation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HandOff {
    /// The format that it came in.
    pub from: Format,
    /// The format that it is handed over in.
    pub to: Format,
    /// What translated it.
    pub means: Means,
    /// The formats and kinds of signals that it went through, both ends included; the model's own step goes from end to end.
    pub path: Vec<String>,
    /// The sum of the losses that the path's steps are expected to have, from 0.
    pub expected_loss: f64,
    /// Numbers, units, names, code and negations that the source has and the result lacks.
    pub missing: Vec<String>,
    /// What a reader of the result should know, a sentence each.
    pub notes: Vec<String>,
    /// The semantic distance of source and result, in [0, 1], where a model wrote the result and an embedder is at hand.
    pub distance: Option<f32>,
    /// What it cost.
    pub cost: Cost,
}

impl HandOff {
    /// Whether there is something that a reader of the result should know.
    pub fn flagged(&self) -> bool {
        self.means == Means::Verbatim || !self.missing.is_empty() || !self.notes.is_empty()
    }
}
