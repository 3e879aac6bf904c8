//! The words of a sentence, and the noun phrases around a place in it, as far as their surface shows them.

/// A word of a sentence, with the mark that follows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word<'a> {
    pub text: &'a str,
    /// Whether a comma or another mark stands behind it.
    pub ends: Option<char>,
}

/// Words that stand in no noun phrase.
const BOUNDARY: &[&str] = &[
    "a",
    "an",
    "the",
    "this",
    "that",
    "these",
    "those",
    "its",
    "their",
    "his",
    "her",
    "our",
    "your",
    "my",
    "each",
    "every",
    "any",
    "some",
    "all",
    "such",
    "both",
    "and",
    "or",
    "but",
    "nor",
    "if",
    "then",
    "than",
    "as",
    "so",
    "because",
    "while",
    "when",
    "where",
    "which",
    "who",
    "whom",
    "whose",
    "what",
    "how",
    "why",
    "of",
    "in",
    "on",
    "at",
    "by",
    "for",
    "from",
    "to",
    "into",
    "onto",
    "with",
    "without",
    "within",
    "over",
    "under",
    "between",
    "through",
    "about",
    "after",
    "before",
    "is",
    "are",
    "was",
    "were",
    "be",
    "been",
    "being",
    "has",
    "have",
    "had",
    "do",
    "does",
    "did",
    "can",
    "could",
    "may",
    "might",
    "must",
    "shall",
    "should",
    "will",
    "would",
    "not",
    "no",
    "it",
    "they",
    "we",
    "you",
    "he",
    "she",
    "i",
    "there",
    "here",
    "also",
    "only",
    "just",
    "very",
    "more",
    "most",
    "less",
    "one",
    "two",
    "other",
    "another",
    "called",
    "named",
    "used",
    "known",
    "using",
    "including",
    "e.g",
    "i.e",
    "per",
    "via",
    "up",
    "out",
    "too",
    "now",
    "still",
    "even",
    "them",
];

pub(super) const DETERMINER: &[&str] =
    &["a", "an", "the", "this", "these", "each", "every", "any", "its", "their", "our", "another", "one"];

const PREPOSITION: &[&str] = &[
    "of", "in", "on", "at", "by", "for", "from", "to", "into", "with", "without", "within", "over", "under", "between",
    "through", "about", "as", "than", "per", "via",
];

const PRONOUN: &[&str] = &["it", "they", "we", "you", "he", "she", "i", "which", "that", "who"];

/// Longest noun phrase, in words.
const LONGEST: usize = 4;

/// The words of a sentence.
pub(super) fn words(sentence: &str) -> Vec<Word<'_>> {
    let mark = |c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '\'' | '+' | '#' | '/' | '.'));
    let split = sentence.split_whitespace().filter_map(|token| {
        let text = token.trim_matches(|c| mark(c) || c == '.');
        let after = token.rsplit(text).next().filter(|_| !text.is_empty()).unwrap_or_default();
        let ends = after.chars().find(|c| matches!(c, ',' | ';' | ':' | ')' | '(' | '—' | '.'));
        (!text.is_empty()).then_some(Word { text, ends })
    });
    split.collect()
}

pub(super) fn is(word: &str, list: &[&str]) -> bool {
    list.iter().any(|w| w.eq_ignore_ascii_case(word))
}

/// The noun phrase that ends before word `end`. `None` where it hangs on a preposition: "the size of the graph is" is about
/// a size.
pub(super) fn before(words: &[Word<'_>], end: usize) -> Option<String> {
    let mut begin = end;
    while begin > 0 && end - begin < LONGEST {
        let word = words.get(begin - 1)?;
        if is(word.text, BOUNDARY) || (begin < end && word.ends.is_some()) {
            break;
        }
        begin -= 1;
    }
    // After a pronoun stands a verb.
    if begin > 0 && end - begin > 1 && words.get(begin - 1).is_some_and(|w| is(w.text, PRONOUN)) {
        begin += 1;
    }
    let mut above = begin;
    if above > 0 && words.get(above - 1).is_some_and(|w| is(w.text, DETERMINER) && w.ends.is_none()) {
        above -= 1;
    }
    if above > 0 && words.get(above - 1).is_some_and(|w| is(w.text, PREPOSITION) && w.ends.is_none()) {
        return None;
    }
    phrase(words.get(begin..end)?)
}

/// The noun phrase that begins at word `begin`, and where it ends.
pub(super) fn after(words: &[Word<'_>], mut begin: usize) -> Option<(String, usize)> {
    while words.get(begin).is_some_and(|w| is(w.text, DETERMINER) && w.ends.is_none()) {
        begin += 1;
    }
    // "a kind of tree" is a tree.
    if words.get(begin).is_some_and(|w| is(w.text, &["kind", "type", "sort", "form", "variety"]))
        && words.get(begin + 1).is_some_and(|w| w.text == "of")
    {
        return after(words, begin + 2);
    }
    let mut end = begin;
    while let Some(word) = words.get(end) {
        let is_verb = end > begin && (word.text.ends_with("ing") || word.text.ends_with("ed"));
        if is(word.text, BOUNDARY) || is_verb || end - begin == LONGEST {
            break;
        }
        end += 1;
        if word.ends.is_some() {
            break;
        }
    }
    Some((phrase(words.get(begin..end)?)?, end))
}

/// The noun phrases of a list, "A, B and C", that begins at a word.
pub(super) fn list(words: &[Word<'_>], mut at: usize) -> Vec<String> {
    let mut items = Vec::new();
    while let Some((item, end)) = after(words, at) {
        items.push(item);
        let comma = words.get(end.saturating_sub(1)).is_some_and(|w| w.ends == Some(','));
        let joined = words.get(end).is_some_and(|w| is(w.text, &["and", "or"]));
        if !(comma || joined) || items.len() == 8 {
            break;
        }
        at = end + usize::from(joined);
    }
    items
}

fn phrase(words: &[Word<'_>]) -> Option<String> {
    let text = words.iter().map(|w| w.text).collect::<Vec<_>>().join(" ");
    let telling = words.iter().any(|w| w.text.chars().filter(|c| c.is_alphabetic()).count() > 1);
    (telling && !words.is_empty()).then_some(text)
}
