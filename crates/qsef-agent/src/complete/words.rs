//! Words of identifiers and descriptions in one form: lower case, singular.

use std::collections::BTreeSet;

/// Plurals that no rule gives.
const IRREGULAR: &[(&str, &str)] =
    &[("people", "person"), ("children", "child"), ("men", "man"), ("women", "woman"), ("feet", "foot")];

/// Words that end like plurals and are none.
const UNCOUNTED: &[&str] = &["series", "news", "species", "analysis", "status", "bus", "gas", "canvas", "lens"];

/// A word in lower case and singular, as far as its ending tells.
pub(super) fn singular(word: &str) -> String {
    let lower = word.to_lowercase();
    let lower = lower.trim_end_matches("'s").trim_end_matches("’s").trim_end_matches('\'');
    if let Some((_, one)) = IRREGULAR.iter().find(|(many, _)| *many == lower) {
        return (*one).to_owned();
    }
    if UNCOUNTED.contains(&lower) {
        return lower.to_owned();
    }
    let cut = |end: &str, with: &str| lower.strip_suffix(end).map(|root| format!("{root}{with}"));
    // "movies" and "cookies" keep their "ie"; "companies" and "countries" do not.
    let ie = ["movie", "cookie", "calorie", "selfie", "genie", "tie", "pie"];
    if let Some(root) = lower.strip_suffix('s').filter(|root| ie.contains(root)) {
        return root.to_owned();
    }
    if lower.len() > 4 && lower.ends_with("ies") {
        return cut("ies", "y").unwrap_or_default();
    }
    if ["sses", "xes", "ches", "shes"].iter().any(|end| lower.ends_with(end)) {
        return cut("es", "").unwrap_or_default();
    }
    let plural = lower.len() > 3 && lower.ends_with('s') && !["ss", "us", "is"].iter().any(|e| lower.ends_with(e));
    if plural { cut("s", "").unwrap_or_default() } else { lower.to_owned() }
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
        let many = ["people", "movies", "companies", "boxes", "songs", "series", "status", "artist's", "TV"];
        let one = ["person", "movie", "company", "box", "song", "series", "status", "artist", "tv"];
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
