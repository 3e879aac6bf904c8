//! Syntactic complexity, by proxies that need no parser.

use super::{
    markers::{CONJUNCTION, RELATIVE, SUBORDINATOR},
    reading::Reading,
};

pub(super) struct Syntax {
    /// Words per sentence.
    pub sentence_length: f64,
    /// Words of the longest sentence.
    pub longest_sentence: f64,
    /// Words of the last sentence.
    pub last_sentence: f64,
    /// Words that open a clause, per sentence.
    pub clauses: f64,
    /// Marks that set off a phrase, per sentence.
    pub phrases: f64,
    /// The most that one sentence has of subordinate clauses and brackets.
    pub depth: f64,
}

impl Syntax {
    pub(super) fn new(reading: &Reading) -> Self {
        let (mut longest, mut deepest, mut here) = (0u32, 0, (usize::MAX, 0u32, 0));
        for word in &reading.words {
            if word.sentence != here.0 {
                here = (word.sentence, 0, reading.sentences.get(word.sentence).map_or(0, |s| s.brackets));
            }
            let markers = reading.kinds.get(word.kind).map_or(0, |k| k.markers);
            here.1 += 1;
            here.2 += usize::from(markers & (SUBORDINATOR | RELATIVE) != 0);
            (longest, deepest) = (longest.max(here.1), deepest.max(here.2));
        }
        let per_sentence = |count: usize| count as f64 / reading.sentences.len().max(1) as f64;
        Self {
            sentence_length: per_sentence(reading.words.len()),
            longest_sentence: f64::from(longest),
            last_sentence: f64::from(here.1),
            clauses: per_sentence(reading.count(SUBORDINATOR | RELATIVE | CONJUNCTION)),
            phrases: per_sentence(reading.sentences.iter().map(|s| s.phrases).sum()),
            depth: deepest as f64,
        }
    }
}
