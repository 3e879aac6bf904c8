//! Words of identifiers and descriptions in one form: lower case, singular.

use std::collections::BTreeSet;

/// A word in lower case and singular.
pub(super) fn singular(word: &str) -> String {
    let lower = word.to_lowercase();
    let bare = lower.trim_end_matches("'s").trim_end_matches("’s").trim_end_matches('\'');
    pluralizer::pluralize(bare, 1, false)
}

/// The words of an identifier such as `GetUserName`, `get_user_name` or `userID`, in lower case as they are spelt.
pub(super) fn of_identifier(id: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let chars: Vec<char> = id.chars().collect();
    let mut word = String::new();
    for (i, &c) in chars.iter().enumerate() {
        let before = i.checked_sub(1).and_then(|b| chars.get(b));
        let after = chars.get(i + 1);
        let begins = c.is_uppercase()
            && (before.is_some_and(|b| b.is_lowercase() || b.is_numeric())
                || (before.is_some_and(|b| b.is_uppercase()) && after.is_some_and(|a| a.is_lowercase())));
        if (begins || !c.is_alphabetic()) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if c.is_alphabetic() {
            word.extend(c.to_lowercase());
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// The words and marks of a description, in lower case; what stands in square brackets is left out: it labels.
pub(super) fn tokens(description: &str) -> Vec<String> {
    let plain = regex!(r"\[[^\]]*\]").replace_all(description, " ").to_lowercase();
    regex!(r"[\p{L}\p{N}][\p{L}\p{N}'’-]*|[().,;:]").find_iter(&plain).map(|m| m.as_str().to_owned()).collect()
}

/// The kinds of thing that a text may name: its words in singular.
pub(super) fn singulars<'a>(words: impl IntoIterator<Item = &'a String>) -> BTreeSet<String> {
    words.into_iter().map(|w| singular(w)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_brought_into_one_form() {
        let many =
            ["people", "cookies", "companies", "boxes", "roads", "series", "status", "driver's", "URL", "addresses"];
        let one = ["person", "cookie", "company", "box", "road", "series", "status", "driver", "url", "address"];
        assert_eq!(many.map(singular), one);
    }

    #[test]
    fn identifiers_fall_into_words() {
        assert_eq!(of_identifier("GetUserName"), ["get", "user", "name"]);
        assert_eq!(of_identifier("search_HTMLPage2"), ["search", "html", "page"]);
        assert_eq!(of_identifier("userID"), ["user", "id"]);
        assert!(of_identifier("42").is_empty());
    }

    #[test]
    fn labels_are_left_out() {
        assert_eq!(tokens("[Book] Get a book's title, quickly."), ["get", "a", "book's", "title", ",", "quickly", "."]);
    }
}
