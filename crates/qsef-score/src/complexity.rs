//! Complexity of a text, `C_data` of the paper (section 6.2.1), from its surface.

use unicode_segmentation::UnicodeSegmentation;

use crate::text::{terms, words};

/// How complex a task's text is, each part in [0, 1].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Complexity {
    /// Length of its sentences: half at 20 words.
    pub sentence_length: f64,
    /// Different terms: half at 20.
    pub vocabulary: f64,
    /// Steps of reasoning that its connecting words suggest: half at 3.
    pub reasoning_steps: f64,
}

/// Words that join clauses, and so suggest a further step.
const CONNECTIVES: &[&str] = &[
    "and", "then", "because", "if", "unless", "while", "after", "before", "but", "than", "compare", "prove", "explain",
    "why", "derive", "optimise", "optimize", "each", "every",
];

fn saturate(x: f64, half: f64) -> f64 {
    x / (x + half)
}

/// Measures a text. An empty one has complexity 0.
pub fn complexity(text: &str) -> Complexity {
    let words = words(text);
    let sentences = text.unicode_sentences().filter(|s| s.chars().any(char::is_alphanumeric)).count().max(1);
    let steps = words.iter().filter(|w| CONNECTIVES.contains(&w.to_lowercase().as_str())).count();
    Complexity {
        sentence_length: saturate(words.len() as f64 / sentences as f64, 20.0),
        vocabulary: saturate(terms(text).len() as f64, 20.0),
        reasoning_steps: saturate(steps as f64, 3.0),
    }
}

impl Complexity {
    /// `C_data`: the mean of the parts, in [0, 1).
    pub fn overall(&self) -> f64 {
        (self.sentence_length + self.vocabulary + self.reasoning_steps) / 3.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longer_and_more_entangled_text_is_more_complex() {
        let simple = complexity("Add 2 and 3.").overall();
        let hard = complexity(
            "Compare both proofs, explain why the second fails if the series diverges, and then derive a bound that \
             holds for every bounded sequence.",
        )
        .overall();
        assert!(complexity("").overall() == 0.0 && simple > 0.0 && hard > 2.0 * simple && hard < 1.0);
    }
}
