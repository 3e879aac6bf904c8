//! What makes two names one.

use std::{cell::RefCell, collections::HashMap};

use unicode_normalization::UnicodeNormalization;

/// Words before a name that are no part of it.
const DETERMINERS: &[&str] = &[
    "a", "an", "the", "this", "that", "these", "those", "its", "their", "his", "her", "our", "your", "my", "each",
    "every", "any", "some", "all", "such", "many", "most", "several", "another", "other", "one",
];

/// Longest name, in characters.
const LONGEST: usize = 80;

/// The key that names of one concept have in common: case, width, articles, and the plural of the last word do not count.
/// Empty for what is no name.
pub(crate) fn normalise(name: &str) -> String {
    let name: String = name.nfkc().flat_map(char::to_lowercase).collect();
    let spaced = name.replace(['_', '\u{a0}'], " ");
    let edge = |c: char| !c.is_alphanumeric() && !matches!(c, '+' | '#');
    let mut words: Vec<&str> =
        spaced.split_whitespace().map(|w| w.trim_matches(edge)).filter(|w| !w.is_empty()).collect();
    while words.len() > 1 && words.first().is_some_and(|w| DETERMINERS.contains(w)) {
        words.remove(0);
    }
    let Some(last) = words.pop() else { return String::new() };
    let mut key = words.join(" ");
    if !key.is_empty() {
        key.push(' ');
    }
    key.push_str(&singular(last));
    if key.chars().count() > LONGEST || !key.contains(char::is_alphabetic) { String::new() } else { key }
}

/// The name as it is shown: without what is no part of it.
pub(crate) fn shown(name: &str) -> String {
    let mut words: Vec<&str> = name.split_whitespace().collect();
    while words.len() > 1 && words.first().is_some_and(|w| DETERMINERS.contains(&w.to_lowercase().as_str())) {
        words.remove(0);
    }
    words.join(" ").trim_matches(|c: char| !c.is_alphanumeric() && !matches!(c, '+' | '#' | ')' | '(')).to_owned()
}

fn singular(word: &str) -> String {
    if word.len() < 4 || !word.ends_with('s') || word.ends_with("ss") || !word.bytes().all(|b| b.is_ascii_lowercase()) {
        return word.to_owned();
    }
    thread_local! {
        // The rules are dozens of patterns; the words of documents recur.
        static KNOWN: RefCell<HashMap<String, String>> = RefCell::default();
    }
    KNOWN.with_borrow_mut(|known| {
        if let Some(singular) = known.get(word) {
            return singular.clone();
        }
        let singular = pluralizer::pluralize(word, 1, false);
        if known.len() < 100_000 {
            known.insert(word.to_owned(), singular.clone());
        }
        singular
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_thing_have_one_key() {
        for (a, b) in [
            ("The Knowledge Graphs", "knowledge graph"),
            ("knowledge_graph", "Knowledge  graph"),
            ("“queries”", "query"),
            ("知识图谱", "「知识图谱」"),
            ("ＡＰＩ", "api"),
        ] {
            assert_eq!(normalise(a), normalise(b));
        }
        assert_ne!(normalise("C"), normalise("C++"));
        assert_eq!(normalise("class"), "class");
        assert_eq!((normalise("…"), normalise("42"), normalise(&"x".repeat(99))), Default::default());
        assert_eq!(shown("the Knowledge Base,"), "Knowledge Base");
    }
}
