//! Concept density: technical and abstract words are long ones.

use super::reading::{Kind, Reading};

pub(super) struct Density {
    /// Share of long content words.
    pub long_words: f64,
    /// Different long content words over the root of all words, as Guiraud's index does for all types.
    pub concepts: f64,
}

impl Density {
    pub(super) fn new(reading: &Reading) -> Self {
        let words = reading.words.len().max(1) as f64;
        Self {
            long_words: reading.kinds().map(length).sum::<f64>() / words,
            concepts: reading.kinds.iter().map(length).sum::<f64>() / words.sqrt(),
        }
    }
}

/// 1 for a long content word. Two characters are the rule in Chinese; that they count a quarter brings a text to about
/// the density of its translation.
fn length(kind: &Kind) -> f64 {
    match (kind.markers, kind.chinese, kind.characters) {
        (0, false, 7..) | (0, true, 3..) => 1.0,
        (0, true, 2) => 0.25,
        _ => 0.0,
    }
}
