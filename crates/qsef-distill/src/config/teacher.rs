use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{ranges, train::TrainSettings};

/// An encoder that is trained for the task first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncoderTeacher {
    /// What it starts from: a name of the manifest, or a directory with `config.json`, `tokenizer.json` and `model.safetensors`.
    pub base: PathBuf,
    /// Whether that is trained for these classes already, as what `qsef distill` writes is.
    #[serde(default)]
    pub trained: bool,
    /// How it is trained.
    #[serde(default)]
    pub train: TrainSettings,
    /// Whether its words' vectors stay as they are, which saves a third of the time.
    #[serde(default)]
    pub fix_words: bool,
    /// Of the truth, how much is spread over all classes.
    #[serde(default)]
    pub smoothing: f64,
    /// The seed of its training.
    #[serde(default)]
    pub seed: u64,
}

/// Who students learn from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[non_exhaustive]
pub enum TeacherConfig {
    /// A larger encoder.
    Encoder(EncoderTeacher),
    /// The mean of several teachers' probabilities; inner states are those of the first.
    Ensemble {
        /// The teachers.
        members: Vec<TeacherConfig>,
    },
    /// A file of logits that were stored.
    Logits {
        /// The file.
        file: PathBuf,
    },
    /// A language model that names the class, by the log-probabilities of the classes' letters: one that runs here, or `openai:NAME`
    /// behind an endpoint.
    Model {
        /// Its name.
        model: String,
    },
}

impl TeacherConfig {
    /// Whether it has inner states to compare.
    pub fn has_states(&self) -> bool {
        match self {
            Self::Encoder(_) => true,
            Self::Ensemble { members } => members.first().is_some_and(Self::has_states),
            Self::Logits { .. } | Self::Model { .. } => false,
        }
    }

    /// What is wrong with it: field and message.
    ///
    /// # Errors
    /// The field and the message.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        match self {
            Self::Encoder(teacher) => {
                ranges::share("smoothing", teacher.smoothing)?;
                teacher.train.check()
            }
            Self::Ensemble { members } if members.is_empty() => {
                Err(("members", "an ensemble needs at least one teacher".into()))
            }
            Self::Ensemble { members } => members.iter().try_for_each(Self::check),
            Self::Logits { .. } | Self::Model { .. } => Ok(()),
        }
    }

    /// Whether it says something of each word.
    pub(super) fn tells_words(&self) -> bool {
        match self {
            Self::Encoder(_) => true,
            Self::Ensemble { members } => members.iter().all(Self::tells_words),
            Self::Logits { .. } | Self::Model { .. } => false,
        }
    }

    /// Makes its paths those from a directory on. Names of the manifest stay.
    pub(super) fn based_on(&mut self, dir: &Path) {
        match self {
            Self::Encoder(teacher) => {
                if teacher.base.components().count() > 1 {
                    teacher.base = dir.join(&teacher.base);
                }
            }
            Self::Ensemble { members } => members.iter_mut().for_each(|member| member.based_on(dir)),
            Self::Logits { file } => *file = dir.join(&*file),
            Self::Model { .. } => {}
        }
    }
}
