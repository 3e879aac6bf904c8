//! The terms that full text is indexed and searched by.

use qsef_score::text::{is_cjk, stem};
use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

/// Words that tell nothing of a topic, and those that questions are made of.
const STOP: &[&str] = &[
    "a", "about", "am", "an", "and", "any", "are", "as", "at", "be", "been", "but", "by", "can", "could", "d", "did",
    "do", "does", "for", "from", "had", "has", "have", "he", "her", "his", "how", "i", "if", "in", "into", "is", "it",
    "its", "ll", "m", "may", "me", "might", "must", "my", "of", "on", "or", "our", "re", "s", "shall", "she", "should",
    "so", "some", "such", "t", "than", "that", "the", "their", "them", "then", "there", "these", "they", "this",
    "those", "to", "us", "ve", "was", "we", "were", "what", "when", "where", "which", "who", "whom", "whose", "why",
    "will", "with", "would", "you", "your", "please", "tell",
];

/// The most terms of a query: what it says after them, it has said before.
const MOST: usize = 48;

/// The terms of a text in order, as often as they occur: stems, the parts of identifiers, and pairs of neighbouring Chinese
/// characters.
pub(crate) fn terms(text: &str) -> Vec<String> {
    let text: String = if text.is_ascii() { text.to_owned() } else { text.nfkc().collect() };
    let mut terms = Vec::with_capacity(text.len() / 6);
    // The run of Chinese characters that is being read.
    let (mut previous, mut lone) = (None::<(usize, char)>, None::<char>);
    for (at, word) in text.unicode_word_indices() {
        if let Some(c) = word.chars().next().filter(|&c| is_cjk(c)) {
            if previous.is_some_and(|(end, _)| end != at) {
                terms.extend(lone.take().map(String::from));
                previous = None;
            }
            match previous {
                Some((_, p)) => {
                    terms.push([p, c].iter().collect());
                    lone = None;
                }
                None => lone = Some(c),
            }
            // A word may have several of them, such as katakana.
            let mut last = c;
            for next in word.chars().skip(1) {
                terms.push([last, next].iter().collect());
                (last, lone) = (next, None);
            }
            previous = Some((at + word.len(), last));
            continue;
        }
        terms.extend(lone.take().map(String::from));
        previous = None;
        push_word(&mut terms, word);
    }
    terms.extend(lone.map(String::from));
    terms
}

fn push_word(terms: &mut Vec<String>, word: &str) {
    let mut push = |part: &str| {
        let lower = part.to_lowercase();
        if !STOP.contains(&lower.as_str()) {
            terms.push(stem(&lower));
        }
    };
    let mut parts = 0;
    for piece in word.split(|c: char| !c.is_alphanumeric()).filter(|p| !p.is_empty()) {
        parts += 1;
        for hump in humps(piece) {
            if hump.len() < piece.len() {
                parts += 1;
            }
            push(hump);
        }
    }
    // An identifier as a whole, too: it is what tells one from another.
    if parts > 1 && word.chars().any(char::is_alphabetic) {
        let whole: String = word.chars().filter(|c| c.is_alphanumeric()).collect();
        terms.push(whole.to_lowercase());
    }
}

/// The parts of a name such as `camelCaseName`.
fn humps(word: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(word);
    std::iter::from_fn(move || {
        let text = rest?;
        let mut before: Option<char> = None;
        for (at, c) in text.char_indices() {
            if c.is_uppercase() && before.is_some_and(|b| b.is_lowercase() || b.is_numeric()) {
                let (hump, more) = text.split_at_checked(at)?;
                rest = Some(more);
                return Some(hump);
            }
            before = Some(c);
        }
        rest = None;
        Some(text)
    })
}

/// The terms of a query, each once.
pub(super) fn unique(text: &str) -> Vec<String> {
    let mut unique: Vec<String> = Vec::new();
    for term in terms(text) {
        if !unique.contains(&term) && unique.len() < MOST {
            unique.push(term);
        }
    }
    unique
}

/// A query for SQLite's full text: any of these terms. `None` where there are none.
pub(super) fn any_of<'a>(terms: impl Iterator<Item = &'a str>) -> Option<String> {
    // Quoted: a term is a term, whatever it looks like. They have letters and digits only.
    let quoted: Vec<String> = terms.map(|term| format!("\"{term}\"")).collect();
    (!quoted.is_empty()).then(|| quoted.join(" OR "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn english_chinese_and_identifiers() {
        assert_eq!(terms("The graphs of concepts"), ["graph", "concept"]);
        assert_eq!(terms("知识图谱 (2024年)"), ["知识", "识图", "图谱", "2024", "年"]);
        assert_eq!(terms("人"), ["人"]);
        assert_eq!(
            terms("KnowledgeBase::open_default"),
            ["knowledg", "bas", "knowledgebase", "open", "default", "opendefault"]
        );
        assert_eq!(terms("ＡＢＣ"), ["abc"]);
        assert!(terms("what is the …?").is_empty());
    }

    #[test]
    fn a_query_has_no_syntax() {
        let query = |text: &str| any_of(unique(text).iter().map(String::as_str));
        assert_eq!(query("graph\" OR NEAR(x) * -y").unwrap(), "\"graph\" OR \"near\" OR \"x\" OR \"y\"");
        assert_eq!(query("?!"), None);
    }
}
