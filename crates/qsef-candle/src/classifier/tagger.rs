use std::{path::Path, sync::Arc};

use qsef_core::{Error, Result};

use super::Headed;
use crate::tags::{Span, Tags, Word, words};

/// A tagger that runs in this process: the first token of each word is mapped to the tags of some labels, and tags make spans. Cheap to
/// clone.
#[derive(Clone)]
pub struct CandleTagger(Arc<Inner>);

struct Inner {
    headed: Headed,
    labels: Vec<String>,
}

/// A span that a tagger finds.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Where it lies, and the number of its label.
    pub span: Span,
    /// The probability of its least sure tag, in [0, 1].
    pub confidence: f32,
}

/// What a tagger finds in a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Extracted {
    /// In the order of the text.
    pub spans: Vec<Found>,
    /// The probability of the least sure tag of all words, those outside of spans, too; 1 for a text without words.
    pub confidence: f32,
}

impl CandleTagger {
    /// Loads `config.json`, `tokenizer.json` and `model.safetensors` from a directory.
    ///
    /// # Errors
    /// As [`super::CandleClassifier::load`], and [`Error::ModelFile`] for classes that are no tags.
    pub fn load(name: &str, dir: &Path) -> Result<Self> {
        let headed = Headed::load(name, dir)?;
        let labels = Tags::labels(&headed.classes).ok_or_else(|| {
            let file = dir.join("config.json");
            Error::ModelFile(format!(
                "{}: the classes of `id2label` are not O, B-…, I-… of some labels",
                file.display()
            ))
        })?;
        Ok(Self(Arc::new(Inner { headed, labels })))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0.headed.name
    }

    /// The labels' names.
    pub fn labels(&self) -> &[String] {
        &self.0.labels
    }

    /// Finds the spans of a text; blocks the thread, for about a millisecond a window. What one window does not hold is read in further
    /// ones.
    ///
    /// # Errors
    /// As [`super::CandleClassifier::classify`].
    pub fn extract(&self, text: &str) -> Result<Extracted> {
        let Inner { headed, labels } = &*self.0;
        let encoding = headed.encode(text)?;
        let width = headed.bert.dimensions();
        let mut all: Vec<Word> = Vec::new();
        let mut logits = Vec::new();
        for part in std::iter::once(&encoding).chain(encoding.get_overflowing()) {
            let mut here = words(part);
            // A word that two windows share was read in the first.
            here.retain(|word| all.last().is_none_or(|last| word.number > last.number));
            let states = headed.bert.states(&[part.get_ids()]).map_err(|e| headed.failed(e))?;
            let row = |word: &Word| states.get(word.token as usize * width..(word.token as usize + 1) * width);
            let rows: Vec<&[f32]> = here.iter().filter_map(row).collect();
            logits.extend(headed.logits(&rows));
            all.extend(here);
        }
        let tags = Tags::new(labels.len());
        let found = tags.decode(&logits);
        let probabilities = headed.probabilities(logits);
        let sure: Vec<f32> = probabilities
            .chunks_exact(tags.count())
            .zip(&found)
            .filter_map(|(row, tag)| row.get(*tag).copied())
            .collect();
        let least = |of: &[f32]| of.iter().copied().fold(1f32, f32::min);
        let spans = tags.spans(&all, &found).into_iter();
        let spans = spans.map(|(span, words)| Found { span, confidence: least(sure.get(words).unwrap_or_default()) });
        Ok(Extracted { spans: spans.collect(), confidence: least(&sure) })
    }
}
