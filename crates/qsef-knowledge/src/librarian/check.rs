//! Whether an answer is in the pieces that it cites. A small model makes things up at times; what it made up is not passed on.

use std::collections::HashSet;

use super::prompt::Said;
use crate::{Hit, search::terms};

/// How much of what an answer says beyond the question has to stand in the pieces.
const LEAST: f64 = 0.5;

/// The answer with numbers of citations, and what is cited; `None` where the model says that nothing answers. Where the answer is
/// not in what it cites, but in another piece, that one is cited; where it is in none, a sentence of the piece is quoted that speaks
/// of what is asked, and without such a sentence there is no answer.
pub(super) fn checked<'a>(question: &str, said: Said, hits: &'a [Hit]) -> Option<(String, Vec<&'a Hit>)> {
    let cited: Vec<&Hit> = said.pieces.iter().filter_map(|number| hits.get(number - 1)).collect();
    let first = *cited.first()?;
    let answer = said.answer.trim();
    if answer.is_empty() {
        return None;
    }
    if stands(answer, question, &cited) >= LEAST {
        let numbers: String = (1..=cited.len()).map(|number| format!("[{number}]")).collect();
        return Some((format!("{answer} {numbers}"), cited));
    }
    let others = hits.iter().map(|hit| (stands(answer, question, &[hit]), hit));
    // Of equals the first: it fits the question best.
    let best = others.rev().max_by(|(a, _), (b, _)| a.total_cmp(b)).filter(|(share, _)| *share >= LEAST);
    match best {
        Some((_, other)) => Some((format!("{answer} [1]"), vec![other])),
        None => Some((format!("“{}” [1]", telling(question, first)?), vec![first])),
    }
}

/// How much of what an answer says beyond the question stands in these pieces, in [0, 1]; 0 where it has a number that they lack.
fn stands(answer: &str, question: &str, pieces: &[&Hit]) -> f64 {
    let material: String = pieces.iter().map(|hit| format!("{}\n{}\n", hit.chunk.heading, hit.chunk.text)).collect();
    let numbers = |text: &str| {
        regex!(r"\d+(?:[.,]\d+)*").find_iter(text).map(|m| m.as_str().replace(',', "")).collect::<HashSet<String>>()
    };
    let known: HashSet<String> = numbers(&material).union(&numbers(question)).cloned().collect();
    if !numbers(answer).is_subset(&known) {
        return 0.0;
    }
    let asked = terms(question);
    let there: HashSet<String> = terms(&material).into_iter().collect();
    let mut beyond = terms(answer);
    beyond.retain(|term| !asked.contains(term));
    // What repeats the question, such as "no", says nothing that could be wrong of the piece.
    let standing = beyond.iter().filter(|term| there.contains(*term)).count();
    if beyond.is_empty() { 1.0 } else { standing as f64 / beyond.len() as f64 }
}

/// The sentence of a piece that has the most of the question's words, where it has most of them.
fn telling(question: &str, hit: &Hit) -> Option<String> {
    let wanted: HashSet<String> = terms(question).into_iter().collect();
    let ends = regex!(r"(?:[.!?]\s+|[。！？]|\n\s*\n)");
    let text = hit.chunk.text.trim();
    let (mut best, mut most, mut begin) = ("", 0, 0);
    for end in ends.find_iter(text).map(|m| m.end()).chain([text.len()]) {
        let sentence = text.get(begin..end).unwrap_or_default().trim();
        begin = end;
        let count = terms(sentence).into_iter().collect::<HashSet<_>>().intersection(&wanted).count();
        if count > most {
            (best, most) = (sentence, count);
        }
    }
    (2 * most > wanted.len()).then(|| best.chars().take(600).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Chunk, Place};

    fn hit(text: &str) -> Hit {
        Hit {
            id: 1,
            source: "a.md".into(),
            chunk: Chunk { place: Place::Lines(1, 1), heading: "Harbour".into(), text: text.into() },
            score: 1.0,
            by_words: Some(1),
            by_meaning: None,
            cosine: None,
        }
    }

    #[test]
    fn what_is_made_up_is_not_passed_on() {
        let hits = [hit("The gate closes at 22:30. Ships wait outside until dawn."), hit("The crane lifts 40 tonnes.")];
        let say = |pieces: &[usize], answer: &str| {
            checked("When does the gate close?", Said { pieces: pieces.to_vec(), answer: answer.into() }, &hits)
        };
        let (text, cited) = say(&[1], "The gate closes at 22:30.").unwrap();
        assert_eq!((text.as_str(), cited.len()), ("The gate closes at 22:30. [1]", 1));
        assert_eq!(say(&[2, 1], "Ships wait until dawn").unwrap().0, "Ships wait until dawn [1][2]");
        let (text, cited) = say(&[2], "Ships wait outside.").unwrap();
        assert_eq!((text.as_str(), cited[0].id), ("Ships wait outside. [1]", hits[0].id));
        // Another number, and words that nobody said.
        for made_up in ["The gate closes at 23:45.", "Elephants enjoy pancakes"] {
            assert_eq!(say(&[1], made_up).unwrap().0, "“The gate closes at 22:30.” [1]");
        }
        assert_eq!((say(&[], "No idea"), say(&[1], " ")), (None, None));
        // The second piece does not speak of the gate, so it is not quoted either.
        assert_eq!(say(&[2], "Elephants enjoy pancakes"), None);
    }
}
