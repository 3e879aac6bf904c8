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

/// What a tagger reads at a time.
#[derive(Debug, PartialEq)]
struct Window<'a> {
    ids: Vec<u32>,
    /// How much earlier its words' tokens stand in it than in the text.
    first: u32,
    words: &'a [Word],
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
        let headed = Headed::load(name, dir, false)?;
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
        let words = words(&encoding);
        let mut logits = Vec::new();
        for Window { ids, first, words } in windows(encoding.get_ids(), &words, headed.window) {
            let states = headed.bert.states(&[&ids]).map_err(|e| headed.failed(e))?;
            let row = |word: &Word| {
                let place = (word.tokens.start - first) as usize * width;
                states.get(place..place + width)
            };
            let rows: Vec<&[f32]> = words.iter().filter_map(row).collect();
            logits.extend(headed.logits(&rows));
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
        let spans = tags.spans(&words, &found).into_iter();
        let spans = spans.map(|(span, words)| Found { span, confidence: least(sure.get(words).unwrap_or_default()) });
        Ok(Extracted { spans: spans.collect(), confidence: least(&sure) })
    }
}

/// Cuts a text's tokens into windows of whole words, each between what stands before the first word and after the last: `[CLS]` and `[SEP]`.
/// Of a word that is longer than a window, its first tokens are read.
fn windows<'a>(ids: &[u32], words: &'a [Word], size: usize) -> Vec<Window<'a>> {
    let (Some(first), Some(last)) = (words.first(), words.last()) else { return Vec::new() };
    let (before, after) = (ids.get(..first.tokens.start as usize), ids.get(last.tokens.end as usize..));
    let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
    let room = size.saturating_sub(before.len() + after.len()).max(1) as u32;
    let mut windows = Vec::new();
    let mut rest = words;
    while let Some(start) = rest.first().map(|word| word.tokens.start) {
        let fits = rest.iter().take_while(|word| word.tokens.end <= start + room).count().max(1);
        let (words, later) = rest.split_at(fits);
        let end = words.last().map_or(start, |word| word.tokens.end).min(start + room);
        let own = ids.get(start as usize..end as usize).unwrap_or_default();
        windows.push(Window { ids: [before, own, after].concat(), first: start - before.len() as u32, words });
        rest = later;
    }
    windows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_hold_whole_words() {
        let word = |tokens: std::ops::Range<u32>| Word { bytes: 0..1, tokens };
        let words = [word(1..2), word(2..4), word(4..5), word(5..11), word(11..12)];
        let ids: Vec<u32> = (0..13).collect();
        let found = windows(&ids, &words, 6);
        let ids: Vec<&[u32]> = found.iter().map(|w| w.ids.as_slice()).collect();
        let wanted: [&[u32]; 3] = [&[0, 1, 2, 3, 4, 12], &[0, 5, 6, 7, 8, 12], &[0, 11, 12]];
        assert_eq!(ids, wanted);
        assert_eq!(found.iter().map(|w| w.words.len()).collect::<Vec<_>>(), [3, 1, 1]);
        // Each word's first token is where it should be.
        for window in &found {
            for word in window.words {
                assert_eq!(window.ids[(word.tokens.start - window.first) as usize], word.tokens.start);
            }
        }
        assert!(windows(&[0, 1], &[], 6).is_empty());
    }
}
