//! What `qsef distill run` reads.

mod mode;
mod student;
mod teacher;

use std::path::{Path, PathBuf};

use qsef_core::{Error, Result};
use serde::{Deserialize, Serialize};
use toml::Spanned;

pub use mode::Mode;
pub use student::{StudentConfig, Vocabulary};
pub use teacher::{EncoderTeacher, TeacherConfig};

use crate::{
    compute::Compute,
    data::{Rows, Task},
    loss::Settings,
    sample::Sampling,
    train::TrainSettings,
};

/// The seed by which a share of the rows is chosen: the same for all runs.
const SHARE_SEED: u64 = 7;

/// A grid of training runs: `modes` × `seeds`. Paths are from the file on.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What students do with texts.
    #[serde(default)]
    pub task: Task,
    /// Rows to learn from: `{"text","label","split"?}`, or `{"text","spans":[{"start","end","label"}],"split"?}` where parts are found; of a
    /// file with splits, `train`.
    pub data: PathBuf,
    /// Rows to choose by; of a file with splits, `val`.
    pub valid: PathBuf,
    /// Rows to test on, once a run; of a file with splits, `test`.
    pub test: PathBuf,
    /// Of the rows to learn from, the share of each class that is used.
    #[serde(default = "one")]
    pub fraction: Spanned<f64>,
    /// The most tokens of a text.
    #[serde(default = "window")]
    pub max_tokens: usize,
    /// Where results, checkpoints, logs, the teacher and the best students go.
    pub out: PathBuf,
    /// How students are trained; see [`Mode`].
    pub modes: Vec<Spanned<String>>,
    /// The seeds of each mode.
    pub seeds: Spanned<Vec<u64>>,
    /// Steps of each run.
    pub steps: u64,
    /// Who they learn from.
    #[serde(default)]
    pub teacher: Option<TeacherConfig>,
    /// Who learns.
    #[serde(default)]
    pub student: StudentConfig,
    /// How. `steps` above counts.
    #[serde(default)]
    pub train: TrainSettings,
    /// The weights of the loss's terms, where a mode has them on, and their other settings.
    #[serde(default = "Settings::on")]
    pub loss: Settings,
    /// Simpler variants of the texts.
    #[serde(default)]
    pub augment: Augment,
    /// Where training computes.
    #[serde(default)]
    pub device: Compute,
    /// The file.
    #[serde(skip)]
    pub path: PathBuf,
}

/// Simpler and other variants of texts, for the modes that have `augment` on.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augment {
    /// How often a variant stands in for its text, in [0, 1].
    pub share: f64,
    /// Whether variants are made by rules: without courtesies, and of content words alone.
    pub rules: bool,
    /// How many variants of each text have words replaced by their neighbours in the tokenizer's model, or left out; where parts are found,
    /// how many have parts replaced by others with the same label, which is all that is varied there.
    pub neighbours: usize,
    /// Files of other wordings: the curriculum generator's `train.jsonl`, whose rows are variants of the training rows with their item's
    /// `id`, and rows `{"text","label"}`, which are variants of all texts of their class.
    pub files: Vec<PathBuf>,
}

impl Default for Augment {
    fn default() -> Self {
        Self { share: 0.5, rules: true, neighbours: 4, files: Vec::new() }
    }
}

fn one() -> Spanned<f64> {
    Spanned::new(0..0, 1.0)
}

fn window() -> usize {
    64
}

/// Where in the file something is wrong.
enum Place {
    /// A field of a table; of none where that is empty.
    Field(&'static str, &'static str),
    /// The mode that begins at this byte.
    Mode(usize),
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::File`] naming line and field.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io("read", path, e))?;
        Self::parse(&text, path)
    }

    /// Reads text; `path` is for messages and for the paths in it.
    ///
    /// # Errors
    /// [`Error::File`] naming line and field.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let error = |at: Option<usize>, field: Option<&str>, message: &str| {
            let line = at.map(|at| text.get(..at).unwrap_or(text).matches('\n').count() + 1);
            Error::File {
                path: path.to_owned(),
                line,
                field: field.map(str::to_owned),
                message: message.trim().to_owned(),
            }
        };
        let mut config: Self = toml::from_str(text).map_err(|e| {
            let field = e.message().split_once("field `").and_then(|(_, rest)| rest.split('`').next());
            error(e.span().map(|span| span.start), field, e.message())
        })?;
        // The field's first line in a table, or before all tables.
        let line_of = |table: &str, field: &str| {
            let indented = |before: &str| before.rsplit('\n').next().is_some_and(|line| line.trim().is_empty());
            let starts = |at: &usize| text.get(..*at).is_some_and(indented);
            let find = |from: usize, what: &str| {
                let places = text.get(from..)?.match_indices(what).map(|(at, _)| from + at);
                places.into_iter().find(starts)
            };
            let from = if table.is_empty() { Some(0) } else { find(0, &format!("[{table}")) };
            find(from.or_else(|| find(0, &format!("[[{table}")))?, field)
        };
        config.train.steps = config.steps;
        config.check().map_err(|(place, message)| match place {
            Place::Field(table, field) => error(line_of(table, field), Some(field), &message),
            Place::Mode(at) => error(Some(at), Some("modes"), &message),
        })?;
        let dir = path.parent().unwrap_or(Path::new("")).to_owned();
        let files = [&mut config.data, &mut config.valid, &mut config.test, &mut config.out];
        for file in files.into_iter().chain(config.augment.files.iter_mut()) {
            *file = dir.join(&*file);
        }
        if let Some(teacher) = &mut config.teacher {
            teacher.based_on(&dir);
        }
        config.path = path.to_owned();
        Ok(config)
    }

    /// What is wrong, and where.
    fn check(&self) -> Result<(), (Place, String)> {
        let wrong = |table, field, message: &str| Err((Place::Field(table, field), message.to_owned()));
        if self.modes.is_empty() {
            return wrong("", "modes", "name at least one mode, such as \"qsef-kd\"");
        }
        let seeds = self.seeds.get_ref();
        if seeds.is_empty() {
            return wrong("", "seeds", "name at least one seed");
        }
        if let Some((_, seed)) = seeds.iter().enumerate().find(|(i, seed)| seeds.iter().take(*i).any(|s| s == *seed)) {
            return wrong("", "seeds", &format!("{seed} stands there twice"));
        }
        let fraction = *self.fraction.get_ref();
        if !(fraction > 0.0 && fraction <= 1.0) {
            return wrong("", "fraction", "must be above 0 and at most 1");
        }
        if self.max_tokens < 3 {
            return wrong("", "max_tokens", "must be at least 3");
        }
        if !(0.0..=1.0).contains(&self.augment.share) {
            return wrong("augment", "share", "must be a number from 0 to 1");
        }
        if self.task == Task::Extract {
            if !self.augment.files.is_empty() {
                let message = "rows of files stand in for the texts of their class, and parts of texts have none";
                return wrong("augment", "files", message);
            }
            if self.teacher.as_ref().is_some_and(|teacher| !teacher.tells_words()) {
                return wrong("teacher", "kind", "only encoders, and ensembles of them, teach to find parts of texts");
            }
        }
        let of = |table| move |(field, message)| (Place::Field(table, field), message);
        self.train.check().map_err(|why| of(if why.0 == "steps" { "" } else { "train" })(why))?;
        self.student.check().map_err(of("student"))?;
        self.loss.check().map_err(of("loss"))?;
        if let Some(teacher) = &self.teacher {
            teacher.check().map_err(of("teacher"))?;
        }
        for (i, mode) in self.modes.iter().enumerate() {
            let (name, place) = (mode.get_ref(), Place::Mode(mode.span().start));
            let read = match Mode::parse(name, &self.loss, self.augment.share) {
                Ok(read) => read,
                Err(message) => return Err((place, message)),
            };
            if self.modes.iter().take(i).any(|before| before.get_ref() == name) {
                return Err((place, format!("`{name}` stands there twice")));
            }
            if read.sampling == Sampling::Dynamic && self.train.batch < 2 {
                return Err((
                    place,
                    format!("`{name}` chooses half of a batch by resistance, for which `batch` has to be above 1"),
                ));
            }
            if self.teacher.is_none() && read.loss.needs_teacher() {
                return Err((place, format!("the mode `{name}` needs a [teacher]")));
            }
            if self.teacher.as_ref().is_some_and(|t| !t.has_states()) && read.loss.needs_states() {
                return Err((place, format!("the mode `{name}` compares inner states, which only an encoder has")));
            }
        }
        Ok(())
    }

    /// Of the rows to learn from, those that students see.
    #[must_use]
    pub fn share(&self, rows: &Rows) -> Rows {
        rows.share(*self.fraction.get_ref(), SHARE_SEED)
    }

    /// Its modes.
    ///
    /// # Errors
    /// None that [`Config::parse`] has not ruled out.
    pub fn modes(&self) -> Result<Vec<Mode>> {
        let read = |mode: &Spanned<String>| {
            Mode::parse(mode.get_ref(), &self.loss, self.augment.share).map_err(Error::Internal)
        };
        self.modes.iter().map(read).collect()
    }
}

#[cfg(test)]
mod tests;
