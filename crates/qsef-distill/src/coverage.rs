//! What an expert learnt from, and how much of a text that covers (paper, section 6.2.3).

use std::collections::{BTreeSet, HashMap, HashSet};

use qsef_score::text;
use serde::{Deserialize, Serialize};

/// The most words that are kept. All of 3,700 words of CLINC150's small training set told requests out of its scope a little worse.
const WORDS: usize = 2000;

/// What an expert learnt from, for the sparsity of tasks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coverage {
    /// Training texts.
    pub texts: usize,
    /// Classes, or labels of parts.
    pub classes: usize,
    /// Different words in them.
    pub words: usize,
    /// The commonest words, each with the number of texts that have it.
    pub counts: Vec<(String, usize)>,
}

/// A text's different words. One number is as good as another.
fn words(text: &str) -> BTreeSet<String> {
    let word = |word: &str| if word.contains(char::is_alphabetic) { word.to_lowercase() } else { "0".to_owned() };
    text::words(text).into_iter().map(word).collect()
}

impl Coverage {
    /// That of training texts.
    pub fn of(texts: &[String], classes: usize) -> Self {
        let mut counts: HashMap<String, usize> = HashMap::new();
        texts.iter().flat_map(|text| words(text)).for_each(|word| *counts.entry(word).or_default() += 1);
        let all = counts.len();
        let mut counts: Vec<(String, usize)> = counts.into_iter().collect();
        counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        counts.truncate(WORDS);
        Self { texts: texts.len(), classes, words: all, counts }
    }

    /// The words, to be looked up.
    pub fn known(&self) -> KnownWords {
        KnownWords(self.counts.iter().map(|(word, _)| word.clone()).collect())
    }
}

/// The words that an expert has learnt.
#[derive(Debug, Clone)]
pub struct KnownWords(HashSet<String>);

impl KnownWords {
    /// How sure an expert is of a text, in [0, 1]: what its model says, as far as it has learnt the text's words. What a model makes of
    /// words that it never saw says nothing, however sure it is.
    pub fn sure(&self, text: &str, confidence: f32) -> f32 {
        confidence * self.share(text) as f32
    }

    /// The share of a text's different words that it has, in [0, 1]; 0 for a text without words.
    fn share(&self, text: &str) -> f64 {
        let words = words(text);
        words.iter().filter(|word| self.0.contains(*word)).count() as f64 / words.len().max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_words_that_were_learnt() {
        let texts = ["Pay 20 dollars", "pay the bill, pay it", "支付帳單"].map(str::to_owned);
        let coverage = Coverage::of(&texts, 1);
        assert_eq!((coverage.texts, coverage.words), (3, 10));
        assert_eq!(coverage.counts[0], ("pay".to_owned(), 2));
        let known = coverage.known();
        for (text, share) in [
            ("PAY 3.5 bill", 1.0),
            ("pay zorblax", 0.5),
            ("帳單在", 2.0 / 3.0),
            ("asdf jkl", 0.0),
            ("∑ ?", 0.0),
            ("", 0.0),
        ] {
            assert_eq!(known.share(text), share, "{text}");
        }
    }
}
