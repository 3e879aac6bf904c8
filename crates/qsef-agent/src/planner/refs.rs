//! Which earlier results a task refers to.

use std::collections::BTreeSet;

use qsef_core::{Plan, Subtask, SubtaskId};
use qsef_score::text::{quoted, words};

use super::{
    align::{Aligned, telling},
    clauses::{Clause, own_words},
};

/// Words that stand for something that was said or made before.
const POINTERS: &[&str] = &[
    "it", "its", "it's", "them", "they", "their", "result", "results", "those", "answer", "output", "both", "latter",
    "former",
];

/// The same in Chinese, with the names of what is usually made.
const POINTERS_CJK: &[&str] =
    &["結果", "结果", "它", "答案", "譯文", "译文", "摘要", "總和", "总和", "該", "该", "上述", "前者", "后者"];

/// Numbers the steps. Each comes after the one before it, which is the order that the request asks for; it uses the
/// outputs that its words refer to, and those that the model named, unless it says itself what it is about.
pub(super) fn chain(steps: Vec<Aligned>, clauses: &[Clause]) -> Plan {
    let mut subtasks: Vec<Subtask> = Vec::new();
    let numbers: Vec<Option<usize>> = steps.iter().map(|s| s.number).collect();
    for (index, step) in steps.into_iter().enumerate() {
        let id: SubtaskId = index + 1;
        let place = |number: &usize| numbers.iter().position(|n| n.as_ref() == Some(number)).map(|at| at + 1);
        let mut uses: BTreeSet<SubtaskId> = step.uses.iter().filter_map(place).filter(|u| *u < id).collect();
        let named = refers_to(&step.task, &subtasks);
        // The model may have put a name where the request says "it".
        let mut said = step.clauses.iter().filter_map(|c| clauses.get(*c));
        let points = points_back(&step.task) || named.is_some() || said.any(|c| points_back(&c.text));
        if !points && is_complete(&step.task) {
            uses.clear();
        }
        uses.extend(named);
        if uses.is_empty() && index > 0 && points {
            uses.insert(index);
        }
        let mut after = uses.clone();
        if index > 0 {
            after.insert(index);
        }
        subtasks.push(Subtask::new(id, step.task, after, uses));
    }
    Plan { subtasks }
}

/// Whether a task refers to something that it does not contain itself.
pub(crate) fn points_back(task: &str) -> bool {
    // What material says points at nothing outside of it.
    let task = &own_words(task);
    let words: Vec<String> = words(task).into_iter().map(str::to_lowercase).collect();
    let demonstrative = words.iter().enumerate().any(|(i, word)| {
        let next = words.get(i + 1).map(String::as_str);
        // "how many weeks is that", "if that is so"; not "a function that converts", nor "this text: …".
        match word.as_str() {
            "that" | "this" | "these" => {
                matches!(next, None | Some("is" | "was" | "are" | "to" | "into" | "in" | "by" | "too"))
            }
            "the" => {
                matches!(next, Some("one" | "ones" | "same" | "former" | "latter"))
                    || is_superlative(next, words.get(i + 2))
            }
            _ => false,
        }
    });
    demonstrative
        || words.iter().any(|w| POINTERS.contains(&w.as_str()))
        || POINTERS_CJK.iter().any(|p| task.contains(p))
}

/// "the faster one", "the two largest": a choice among what came before.
fn is_superlative(next: Option<&str>, after: Option<&String>) -> bool {
    const COUNTS: &[&str] = &["two", "three", "four", "five", "top", "first", "last"];
    let compares = |w: &str| w.len() > 4 && (w.ends_with("est") || w.ends_with("er"));
    match (next, after.map(String::as_str)) {
        (Some(word), Some("one" | "ones")) => compares(word),
        (Some(word), Some(after)) => COUNTS.contains(&word) && compares(after),
        _ => false,
    }
}

/// The last earlier subtask that made what the task calls "the translation", "the picture", "this sum".
fn refers_to(task: &str, before: &[Subtask]) -> Option<SubtaskId> {
    let own: Vec<String> = words(&own_words(task)).into_iter().map(str::to_lowercase).collect();
    let nouns = own.windows(2).filter_map(|pair| match pair {
        [article, noun] if matches!(article.as_str(), "the" | "this" | "that" | "these" | "those") => Some(noun),
        _ => None,
    });
    let nouns: Vec<&String> = nouns.filter(|noun| noun.len() > 2).collect();
    let made = |earlier: &Subtask| {
        let theirs: Vec<String> = words(&earlier.task).into_iter().map(str::to_lowercase).collect();
        nouns.iter().any(|noun| {
            theirs.iter().enumerate().any(|(i, word)| {
                // What the earlier one also calls "the …" was there before it.
                let was_there = i.checked_sub(1).and_then(|at| theirs.get(at)).is_some_and(|w| w == "the" || w == "my");
                !was_there && same_root(noun, word)
            })
        })
    };
    before.iter().rfind(|s| made(s)).map(|s| s.id)
}

/// Whether one word is made of the other: "summary" and "summarise", "sum" and "sum", "translation" and "translate".
fn same_root(a: &str, b: &str) -> bool {
    let common = a.chars().zip(b.chars()).take_while(|(x, y)| x == y).count();
    let (shorter, longer) = (a.chars().count().min(b.chars().count()), a.chars().count().max(b.chars().count()));
    a == b || (common >= 5 && common + 4 >= shorter && longer <= common + 6)
}

/// Whether a task says what it is about: by a quotation, a number, something after a colon, or words enough. "Add a
/// docstring" does not.
fn is_complete(task: &str) -> bool {
    !quoted(task).is_empty()
        || task.contains([':', '：'])
        || task.contains(|c: char| c.is_ascii_digit())
        || telling(task).len() > 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_found_and_relative_clauses_are_not() {
        for task in [
            "sort them",
            "how many weeks is that",
            "add up the two largest",
            "convert that into feet",
            "implement the faster one",
        ] {
            assert!(points_back(task), "{task}");
        }
        for task in
            ["write a function that converts miles", "sort these numbers: 3, 1", "explain the theory of evolution"]
        {
            assert!(!points_back(task), "{task}");
        }
    }

    #[test]
    fn results_are_known_by_what_made_them() {
        let before = [("translate 'hi' into Japanese", 1), ("draw a picture of a fox", 2), ("call the doctor", 3)]
            .map(|(task, id)| Subtask::new(id, task, [], []));
        assert_eq!(refers_to("count the words of the translation", &before), Some(1));
        assert_eq!(refers_to("frame the picture", &before), Some(2));
        assert_eq!(refers_to("pay the doctor", &before), None);
        assert_eq!(refers_to("feed the dog", &before), None);
    }
}
