//! Encoders that tell classes apart, of a text or of each of its words: BERT and one map to the classes.

mod headed;
mod tagger;

use std::{path::Path, sync::Arc};

use qsef_core::Result;

use headed::Headed;
pub use tagger::{CandleTagger, Extracted, Found};

/// A classifier that runs in this process: the mean of a text's tokens is mapped to the classes. Cheap to clone.
#[derive(Clone)]
pub struct CandleClassifier(Arc<Headed>);

/// What a classifier says of a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Classified {
    /// The number of the likeliest class.
    pub class: usize,
    /// The probability of each class.
    pub probabilities: Vec<f32>,
    /// The mean of the text's tokens, before the map to the classes.
    pub vector: Vec<f32>,
}

impl CandleClassifier {
    /// Loads `config.json`, `tokenizer.json` and `model.safetensors` from a directory.
    ///
    /// # Errors
    /// [`qsef_core::Error::ModelFile`] naming the file that is missing or damaged; [`qsef_core::Error::Vetoed`] where real models are
    /// forbidden.
    pub fn load(name: &str, dir: &Path) -> Result<Self> {
        Headed::load(name, dir, true).map(|headed| Self(Arc::new(headed)))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The classes' names.
    pub fn labels(&self) -> &[String] {
        &self.0.classes
    }

    /// Tells a text's class; blocks the thread, for about a millisecond.
    ///
    /// # Errors
    /// [`qsef_core::Error::Model`] for a text that cannot be read or has no tokens; [`qsef_core::Error::Vetoed`] where real models are
    /// forbidden.
    pub fn classify(&self, text: &str) -> Result<Classified> {
        let headed = &*self.0;
        let tokens = headed.encode(text)?;
        let mut means = headed.bert.means(&[tokens.get_ids()]).map_err(|e| headed.failed(e))?;
        let vector = means.pop().ok_or_else(|| headed.failed("the text has no vector"))?;
        let probabilities = headed.probabilities(headed.logits(&[&vector]));
        let best = probabilities
            .iter()
            .enumerate()
            .fold((0, f32::NEG_INFINITY), |best, (i, p)| if *p > best.1 { (i, *p) } else { best });
        Ok(Classified { class: best.0, probabilities, vector })
    }
}
