use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Which tokens a student knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Vocabulary {
    /// Those of the tokenizer that the training rows have, and letters.
    #[default]
    Reduced,
    /// All of the tokenizer's.
    Full,
}

/// A student's shape.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StudentConfig {
    /// Layers.
    pub layers: usize,
    /// Width of a token's vector.
    pub hidden: usize,
    /// Heads of attention.
    pub heads: usize,
    /// Width between the two maps of a layer; four times the other where not given.
    pub inner: Option<usize>,
    /// Which tokens it knows.
    pub vocabulary: Vocabulary,
    /// How often a token has to stand in the training rows for a reduced vocabulary.
    pub least: usize,
    /// The model whose tokenizer it has: a name of the manifest, or a directory.
    pub tokenizer: PathBuf,
    /// The model that it starts from, with that model's shape and vocabulary, in place of chance: a name of the manifest, or a directory.
    pub base: Option<PathBuf>,
}

impl Default for StudentConfig {
    fn default() -> Self {
        Self {
            layers: 2,
            hidden: 128,
            heads: 4,
            inner: None,
            vocabulary: Vocabulary::Reduced,
            least: 1,
            tokenizer: PathBuf::from("all-minilm-l6-v2"),
            base: None,
        }
    }
}

impl StudentConfig {
    /// What is wrong with it: field and message.
    ///
    /// # Errors
    /// The field and the message.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        if self.heads == 0 || self.hidden == 0 || !self.hidden.is_multiple_of(self.heads) {
            let message = format!("{} values cannot be shared among {} heads", self.hidden, self.heads);
            return Err(("hidden", message));
        }
        if !(1..=24).contains(&self.layers) {
            return Err(("layers", "must be from 1 to 24".into()));
        }
        if self.hidden > 4096 {
            return Err(("hidden", "must be at most 4096".into()));
        }
        if self.inner.is_some_and(|inner| !(1..=16_384).contains(&inner)) {
            return Err(("inner", "must be from 1 to 16384".into()));
        }
        Ok(())
    }
}
