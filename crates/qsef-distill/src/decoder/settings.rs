use serde::{Deserialize, Serialize};

use super::Adapters;
use crate::{
    optim::{AdamWSettings, Decay},
    ranges,
    sample::Sampling,
};

/// How a decoder is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TuneSettings {
    /// Steps of the optimiser.
    pub steps: u64,
    /// Rows of a step, one after the other.
    pub batch: usize,
    /// The highest rate.
    pub rate: f64,
    /// The share of the steps in which the rate rises.
    pub warm_up: f64,
    /// How it falls.
    pub decay: Decay,
    /// The optimiser's other settings.
    pub optimiser: AdamWSettings,
    /// How rows are chosen; the order of the file is that from easy to hard, as a curriculum's is.
    pub sampling: Sampling,
    /// What is trained.
    pub adapters: Adapters,
    /// The most tokens of a row.
    pub max_tokens: usize,
    /// Steps between validations.
    pub validate_every: u64,
    /// Validations without a gain after which training ends; none: it goes on to the last step.
    pub patience: Option<u64>,
    /// Steps between checkpoints.
    pub checkpoint_every: u64,
    /// The seed of all chance.
    pub seed: u64,
}

impl Default for TuneSettings {
    fn default() -> Self {
        Self {
            steps: 200,
            batch: 8,
            rate: 5e-4,
            warm_up: 0.1,
            decay: Decay::Cosine,
            optimiser: AdamWSettings { weight_decay: 0.0, ..AdamWSettings::default() },
            sampling: Sampling::Progressive,
            adapters: Adapters::default(),
            max_tokens: 512,
            validate_every: 25,
            patience: None,
            checkpoint_every: 25,
            seed: 0,
        }
    }
}

impl TuneSettings {
    /// What is wrong with them: field and message.
    ///
    /// # Errors
    /// The field and the message.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        ranges::positive("steps", self.steps as f64)?;
        ranges::positive("batch", self.batch as f64)?;
        ranges::positive("validate_every", self.validate_every as f64)?;
        ranges::positive("checkpoint_every", self.checkpoint_every as f64)?;
        ranges::positive("rate", self.rate)?;
        ranges::share("warm_up", self.warm_up)?;
        self.optimiser.check()?;
        if self.patience == Some(0) {
            return Err(("patience", "must be above 0".into()));
        }
        if self.sampling == Sampling::Dynamic && self.batch < 2 {
            return Err(("batch", "must be above 1 where half of it is chosen by the student's loss".into()));
        }
        if !(1..=1024).contains(&self.adapters.rank) {
            return Err(("rank", "must be from 1 to 1024".into()));
        }
        ranges::positive("alpha", self.adapters.alpha)?;
        if self.max_tokens < 8 {
            return Err(("max_tokens", "must be at least 8".into()));
        }
        Ok(())
    }
}
