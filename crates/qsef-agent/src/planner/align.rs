//! From the model's steps to subtasks in the request's own words: each step is laid on the clauses that it stands for.
//! What stands for none is dropped, what no step stands for is added.

use std::collections::BTreeSet;

use qsef_score::text::{terms, words};

use super::{
    Step,
    clauses::{Clause, is_detail_of, is_name, is_order, is_statement, is_time, own_words},
};

/// The least share of a step's telling words that the request must have.
const GROUNDED: f64 = 0.6;

/// The least share of a clause's telling words that steps must have for it to be planned.
const COVERED: f64 = 0.34;

/// A step of the plan to be: its words, and the numbers (from 0) of the clauses it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Aligned {
    pub task: String,
    pub clauses: BTreeSet<usize>,
    /// The model's number of the step, from 1; None for what it forgot.
    pub number: Option<usize>,
    /// The steps, as the model counts them, whose results it uses.
    pub uses: Vec<usize>,
}

/// The words of a text that carry its topic, and its numbers.
pub(super) fn telling(text: &str) -> BTreeSet<String> {
    let numbers = text.split(|c: char| !c.is_ascii_digit()).filter(|n| !n.is_empty()).map(str::to_owned);
    terms(text).into_iter().filter(|t| !FILLERS.contains(&t.as_str())).chain(numbers).collect()
}

/// The first word of a text that tells something.
fn first_telling(text: &str) -> BTreeSet<String> {
    let ends = words(text).into_iter().map(|word| word.as_ptr() as usize - text.as_ptr() as usize + word.len());
    ends.filter_map(|end| text.get(..end)).map(telling).find(|first| !first.is_empty()).unwrap_or_default()
}

/// Stems of words that ask, count or link, and so tell no step from another.
const FILLERS: &[&str] = &[
    "what", "who", "how", "which", "why", "when", "wher", "many", "much", "ar", "doe", "did", "was", "wer", "hav",
    "ha", "had", "giv", "tell", "let", "need", "want", "lik", "would", "could", "can", "will", "should", "then",
    "also", "just", "som", "any", "first", "next", "final", "finally", "now", "so", "if", "after", "befor", "onc",
    "whil", "out", "up", "do", "calculat", "mak", "get", "find",
];

pub(super) struct Alignment<'a> {
    request: &'a str,
    clauses: &'a [Clause],
    /// The telling words of each clause.
    of_clause: Vec<BTreeSet<String>>,
    of_request: BTreeSet<String>,
    /// Those of the request that stand outside of its material.
    of_plain: BTreeSet<String>,
    person: Person,
    pub repairs: Vec<String>,
}

impl<'a> Alignment<'a> {
    pub fn new(request: &'a str, clauses: &'a [Clause]) -> Self {
        Self {
            request,
            clauses,
            of_clause: clauses.iter().map(|c| telling(&c.text)).collect(),
            of_request: telling(request),
            of_plain: telling(&own_words(request)),
            person: Person::of(request),
            repairs: Vec::new(),
        }
    }

    /// The steps that stand for something in the request, in its words and in its order.
    pub fn align(&mut self, steps: Vec<Step>) -> Vec<Aligned> {
        let mut kept: Vec<Aligned> = Vec::new();
        let mut claimed = BTreeSet::new();
        for (number, step) in (1..).zip(steps) {
            if step.task.is_empty() {
                continue;
            }
            let task = self.person.swap(step.task.trim().trim_end_matches(['.', '。']));
            let own = telling(&task);
            let known: BTreeSet<String> = own.intersection(&self.of_request).cloned().collect();
            let owned = |c: usize| kept.iter().any(|k| k.clauses.contains(&c));
            let Some(best) = self.best_clause(&known, &owned) else {
                self.repairs.push(format!("dropped a step that the request does not ask for: {task}"));
                continue;
            };
            if self.is_of_material(&task, &known, best) {
                self.repairs.push(format!("dropped what the request only quotes: {task}"));
                continue;
            }
            let share = known.len() as f64 / own.len().max(1) as f64;
            let mut owned_clauses = self.clauses.iter().enumerate().filter(|(i, _)| owned(*i));
            let is_detail = owned_clauses.any(|(_, c)| is_detail_of(&task, &c.text));
            // "I live in Lyon" asks for nothing, whatever a model makes of it.
            let only_tells = self.clauses.get(best).zip(self.of_clause.get(best));
            if only_tells.is_some_and(|(clause, words)| is_statement(clause) && own.is_subset(words)) {
                self.repairs.push(format!("dropped what the request only tells: {task}"));
            } else if is_detail {
                self.repairs.push(format!("dropped a detail of another step: {task}"));
            } else if share < GROUNDED && owned(best) {
                self.repairs.push(format!("dropped a step that the request does not ask for: {task}"));
            } else if known.is_subset(&claimed) && owned(best) {
                self.repairs.push(format!("dropped a repetition: {task}"));
            } else {
                let mut clauses = BTreeSet::from([best]);
                let whole = |(i, c): &(usize, &BTreeSet<String>)| !owned(*i) && self.asks(*i) && is_whole(c, &known);
                let others = (0..).zip(&self.of_clause).filter(whole);
                clauses.extend(others.map(|(i, _)| i));
                claimed.extend(known);
                kept.push(Aligned { task, clauses: run_around(best, &clauses), number: Some(number), uses: step.uses });
            }
        }
        self.drop_fragments(&mut kept);
        if kept.is_empty() {
            self.repairs.push("the model's plan is of no use: the request is split at its clauses".to_owned());
        }
        self.split_orders(&mut kept);
        self.add_forgotten(&mut kept);
        self.restore_words(&mut kept);
        self.in_order(&mut kept);
        kept.dedup_by(|b, a| a.task == b.task && a.clauses == b.clauses);
        kept
    }

    /// Whether what a step is to do is said in the request's material: its first telling word stands there alone, or it begins
    /// otherwise than its clause and most of it stands there. A text that is to be worked on gives no orders.
    fn is_of_material(&self, task: &str, known: &BTreeSet<String>, clause: usize) -> bool {
        let first = first_telling(task);
        let own = first_telling(&self.clauses.get(clause).map_or_else(String::new, |c| own_words(&c.text)));
        let outside = known.intersection(&self.of_plain).count();
        !first.is_empty() && first.is_subset(&self.of_request) && first.is_disjoint(&self.of_plain)
            || first != own && known.len() > 2 * outside
    }

    /// Drops steps that only repeat a part of another step for the same clause.
    fn drop_fragments(&mut self, kept: &mut Vec<Aligned>) {
        let of_step: Vec<BTreeSet<String>> = kept.iter().map(|k| telling(&k.task)).collect();
        let is_fragment = |index: usize| {
            let (Some(own), Some(step)) = (of_step.get(index), kept.get(index)) else { return false };
            let mut others = kept.iter().zip(&of_step).enumerate().filter(|(i, _)| *i != index);
            others.any(|(_, (k, theirs))| {
                !k.clauses.is_disjoint(&step.clauses) && own.len() < theirs.len() && own.is_subset(theirs)
            })
        };
        let fragments: Vec<usize> = (0..kept.len()).filter(|&i| is_fragment(i)).collect();
        for index in fragments.into_iter().rev() {
            self.repairs.push(format!("dropped a part of another step: {}", kept.remove(index).task));
        }
    }

    /// The clause with most of the words. One that asks, is there as a whole and has no step yet comes first, and of equals
    /// the one that the request says first.
    fn best_clause(&self, known: &BTreeSet<String>, owned: &dyn Fn(usize) -> bool) -> Option<usize> {
        let shared = |i: usize| self.of_clause.get(i).map_or(0, |c| c.intersection(known).count());
        let whole = |i: usize| self.asks(i) && self.of_clause.get(i).is_some_and(|c| is_whole(c, known));
        (0..self.of_clause.len())
            .filter(|&i| shared(i) > 0)
            .max_by_key(|&i| (whole(i) && !owned(i), shared(i), !owned(i), std::cmp::Reverse(i)))
    }

    /// Whether a clause asks for something, and not only tells something.
    fn asks(&self, clause: usize) -> bool {
        self.clauses.get(clause).is_some_and(|c| !is_statement(c))
    }

    /// Gives the clauses that no step stands for to new steps, or to their neighbours.
    fn add_forgotten(&mut self, kept: &mut Vec<Aligned>) {
        let planned = !kept.is_empty();
        let had: BTreeSet<String> = kept.iter().flat_map(|k| telling(&k.task)).collect();
        for (index, (clause, wanted)) in self.clauses.iter().zip(&self.of_clause).enumerate() {
            let share = wanted.intersection(&had).count() as f64 / wanted.len().max(1) as f64;
            if kept.iter().any(|k| k.clauses.contains(&index)) || wanted.is_empty() || share >= COVERED {
                continue;
            }
            let before = index.checked_sub(1).and_then(|b| kept.iter_mut().rfind(|k| k.clauses.contains(&b)));
            match before {
                // More of what the step before is about: a further thing to do it with, or the text it is to work on.
                Some(before) if is_name(clause) => {
                    before.clauses.insert(index);
                }
                Some(before) if is_statement(clause) && self.has_material(&before.clauses) => {
                    before.clauses.insert(index);
                }
                _ if planned && (is_statement(clause) || is_time(&clause.text) || wanted.len() < 2) => {}
                _ => {
                    if planned {
                        self.repairs.push(format!("added a forgotten part of the request: {}", clause.text));
                    }
                    let task = clause.text.clone();
                    kept.push(Aligned { task, clauses: [index].into(), number: None, uses: Vec::new() });
                }
            }
        }
    }

    /// Whether the clauses bring the text that is to be worked on, after a colon.
    fn has_material(&self, clauses: &BTreeSet<usize>) -> bool {
        clauses.iter().filter_map(|c| self.clauses.get(*c)).any(|c| c.text.contains(": ") || c.text.contains('：'))
    }

    /// Replaces a step by its place in the request where it left out or changed some of its words.
    fn restore_words(&mut self, kept: &mut [Aligned]) {
        for index in 0..kept.len() {
            let Some(step) = kept.get(index) else { continue };
            let (own, others) = (telling(&step.task), kept.iter().enumerate().filter(|(i, _)| *i != index));
            let elsewhere: BTreeSet<String> = others.flat_map(|(_, k)| telling(&k.task)).collect();
            let said: BTreeSet<&String> =
                step.clauses.iter().filter_map(|c| self.of_clause.get(*c)).flatten().collect();
            let shared = kept.iter().enumerate().any(|(i, k)| i != index && !k.clauses.is_disjoint(&step.clauses));
            let missing = said.iter().any(|t| !(own.contains(*t) || shared && elsewhere.contains(*t)));
            let strange = !own.iter().all(|t| said.contains(t)) && !shared;
            let place = place(self.request, self.clauses, &step.clauses);
            if let Some(place) = place.filter(|p| (missing || strange) && *p != step.task)
                && let Some(step) = kept.get_mut(index)
            {
                self.repairs.push(format!("put back into the request's words: {}", step.task));
                step.task = place;
            }
        }
    }

    /// Splits a step that stands for several clauses at those that are orders of their own.
    fn split_orders(&mut self, kept: &mut Vec<Aligned>) {
        let mut index = 0;
        while let Some(step) = kept.get_mut(index) {
            index += 1;
            let is_own = |c: &usize| self.clauses.get(*c).is_some_and(|c| is_order(&c.text));
            let Some(at) = step.clauses.iter().copied().skip(1).find(is_own) else { continue };
            let rest = step.clauses.split_off(&at);
            self.repairs.push(format!("split a step that asks for several things: {}", step.task));
            let text = |clauses: &BTreeSet<usize>| place(self.request, self.clauses, clauses).unwrap_or_default();
            step.task = text(&step.clauses);
            if is_time(&step.task) {
                // What only says when something is to be done is no step.
                (step.task, step.clauses) = (text(&rest), rest);
                index -= 1;
            } else {
                kept.insert(index, Aligned { task: text(&rest), clauses: rest, number: None, uses: Vec::new() });
            }
        }
    }

    /// Puts the steps into the order in which the request wants them done: that of its words, but for "before" and
    /// "after", which turn it round.
    fn in_order(&self, kept: &mut [Aligned]) {
        kept.sort_by_key(|k| k.clauses.first().copied());
        for (index, clause) in self.clauses.iter().enumerate() {
            let owner = |kept: &[Aligned], clause: usize| kept.iter().position(|k| k.clauses.contains(&clause));
            let begins =
                |word: &str| clause.lead.trim_start().starts_with(word) || clause.text.to_lowercase().starts_with(word);
            if clause.begins_sentence && (begins("before") || begins("prior to")) {
                let Some(main) = owner(kept, index + 1) else { continue };
                match owner(kept, index) {
                    // "Before you do B, do A."
                    Some(own) if own < main => kept.get_mut(own..=main).unwrap_or_default().rotate_left(1),
                    Some(_) => {}
                    // "Do B. Before that, do A."
                    None => {
                        let wanted = self.of_clause.get(index);
                        let names =
                            |k: &Aligned| wanted.is_some_and(|w| w.is_empty() || w.is_subset(&telling(&k.task)));
                        if let Some(named) = kept.get(..main).unwrap_or_default().iter().rposition(names) {
                            kept.get_mut(named..=main).unwrap_or_default().rotate_right(1);
                        }
                    }
                }
            } else if clause.lead.starts_with(" after ") {
                // "Do B after A."
                let ends = index.checked_sub(1).and_then(|before| owner(kept, before)).zip(owner(kept, index));
                if let Some((first, own)) = ends.filter(|(first, own)| first < own) {
                    kept.get_mut(first..=own).unwrap_or_default().rotate_right(1);
                }
            }
        }
    }
}

/// The request from the first to the last of these clauses.
fn place(request: &str, clauses: &[Clause], of: &BTreeSet<usize>) -> Option<String> {
    let (first, last) = (clauses.get(*of.first()?)?, clauses.get(*of.last()?)?);
    request.get(first.place.start..last.place.end).map(str::to_owned)
}

/// Whether most of a clause's telling words are known.
fn is_whole(clause: &BTreeSet<String>, known: &BTreeSet<String>) -> bool {
    !clause.is_empty() && clause.intersection(known).count() as f64 / clause.len() as f64 >= GROUNDED
}

/// The clauses next to `best` without a gap.
fn run_around(best: usize, clauses: &BTreeSet<usize>) -> BTreeSet<usize> {
    let down = (0..best).rev().take_while(|i| clauses.contains(i));
    let up = (best + 1..).take_while(|i| clauses.contains(i));
    down.chain(up).chain([best]).collect()
}

/// Small models turn the user's "my" into "your"; the user's own words are wanted.
struct Person {
    my: bool,
    me: bool,
    myself: bool,
}

impl Person {
    fn of(request: &str) -> Self {
        let words: BTreeSet<String> = words(request).into_iter().map(str::to_lowercase).collect();
        let swaps = |mine: &str, yours: &str| words.contains(mine) && !words.contains(yours);
        Self { my: swaps("my", "your"), me: swaps("me", "you"), myself: swaps("myself", "yourself") }
    }

    fn swap(&self, task: &str) -> String {
        let swap = |word: &'_ str| match word {
            "your" if self.my => "my".to_owned(),
            "you" if self.me => "me".to_owned(),
            "yourself" if self.myself => "myself".to_owned(),
            other => other.to_owned(),
        };
        task.split(' ').map(swap).collect::<Vec<_>>().join(" ")
    }
}
