//! By rules: the paper's semantic simplification (section 3.2) where no larger model writes it.

use std::collections::HashSet;

/// Openings that carry no meaning for a request, longest first where one begins another.
const OPENINGS: [&str; 34] = [
    "can you please",
    "could you please",
    "would you please",
    "will you please",
    "can you tell me",
    "could you tell me",
    "can you",
    "could you",
    "would you",
    "will you",
    "please tell me",
    "tell me",
    "please",
    "i would like to know",
    "i would like you to",
    "i would like to",
    "i'd like to know",
    "i'd like you to",
    "i'd like to",
    "i want to know",
    "i want you to",
    "i want to",
    "i need to know",
    "i need you to",
    "i need to",
    "do you know",
    "let me know",
    "i am trying to",
    "i'm trying to",
    "help me",
    "i was wondering",
    "i wonder",
    "go ahead and",
    "hey",
];

/// Words that say little by themselves. Question words and negations stay: they tell requests apart.
pub(crate) const EMPTY: [&str; 40] = [
    "a", "an", "the", "of", "to", "for", "in", "on", "at", "with", "and", "or", "that", "this", "is", "are", "am",
    "be", "been", "it", "its", "i", "i'm", "im", "me", "my", "you", "your", "we", "our", "so", "just", "some", "there",
    "please", "as", "by", "from", "would", "like",
];

/// A text without its courtesies, and of its content words alone: what differs from the text and from each other, and has at least two
/// words.
pub fn simpler(text: &str) -> Vec<String> {
    let mut plain = text.trim();
    while let Some(rest) = OPENINGS.iter().find_map(|opening| {
        let rest = plain.strip_prefix(opening)?;
        rest.starts_with([' ', ',']).then(|| rest.trim_start_matches([' ', ',']))
    }) {
        plain = rest;
    }
    let plain = plain.trim_end_matches(" please").trim_end_matches(" for me").to_owned();
    let words: Vec<&str> = plain.split_whitespace().filter(|word| !EMPTY.contains(word)).collect();
    let mut seen = HashSet::from([text.to_owned()]);
    [plain.clone(), words.join(" ")]
        .into_iter()
        .filter(|variant| variant.split_whitespace().count() >= 2 && seen.insert(variant.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn courtesies_and_empty_words_go() {
        assert_eq!(
            simpler("could you please tell me the balance of my account"),
            ["the balance of my account", "balance account"]
        );
        assert_eq!(simpler("what is not covered"), ["what not covered"]);
        assert_eq!(simpler("track package"), Vec::<String>::new());
        assert_eq!(simpler("cancel it"), Vec::<String>::new());
        assert_eq!(simpler("pleased to meet you"), ["pleased meet"]);
    }
}
