use std::{ops::Range, sync::Arc};

/// Where the texts of a batch lie in the matrix of their tokens.
#[derive(Debug, Clone)]
pub struct Spans(Arc<[Range<usize>]>);

impl Spans {
    /// From the texts' numbers of tokens, each of which is above 0.
    pub fn new(lengths: impl IntoIterator<Item = usize>) -> Self {
        let mut start = 0;
        let range = |length: usize| {
            start += length;
            start - length..start
        };
        Self(lengths.into_iter().map(range).collect())
    }

    /// The rows of each text.
    pub fn iter(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        self.0.iter().cloned()
    }

    /// Texts.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tokens of all texts.
    pub fn tokens(&self) -> usize {
        self.0.last().map_or(0, |last| last.end)
    }

    /// Cuts what has `size(text)` numbers for each text into the texts' parts.
    pub(super) fn cut<'a>(
        &self,
        mut values: &'a mut [f32],
        size: impl Fn(&Range<usize>) -> usize,
    ) -> Vec<(Range<usize>, &'a mut [f32])> {
        let mut parts = Vec::with_capacity(self.0.len());
        for span in self.0.iter() {
            let (part, rest) = values.split_at_mut(size(span).min(values.len()));
            parts.push((span.clone(), part));
            values = rest;
        }
        parts
    }

    /// As [`Spans::cut`], of what is only read.
    pub(super) fn share<'a>(&self, mut values: &'a [f32], size: impl Fn(&Range<usize>) -> usize) -> Vec<&'a [f32]> {
        let mut parts = Vec::with_capacity(self.0.len());
        for span in self.0.iter() {
            let (part, rest) = values.split_at(size(span).min(values.len()));
            parts.push(part);
            values = rest;
        }
        parts
    }
}
