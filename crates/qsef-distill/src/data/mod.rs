//! Rows to learn from: texts with their classes, or with parts that have labels.

mod judge;
mod lines;
mod variants;

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
};

use qsef_candle::tags::{Span, Tags};
use qsef_core::{Error, Result};
use serde::{Deserialize, Serialize};

pub use judge::Judged;
pub use variants::{Variant, VariantOf};

use crate::{
    random::{rng, shuffled},
    text::{Tokens, Words},
};
use lines::Line;

/// What students do with texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// They tell each text's class.
    #[default]
    Classify,
    /// They find parts of each text, and tell their labels.
    Extract,
}

impl Task {
    /// What students are compared by.
    pub fn measure(self) -> &'static str {
        match self {
            Self::Classify => "accuracy",
            Self::Extract => "span F1",
        }
    }
}

/// Texts with what is to be told of them.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    /// The texts.
    pub texts: Vec<String>,
    /// Each text's class, where classes are told.
    pub labels: Vec<usize>,
    /// Each text's parts that have labels, in their order, where those are found.
    pub spans: Vec<Vec<Span>>,
    /// Each text's id, where the file has one.
    pub ids: Vec<Option<String>>,
}

impl Rows {
    /// Texts in it.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// The texts as slices.
    pub fn texts(&self) -> Vec<&str> {
        self.texts.iter().map(String::as_str).collect()
    }

    /// Whether a class, or a part with a label, is in a text.
    pub fn has(&self, place: usize, label: usize) -> bool {
        self.labels.get(place) == Some(&label)
            || self.spans.get(place).is_some_and(|spans| spans.iter().any(|span| span.label == label))
    }

    /// All that students are told of them, for a fingerprint.
    pub(crate) fn named(&self) -> String {
        format!("{:?}{:?}{:?}", self.texts, self.labels, self.spans)
    }

    /// A share of each class, at least one text of it, or of all texts where they have no classes, chosen by the seed; they stay in their
    /// order.
    #[must_use]
    pub fn share(&self, share: f64, seed: u64) -> Self {
        if share >= 1.0 {
            return self.clone();
        }
        let class = |place: usize| self.labels.get(place).copied().unwrap_or_default();
        let mut classes: HashMap<usize, usize> = HashMap::new();
        (0..self.len()).for_each(|place| *classes.entry(class(place)).or_default() += 1);
        let mut left: HashMap<usize, usize> = classes
            .into_iter()
            .map(|(label, count)| (label, ((count as f64 * share).round() as usize).max(1)))
            .collect();
        let mut kept = BTreeSet::new();
        for place in shuffled(&mut rng(seed, "share", 0), self.len()) {
            if let Some(count) = left.get_mut(&class(place)).filter(|count| **count > 0) {
                *count -= 1;
                kept.insert(place);
            }
        }
        fn of<T: Clone>(all: &[T], kept: &BTreeSet<usize>) -> Vec<T> {
            kept.iter().filter_map(|place| all.get(*place)).cloned().collect()
        }
        Self {
            texts: of(&self.texts, &kept),
            labels: of(&self.labels, &kept),
            spans: of(&self.spans, &kept),
            ids: of(&self.ids, &kept),
        }
    }
}

/// Rows to learn from, to choose by and to test on, with the labels' names in alphabetical order.
#[derive(Debug, Clone, Default)]
pub struct DataSet {
    /// What is done with the texts.
    pub task: Task,
    /// The names of the classes, or of what parts of texts are.
    pub labels: Vec<String>,
    /// To learn from.
    pub train: Rows,
    /// To choose by.
    pub valid: Rows,
    /// To test on, once.
    pub test: Rows,
}

impl DataSet {
    /// Reads intent rows `{"text","label","split"?}`, or rows with parts `{"text","spans":[{"start","end","label"}],"split"?}`, whose places
    /// are counted in characters: of files that name splits, `train` of the first, `val` of the second, `test` of the third.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::File`] for a row that does not read, a label that the training rows do not have, a class that the
    /// validation rows do not have, fewer than two classes, no part that has a label.
    pub fn read(task: Task, train: &Path, valid: &Path, test: &Path) -> Result<Self> {
        let learn = lines::read(task, train, "train")?;
        let labels: BTreeSet<&str> = learn.iter().flat_map(Line::labels).collect();
        let labels: Vec<String> = labels.into_iter().map(str::to_owned).collect();
        let bad = |path: &Path, field: &str, message: String| Error::File {
            path: path.into(),
            line: None,
            field: Some(field.into()),
            message,
        };
        match task {
            Task::Classify if labels.len() < 2 => {
                let message = format!("there is one class, `{}`; at least two are needed", labels.join(""));
                return Err(bad(train, "label", message));
            }
            Task::Extract if labels.is_empty() => {
                return Err(bad(train, "spans", "no row has a part with a label".into()));
            }
            _ => {}
        }
        let places: HashMap<&str, usize> = labels.iter().enumerate().map(|(i, label)| (label.as_str(), i)).collect();
        let set = |path: &Path, of| lines::rows(path, of, &places);
        let (learn, valid_rows, test_rows) = (
            set(train, learn)?,
            set(valid, lines::read(task, valid, "val")?)?,
            set(test, lines::read(task, test, "test")?)?,
        );
        let seen: BTreeSet<usize> = valid_rows.labels.iter().copied().collect();
        let unseen = (0..labels.len()).find(|i| task == Task::Classify && !seen.contains(i));
        if let Some(label) = unseen.and_then(|i| labels.get(i)) {
            return Err(bad(valid, "label", format!("the class `{label}` has no row to validate on")));
        }
        Ok(Self { task, train: learn, valid: valid_rows, test: test_rows, labels })
    }

    /// Reads other wordings of the texts to learn from: rows `{"text","label"}`, and those of a curriculum, `{"item","messages"}`, whose item is
    /// the id of a row and whose last message is its text in a tier.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::File`] with line and field for a row that does not read, or of no class and no row.
    pub fn read_variants(&self, path: &Path) -> Result<Vec<Variant>> {
        variants::read(self, path)
    }

    /// What a model for these rows tells apart: classes of texts, or tags of words.
    pub fn classes(&self) -> Vec<String> {
        match self.task {
            Task::Classify => self.labels.clone(),
            Task::Extract => Tags::names(&self.labels),
        }
    }

    /// The tags of the labels.
    fn tags(&self) -> Tags {
        Tags::new(self.labels.len())
    }

    /// Texts to learn from as tokens, with their words where parts are found.
    ///
    /// # Errors
    /// As [`Words::encode`] and [`Words::encode_whole`].
    pub fn encode(&self, words: &Words, texts: &[&str]) -> Result<Vec<Tokens>> {
        let encode = |text: &&str| match self.task {
            Task::Classify => Ok(Tokens { ids: words.encode(text)?, words: Vec::new() }),
            Task::Extract => words.encode_whole(text),
        };
        texts.iter().map(encode).collect()
    }

    /// As [`DataSet::encode`], of rows to judge by: parts that the window does not hold are not found.
    ///
    /// # Errors
    /// As [`Words::encode`] and [`Words::encode_words`].
    pub fn encode_to_judge(&self, words: &Words, rows: &Rows) -> Result<Vec<Tokens>> {
        match self.task {
            Task::Classify => self.encode(words, &rows.texts()),
            Task::Extract => rows.texts.iter().map(|text| words.encode_words(text)).collect(),
        }
    }

    /// What a model should say of rows: of each text its class, or the tags of its words.
    pub fn answers(&self, rows: &Rows, tokens: &[Tokens]) -> Vec<Vec<usize>> {
        match self.task {
            Task::Classify => rows.labels.iter().map(|label| vec![*label]).collect(),
            Task::Extract => {
                tokens.iter().zip(&rows.spans).map(|(text, spans)| self.tags().tag(&text.words, spans)).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests;
