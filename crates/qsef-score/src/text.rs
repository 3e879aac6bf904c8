//! Reading a task's surface: its words, its quoted parts, and its head (the action that it asks for).

mod quotes;

use std::collections::BTreeSet;

pub use quotes::{quoted, unquote};
use unicode_segmentation::UnicodeSegmentation;

/// Words that carry no topic.
const STOP: &[&str] = &[
    "a", "an", "the", "my", "your", "his", "her", "our", "their", "me", "you", "us", "them", "this", "that", "it", "i",
    "for", "to", "of", "by", "with", "from", "at", "on", "in", "and", "or", "is", "be", "do", "specific", "please",
    "d", "s", "ll", "m", "ve", "re", "t",
];

/// Words that begin the details of a task, after its action and object.
const DETAILS: &[&str] = &[
    "about",
    "regarding",
    "concerning",
    "for",
    "to",
    "with",
    "from",
    "at",
    "on",
    "in",
    "by",
    "via",
    "using",
    "of",
    "through",
    "into",
    "named",
    "called",
    "titled",
    "that",
    "who",
    "which",
    "after",
    "before",
    "while",
    "as",
];

/// Whether a character belongs to a script that is written without spaces between words.
pub fn is_cjk(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}')
}

/// The words of a text in order; each CJK character counts as a word.
pub fn words(text: &str) -> Vec<&str> {
    text.unicode_words().collect()
}

/// The action of a task and its object: the words outside quotes before its details, at least two and at most six.
/// "send an email to Ann about the meeting" has the head "send an email".
pub fn head(text: &str) -> String {
    let unquoted = unquote(text);
    let mut head = Vec::new();
    for (i, word) in words(&unquoted).into_iter().enumerate() {
        let lower = word.to_lowercase();
        if (i >= 2 && DETAILS.contains(&lower.as_str())) || head.len() == 6 {
            break;
        }
        if word.chars().any(char::is_alphabetic) {
            head.push(word);
        }
    }
    if head.is_empty() || head.iter().all(|w| w.chars().all(is_cjk)) { text.to_owned() } else { head.join(" ") }
}

/// A word without its English inflection, in lower case: enough to match "converts" with "converting".
pub fn stem(word: &str) -> String {
    let lower = word.to_lowercase();
    for suffix in ["ing", "ed", "es", "s", "e"] {
        if let Some(root) = lower.strip_suffix(suffix)
            && root.chars().count() >= 3
        {
            return root.to_owned();
        }
    }
    lower
}

/// The set of terms that a text can be matched by: stems of its words without function words and numbers; pairs of
/// neighbouring characters for CJK text.
pub fn terms(text: &str) -> BTreeSet<String> {
    let spaced = text.replace('_', " ");
    let mut terms = BTreeSet::new();
    let mut previous: Option<char> = None;
    for word in words(&spaced) {
        if let Some(c) = word.chars().next().filter(|&c| is_cjk(c)) {
            if let Some(p) = previous {
                terms.insert([p, c].iter().collect());
            }
            previous = Some(c);
            continue;
        }
        previous = None;
        for piece in word.split(['.', '\'', '’']) {
            let lower = piece.to_lowercase();
            if piece.chars().any(char::is_alphabetic) && !STOP.contains(&lower.as_str()) {
                terms.insert(stem(piece));
            }
        }
    }
    terms
}

/// The pairs of neighbouring words of a text as stems, function words included.
pub fn pairs(text: &str) -> BTreeSet<String> {
    let words: Vec<String> = words(text).into_iter().filter(|w| !w.chars().all(is_cjk)).map(stem).collect();
    words.iter().zip(words.iter().skip(1)).map(|(a, b)| format!("{a} {b}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_is_the_action_without_its_details() {
        assert_eq!(head("send an email to Ann about the meeting"), "send an email");
        assert_eq!(head("translate 'to be or not' into German"), "translate into German");
        assert_eq!(head("把這段文字翻譯成英文"), "把這段文字翻譯成英文");
        assert_eq!(head(""), "");
    }

    #[test]
    fn terms_match_across_inflection_and_in_chinese() {
        assert_eq!(terms("Converts the units"), terms("converting a unit"));
        assert!(terms("計算平均值").contains("平均"));
        assert!(terms("42 7.5 %").is_empty());
        assert_eq!(pairs("Signs me up").into_iter().collect::<Vec<_>>(), ["me up", "sign me"]);
    }
}
