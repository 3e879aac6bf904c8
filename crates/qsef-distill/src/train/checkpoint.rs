use std::{collections::HashMap, path::Path};

use candle_core::{Device, Tensor};
use qsef_core::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::{loss::Term, model::Params, optim::AdamW, sample::Sampler};

/// The tensor that holds what is no tensor.
const DOCUMENT: &str = "checkpoint";

/// A training run as it stands after a step: with it, the rest is bit for bit what it would have been. One file, so that it is there
/// whole or not at all.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Checkpoint {
    /// What the run was made of; another run's checkpoint is refused.
    pub run: String,
    /// Batches that were seen.
    pub step: u64,
    /// Steps of the optimiser.
    pub optimiser_steps: u64,
    /// The best figure on the validation rows; more is better.
    pub best: Option<f64>,
    /// The step that had it.
    pub best_step: u64,
    /// The levels of the loss's terms.
    pub levels: Vec<(Term, f64, u64)>,
    /// Seconds that the run took so far.
    pub seconds: f64,
    /// Variables (`param.`), the best ones (`best.`), the optimiser's memory (`adam.`) and the sampler's (`sampler`).
    #[serde(skip)]
    pub tensors: HashMap<String, Tensor>,
}

/// What a run changes as it goes.
pub struct Running<'a> {
    /// What is trained.
    pub params: &'a Params,
    /// How.
    pub optimiser: &'a mut AdamW,
    /// Which rows come when.
    pub sampler: &'a mut Sampler,
}

impl Running<'_> {
    /// Its tensors, and the best variables so far, for [`Checkpoint::tensors`].
    ///
    /// # Errors
    /// Candle's own.
    pub fn tensors(&self, best: &HashMap<String, Tensor>) -> candle_core::Result<HashMap<String, Tensor>> {
        let mut tensors = HashMap::new();
        let mut put = |prefix: &str, from: HashMap<String, Tensor>| {
            tensors.extend(from.into_iter().map(|(name, tensor)| (format!("{prefix}{name}"), tensor)));
        };
        put("param.", self.params.values()?);
        put("best.", best.clone());
        put("adam.", self.optimiser.state()?);
        let current = self.sampler.current();
        tensors.insert("sampler".into(), Tensor::from_slice(current, current.len(), &Device::Cpu)?);
        Ok(tensors)
    }

    /// Sets all to a checkpoint's.
    ///
    /// # Errors
    /// Where something is missing or has another shape.
    pub fn set(&mut self, checkpoint: &Checkpoint) -> candle_core::Result<()> {
        self.params.set(&checkpoint.part("param."))?;
        self.optimiser.set_state(&checkpoint.part("adam."), checkpoint.optimiser_steps)?;
        if let Some(current) = checkpoint.tensors.get("sampler") {
            self.sampler.set_current(current.to_vec1()?);
        }
        Ok(())
    }
}

impl Checkpoint {
    /// Writes it.
    ///
    /// # Errors
    /// [`Error::Io`], as where the disk is full: what was there before stays.
    pub fn write(&self, path: &Path) -> Result<()> {
        let document = serde_json::to_vec(self).map_err(|e| Error::Internal(e.to_string()))?;
        let length = document.len();
        let mut tensors = self.tensors.clone();
        let document = Tensor::from_vec(document, length, &Device::Cpu).map_err(|e| Error::Internal(e.to_string()))?;
        tensors.insert(DOCUMENT.into(), document);
        crate::files::save_tensors(path, &tensors)
    }

    /// Reads one of a run; none where there is none.
    ///
    /// # Errors
    /// [`Error::File`] for a damaged file and for one of another run.
    pub fn read(path: &Path, run: &str) -> Result<Option<Self>> {
        if !path.exists() {
            return Ok(None);
        }
        let bad = |message: String| Error::File { path: path.into(), line: None, field: None, message };
        let mut tensors = candle_core::safetensors::load(path, &Device::Cpu)
            .map_err(|e| bad(format!("it is damaged, remove it to begin anew: {e}")))?;
        let document = tensors.remove(DOCUMENT).ok_or_else(|| bad("it is no checkpoint".into()))?;
        let document = document.to_vec1::<u8>().map_err(|e| bad(e.to_string()))?;
        let mut checkpoint: Self = serde_json::from_slice(&document).map_err(|e| bad(e.to_string()))?;
        if checkpoint.run != run {
            return Err(bad(format!(
                "it is of a run with other settings or data; remove it to begin anew (there {}, here {run})",
                checkpoint.run
            )));
        }
        checkpoint.tensors = tensors;
        Ok(Some(checkpoint))
    }

    /// The tensors whose names begin with a prefix, without it.
    pub fn part(&self, prefix: &str) -> HashMap<String, Tensor> {
        self.tensors
            .iter()
            .filter_map(|(name, tensor)| Some((name.strip_prefix(prefix)?.to_owned(), tensor.clone())))
            .collect()
    }
}
