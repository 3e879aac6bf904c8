//! What an expert needs and what it gives, read from its profile.

use std::collections::BTreeSet;

use qsef_core::ExpertProfile;
use serde_json::Value;

use super::words::{of_identifier, singular, singulars, tokens};

/// A kind of thing, by its words in singular and lower case: "log file" is `["log", "file"]`.
pub type Kind = Vec<String>;

/// Words that end a noun phrase.
const ENDS: &[&str] = &[
    "using",
    "use",
    "based",
    "by",
    "with",
    "on",
    "in",
    "for",
    "of",
    "from",
    "that",
    "which",
    "who",
    "and",
    "or",
    "to",
    "at",
    "as",
    "via",
    "is",
    "are",
    "its",
    "their",
    "his",
    "her",
    "if",
    "when",
    "id",
    "ids",
    "currently",
    "being",
    "such",
    "including",
    "given",
    "into",
    "through",
    "eg",
];

/// What a singular thing that must be known is told by.
const ARTICLES: &[&str] = &["a", "an", "one", "any", "each", "the", "this", "another"];

/// Words between an article and its noun that say no more than that it is a known one.
const CHOSEN: &[&str] = &["particular", "specific", "given", "certain", "single", "specified", "selected", "existing"];

/// Prepositions that join what an expert gives to what it needs: "the reviews of a book".
const JOINTS: &[&str] = &["of", "for", "about", "to", "from", "with", "regarding"];

/// Verbs whose object is made or found, not needed.
const MAKING: &[&str] = &[
    "create", "make", "generate", "compose", "build", "start", "write", "open", "send", "search", "find", "discover",
    "produce", "look",
];

/// Verbs of experts that find a thing by what the request says of it.
const FINDING: &[&str] = &["search", "find", "lookup", "query"];

/// Verbs of experts that fetch things which are there, and do not make or measure something of what the request says.
const FETCHING: &[&str] = &[
    "get", "retrieve", "fetch", "obtain", "list", "search", "find", "discover", "look", "lookup", "browse", "show",
    "return", "query", "read", "select", "load",
];

/// Words for whatever there may be.
const ANYTHING: &[&str] = &["item", "thing", "result", "object", "entity", "content"];

/// Words for all that is known of a thing, other things that belong to it included.
const DETAILS: &[&str] = &["detail", "detailed", "information", "info", "profile", "metadata"];

/// What one profile says by itself; which of its words are kinds depends on what others need.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Reading {
    /// What it needs. One of them is enough to say who may come before.
    pub requires: Vec<Kind>,
    /// Its words besides those of what it needs.
    pub gives: BTreeSet<String>,
    /// It finds things by what the request says of them.
    pub finds: bool,
    /// It fetches things that are there, so that others can go on from them.
    pub fetches: bool,
    /// It gives whatever there is.
    pub anything: bool,
    /// It gives all that is known of a thing.
    pub details: bool,
    /// It needs an identifier, which people do not say.
    pub by_id: bool,
}

/// Reads what a profile says: `requires` and `provides` where they are given, else its description, its id and the names of
/// its arguments.
pub(super) fn read(profile: &ExpertProfile) -> Reading {
    let tokens = tokens(&profile.description);
    let id = of_identifier(&profile.id);
    let mut by_id = tokens.iter().any(|t| ["id", "ids", "identifier", "uuid"].contains(&t.as_str()));
    let (mut requires, taken) = needed(&tokens, by_id);
    let arguments: Vec<Kind> = profile.parameters.iter().flat_map(identified).collect();
    by_id |= !arguments.is_empty();
    requires.extend(arguments);
    // A description begins with its verb: "book a flight" gives no book.
    let verb = tokens.first().filter(|first| singular(first) == **first);
    let is_verb = |place: usize, word: &String| place == 0 && Some(word) == verb;
    let told = |i: &usize, word: &String| !taken.contains(i) && !is_verb(*i, word);
    let rest = singulars(tokens.iter().enumerate().filter(|(i, t)| told(i, t)).map(|(_, t)| t));
    if !profile.requires.is_empty() {
        requires = profile.requires.iter().map(|kind| as_kind(kind)).collect();
        by_id = true;
    }
    requires.retain(|kind| !kind.is_empty());
    let own: BTreeSet<&String> = requires.iter().flatten().collect();
    let named = id.iter().enumerate().filter(|(i, word)| !is_verb(*i, word)).map(|(_, word)| word);
    let mut gives: BTreeSet<String> = singulars(named).into_iter().filter(|word| !own.contains(word)).collect();
    gives.extend(rest.iter().cloned());
    let says = |words: &[&str]| {
        words.iter().any(|w| rest.contains(*w) || [&id, &tokens].iter().any(|t| t.iter().any(|i| i == w)))
    };
    let begins = tokens.first().map(|first| singular(first));
    let fetches = begins.is_some_and(|first| FETCHING.contains(&first.as_str())) || !profile.provides.is_empty();
    let (finds, anything, details) = (says(FINDING), says(ANYTHING), says(DETAILS));
    if !profile.provides.is_empty() {
        gives = profile.provides.iter().flat_map(|kind| as_kind(kind)).collect();
    }
    Reading { requires, gives, finds, fetches, anything, details, by_id }
}

/// A kind as people write it: "order id" is an order.
fn as_kind(text: &str) -> Kind {
    let words = text.split_whitespace().filter(|w| !["id", "ids"].contains(&w.to_lowercase().as_str()));
    let words = words.flat_map(of_identifier).map(|w| singular(&w));
    words.filter(|w| !["id", "ids"].contains(&w.as_str())).collect()
}

/// What a description says must be known, and the places of its words: the singular thing after a preposition or with a
/// possessive, and the verb's object where it says "by its ID". What stands out by itself ("the latest book") is not needed.
fn needed(tokens: &[String], by_id: bool) -> (Vec<Kind>, BTreeSet<usize>) {
    let at = |i: usize| tokens.get(i).map_or("", String::as_str);
    let mut found = Vec::new();
    let mut taken = BTreeSet::new();
    let mut add = |start: usize, phrase: &[&str]| {
        found.push(phrase.iter().map(|w| singular(w)).collect());
        taken.extend(start..start + phrase.len());
    };
    for i in (0..tokens.len()).filter(|&i| ARTICLES.contains(&at(i))) {
        let start = (i + 1..).find(|&j| !CHOSEN.contains(&at(j))).unwrap_or(i + 1);
        let phrase = noun_phrase(tokens, start);
        if phrase.is_empty() || phrase.iter().any(|word| stands_out(word)) {
            continue;
        }
        let joined = i > 0 && JOINTS.contains(&at(i - 1));
        let possessive = phrase.last().is_some_and(|w| w.ends_with("'s") || w.ends_with("’s"));
        // "a list of books" is not the thing but the way in which it comes.
        let object = i == 1 && by_id && !MAKING.contains(&at(0)) && at(i) != "the" && at(start + phrase.len()) != "of";
        let chosen = start > i + 1 && at(i) != "the";
        if joined || possessive || object || chosen {
            add(start, &phrase);
        }
    }
    if by_id && found.is_empty() {
        let of = (1..tokens.len()).filter(|&i| ["of", "for", "about"].contains(&at(i - 1)));
        for start in of {
            let phrase = noun_phrase(tokens, start);
            if !phrase.is_empty() {
                found.push(phrase.iter().map(|w| singular(w)).collect());
                taken.extend(start..start + phrase.len());
            }
        }
    }
    (found, taken)
}

/// The words from `start` on that may be one noun, up to a possessive.
fn noun_phrase(tokens: &[String], start: usize) -> Vec<&str> {
    let mut phrase = Vec::new();
    for token in tokens.iter().skip(start).take(4) {
        let is_word = token.chars().next().is_some_and(char::is_alphabetic);
        if !is_word || ENDS.contains(&token.as_str()) {
            break;
        }
        phrase.push(token.as_str());
        if token.ends_with("'s") || token.ends_with("’s") {
            break;
        }
    }
    phrase
}

/// Whether a word picks a thing from all of its kind, so that nobody has to name it.
fn stands_out(word: &str) -> bool {
    let picks =
        ["most", "least", "recent", "recently", "top", "new", "popular", "trending", "upcoming", "current", "last"];
    let first = word.split('-').next().unwrap_or(word);
    picks.contains(&first) || (first.len() > 4 && first.ends_with("est") && first != "request")
}

/// The kinds of the arguments that are named after an id, of a JSON Schema or a list of arguments.
fn identified(parameters: &Value) -> Vec<Kind> {
    let names: Vec<&str> = match parameters {
        Value::Array(list) => list.iter().filter_map(|p| p.get("name")?.as_str()).collect(),
        _ => parameters
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(k, _)| k.as_str())
            .collect(),
    };
    let kind = |name: &str| {
        let words = of_identifier(name);
        let is_id = words.len() > 1 && words.last().is_some_and(|w| w == "id" || w == "ids");
        is_id.then(|| as_kind(name))
    };
    names.into_iter().filter_map(kind).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(id: &str, description: &str) -> Reading {
        read(&ExpertProfile::new(id, description))
    }

    fn needs(id: &str, description: &str) -> Vec<String> {
        reading(id, description).requires.iter().map(|kind| kind.join(" ")).collect()
    }

    #[test]
    fn descriptions_say_what_is_needed() {
        assert_eq!(needs("GetBookReview", "[Review] Retrieve the reviews of a book using its ID."), ["book"]);
        assert_eq!(needs("chapters", "Get an audio book's chapters"), ["audio book"]);
        assert_eq!(needs("delete_note", "Delete a note by its ID"), ["note"]);
        assert_eq!(needs("similar", "Obtain a list of books similar to a particular book based on its ID."), ["book"]);
        assert_eq!(needs("logo", "Fetch the logos of publisher using ID"), ["publisher"]);
        let nothing = [
            ("SearchBook", "Search and find books."),
            ("LatestBook", "Retrieve information about the most recently written book."),
            ("TopBooks", "Obtain a list of the highest-rated books."),
            ("create", "Create a note"),
        ];
        for (id, description) in nothing {
            assert_eq!(needs(id, description), [""; 0], "{id}");
        }
    }

    #[test]
    fn what_else_is_said_is_given() {
        let author = reading("GetAuthorBooks", "Retrieve the works of an author.");
        assert!(author.gives.contains("book") && !author.gives.contains("author"));
        let search = reading("SearchPeople", "Search and find authors");
        assert!(search.finds && search.gives.contains("person") && search.gives.contains("author"));
        assert!(!reading("book_flight", "Book a flight").gives.contains("book"));
        assert!(reading("Trending", "List the trending items").anything);
        assert!(reading("GetBook", "Details about a book using its ID").details);
    }

    #[test]
    fn arguments_named_after_an_id_are_needed() {
        let mut profile = ExpertProfile::new("track", "Play music");
        for parameters in [
            serde_json::json!({"type": "object", "properties": {"trackId": {"type": "string"}, "volume": {"type": "number"}}}),
            serde_json::json!([{"name": "track_ids", "type": "string"}, {"name": "id"}]),
        ] {
            profile.parameters = Some(parameters);
            assert_eq!(read(&profile).requires, [["track"]]);
            assert!(read(&profile).by_id);
        }
    }

    #[test]
    fn what_a_profile_states_holds() {
        let mut profile = ExpertProfile::new("x", "Retrieve the reviews of a book using its ID.");
        profile.requires = vec!["audio book id".into()];
        profile.provides = vec!["critic IDs".into()];
        let reading = read(&profile);
        assert_eq!(reading.requires, [["audio", "book"]]);
        assert_eq!(reading.gives.into_iter().collect::<Vec<_>>(), ["critic"]);
    }
}
