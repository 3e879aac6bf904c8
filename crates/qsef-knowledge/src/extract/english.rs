//! What English sentences say of how things are related (after Hearst's patterns, 1992).

use super::{
    Found, IS_A, PART_OF, SAME_AS,
    phrase::{self, Word, is},
};

/// Verbs that relate two things, and the relation.
const VERBS: &[(&str, &str)] = &[
    ("uses", "uses"),
    ("use", "uses"),
    ("requires", "requires"),
    ("require", "requires"),
    ("needs", "requires"),
    ("need", "requires"),
    ("causes", "causes"),
    ("cause", "causes"),
    ("produces", "produces"),
    ("produce", "produces"),
    ("implements", "implements"),
    ("replaces", "replaces"),
    ("supports", "supports"),
    ("treats", "treats"),
    ("extends", "extends"),
];

/// Finds the relations of one sentence.
pub(super) fn read(sentence: &str, found: &mut Found) {
    let words = phrase::words(sentence);
    for at in 0..words.len() {
        relate(&words, at, found);
    }
}

fn text<'a>(words: &[Word<'a>], at: usize) -> &'a str {
    words.get(at).map_or("", |w| w.text)
}

fn relate(words: &[Word<'_>], at: usize, found: &mut Found) {
    let next = text(words, at + 1);
    let closed = |i: usize| words.get(i).is_some_and(|w| w.ends.is_some());
    match text(words, at).to_lowercase().as_str() {
        "is" if is(next, &["a", "an"]) && !closed(at) => {
            if let (Some(what), Some((kind, _))) = (phrase::before(words, at), phrase::after(words, at + 1)) {
                found.relation(&what, IS_A, &kind, 0.7);
            }
        }
        "are" if is(next, &["kinds", "types", "forms"]) && text(words, at + 2) == "of" => {
            if let (Some(what), Some((kind, _))) = (phrase::before(words, at), phrase::after(words, at + 3)) {
                found.relation(&what, IS_A, &kind, 0.8);
            }
        }
        "such" if next == "as" && at > 0 => {
            if let Some(kind) = phrase::before(words, at) {
                phrase::list(words, at + 2).iter().for_each(|item| found.relation(item, IS_A, &kind, 0.8));
            }
        }
        "including" if at > 0 && closed(at - 1) => {
            if let Some(kind) = phrase::before(words, at) {
                phrase::list(words, at + 1).iter().for_each(|item| found.relation(item, IS_A, &kind, 0.5));
            }
        }
        "and" | "or" if next == "other" && at > 0 => {
            if let (Some(item), Some((kind, _))) = (phrase::before(words, at), phrase::after(words, at + 2)) {
                found.relation(&item, IS_A, &kind, 0.7);
            }
        }
        "consists" | "consist" | "composed" | "made" if is(next, &["of", "up"]) => {
            let is_passive = at > 0 && is(text(words, at - 1), &["is", "are"]);
            let begin = at + 2 + usize::from(next == "up");
            if let Some(whole) = phrase::before(words, at - usize::from(is_passive)) {
                phrase::list(words, begin).iter().for_each(|part| found.relation(part, PART_OF, &whole, 0.7));
            }
        }
        "contains" | "comprises" if !closed(at) => {
            if let Some(whole) = phrase::before(words, at) {
                phrase::list(words, at + 1).iter().for_each(|part| found.relation(part, PART_OF, &whole, 0.6));
            }
        }
        "part" if next == "of" && at > 0 => {
            let verb = at - 1 - usize::from(at > 1 && is(text(words, at - 1), &["a"]));
            if is(text(words, verb), &["is", "are"])
                && let (Some(what), Some((whole, _))) = (phrase::before(words, verb), phrase::after(words, at + 2))
            {
                found.relation(&what, PART_OF, &whole, 0.8);
            }
        }
        "depends" | "depend" if next == "on" => {
            if let (Some(what), Some((on, _))) = (phrase::before(words, at), phrase::after(words, at + 2)) {
                found.relation(&what, "requires", &on, 0.6);
            }
        }
        "called" | "known" if at > 0 && text(words, at - 1) == "also" => {
            let begin = at + 1 + usize::from(next == "as");
            let end = if at > 1 && is(text(words, at - 2), &["is", "are"]) { at - 2 } else { at - 1 };
            if let (Some(what), Some((name, _))) = (phrase::before(words, end), phrase::after(words, begin)) {
                found.relation(&what, SAME_AS, &name, 0.8);
            }
        }
        verb => {
            let Some((_, kind)) = VERBS.iter().find(|(v, _)| *v == verb) else { return };
            if closed(at) || at == 0 {
                return;
            }
            if let (Some(what), Some((object, _))) = (phrase::before(words, at), phrase::after(words, at + 1)) {
                found.relation(&what, kind, &object, 0.5);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relations(sentence: &str) -> Vec<String> {
        let mut found = Found::default();
        read(sentence, &mut found);
        found.relations.iter().map(|r| format!("{} {} {}", r.subject, r.kind, r.object)).collect()
    }

    #[test]
    fn sentences_tell_of_relations() {
        for (sentence, expected) in [
            (
                "A knowledge graph is a kind of semantic network that stores facts.",
                vec!["knowledge graph is_a semantic network"],
            ),
            (
                "It stores languages such as Rust, Go and Python in order.",
                vec!["Rust is_a languages", "Go is_a languages", "Python is_a languages"],
            ),
            ("The engine consists of a planner and a router.", vec!["planner part_of engine", "router part_of engine"]),
            ("The wheel is part of the car.", vec!["wheel part_of car"]),
            ("The planner depends on a language model.", vec!["planner requires language model"]),
            ("Aspirin treats headaches.", vec!["Aspirin treats headaches"]),
            ("Acetylsalicylic acid, also known as aspirin, is old.", vec!["Acetylsalicylic acid same_as aspirin"]),
            ("The size of the graph is a number.", vec![]),
            ("It is a pity.", vec![]),
            ("Is a", vec![]),
        ] {
            assert_eq!(relations(sentence), expected, "{sentence}");
        }
    }
}
