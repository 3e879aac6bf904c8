//! Texts of a batch.

use std::sync::Arc;

use crate::{model::places, ops::Spans, text::Tokens};

/// Texts whose tokens stand in one row, one text's after the other's.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The tokens' numbers.
    pub ids: Arc<[u32]>,
    /// The place of each token in its text.
    pub places: Arc<[u32]>,
    /// Where the texts lie.
    pub spans: Spans,
    /// Their words, where classes are told of them and not of the texts.
    pub words: Option<Words>,
}

/// The words of a batch's texts.
#[derive(Debug, Clone)]
pub struct Words {
    /// The token in the batch that stands for each.
    pub tokens: Arc<[u32]>,
    /// Where the texts lie among the words.
    pub spans: Spans,
}

impl Batch {
    /// Of texts as tokens, each of which has at least one.
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a [u32]>) -> Self {
        let texts: Vec<&[u32]> = texts.into_iter().collect();
        let spans = Spans::new(texts.iter().map(|text| text.len()));
        Self { ids: texts.concat().into(), places: places(&spans), spans, words: None }
    }

    /// Of texts as tokens, all of which have words, or none.
    pub fn of<'a>(texts: impl IntoIterator<Item = &'a Tokens>) -> Self {
        let texts: Vec<&Tokens> = texts.into_iter().collect();
        let mut batch = Self::new(texts.iter().map(|text| text.ids.as_slice()));
        if texts.iter().any(|text| !text.words.is_empty()) {
            let of_text = |(text, span): (&&Tokens, std::ops::Range<usize>)| -> Vec<u32> {
                text.words.iter().map(|word| span.start as u32 + word.tokens.start).collect()
            };
            let tokens: Vec<u32> = texts.iter().zip(batch.spans.iter()).flat_map(of_text).collect();
            let spans = Spans::new(texts.iter().map(|text| text.words.len()));
            batch.words = Some(Words { tokens: tokens.into(), spans });
        }
        batch
    }

    /// Texts in it.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }
}
