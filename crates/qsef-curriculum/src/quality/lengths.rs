//! How long a text may be.

use qsef_score::text::words;

/// The least and the most words of a text; each Chinese character counts as a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lengths {
    /// The fewest words.
    pub least_words: usize,
    /// The most words; 0 for no limit.
    pub most_words: usize,
}

impl Lengths {
    /// Why a text is too short or too long; none where it is neither.
    pub fn refuse(&self, text: &str) -> Option<String> {
        let count = words(text).len();
        if count < self.least_words {
            Some(format!("{}; at least {} are needed", counted(count), self.least_words))
        } else if self.most_words > 0 && count > self.most_words {
            Some(format!("{}; at most {} are taken", counted(count), self.most_words))
        } else {
            None
        }
    }
}

fn counted(count: usize) -> String {
    if count == 1 { "1 word".into() } else { format!("{count} words") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_counted() {
        let lengths = Lengths { least_words: 3, most_words: 5 };
        assert_eq!(lengths.refuse("one two three"), None);
        assert_eq!(lengths.refuse("one"), Some("1 word; at least 3 are needed".into()));
        assert_eq!(lengths.refuse("北京是首都吗"), Some("6 words; at most 5 are taken".into()));
        assert_eq!(Lengths { least_words: 0, most_words: 0 }.refuse(""), None);
    }
}
