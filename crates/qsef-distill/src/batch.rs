//! Texts of a batch.

use std::sync::Arc;

use crate::{model::places, ops::Spans};

/// Texts whose tokens stand in one row, one text's after the other's.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The tokens' numbers.
    pub ids: Arc<[u32]>,
    /// The place of each token in its text.
    pub places: Arc<[u32]>,
    /// Where the texts lie.
    pub spans: Spans,
}

impl Batch {
    /// Of texts as tokens, each of which has at least one.
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a [u32]>) -> Self {
        let texts: Vec<&[u32]> = texts.into_iter().collect();
        let spans = Spans::new(texts.iter().map(|text| text.len()));
        Self { ids: texts.concat().into(), places: places(&spans), spans }
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
