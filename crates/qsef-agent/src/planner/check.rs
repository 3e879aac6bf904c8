//! What a model's steps have to hold before they are a plan: each in the request's words, none twice, none forgotten.

use std::collections::{BTreeMap, BTreeSet};

use qsef_core::{Plan, Subtask, SubtaskId};
use qsef_score::text::{terms, words};

use super::{Analysis, Step};

/// The least share of a step's telling words that must come from the request.
const GROUNDED: f64 = 0.6;

/// The least share of a clause's telling words that some step must have.
const COVERED: f64 = 0.34;

/// Turns steps into a plan of the request, and says what had to be repaired.
pub(super) fn repair(
    request: &str,
    analysis: &Analysis,
    steps: Vec<Step>,
    examples: Vec<String>,
) -> (Plan, Vec<String>) {
    let mut repairs = Vec::new();
    if steps.is_empty() {
        repairs.push("the model's plan was cut or not valid, so the request was split at its clauses".to_owned());
    }
    let known = Vocabulary::new(request);
    let leaked: BTreeSet<String> =
        examples.iter().flat_map(|e| terms(e)).filter(|t| !known.terms.contains(t)).collect();
    // Step number as the model counts, from 1 → the step kept for it.
    let mut kept_as: BTreeMap<usize, usize> = BTreeMap::new();
    let mut kept: Vec<Step> = Vec::new();
    for (number, mut step) in (1..).zip(steps) {
        step.task = known.in_users_person(step.task.trim().trim_end_matches(['.', '。']));
        let step_terms = terms(&step.task);
        if let Some(twin) = kept.iter().position(|k| same(&k.task, &step.task)) {
            repairs.push(format!("dropped a repetition: {}", step.task));
            kept_as.insert(number, twin + 1);
        } else if step_terms.iter().any(|t| leaked.contains(t)) && known.share(&step_terms) < 1.0 - COVERED {
            repairs.push(format!("dropped a step that came from the prompt's examples: {}", step.task));
        } else if step.task.is_empty() || known.share(&step_terms) < GROUNDED || !known.has_numbers(&step.task) {
            // What the model said in words of its own, the user said in theirs.
            match meant(&step.task, analysis).filter(|c| !kept.iter().any(|k| same(&k.task, c))) {
                Some(clause) => {
                    repairs.push(format!("put back into the request's words: {}", step.task));
                    kept.push(Step { task: clause.to_owned(), uses: step.uses });
                    kept_as.insert(number, kept.len());
                }
                None => repairs.push(format!("dropped a step that the request does not ask for: {}", step.task)),
            }
        } else {
            kept.push(step);
            kept_as.insert(number, kept.len());
        }
    }
    for step in &mut kept {
        step.uses = step.uses.iter().filter_map(|u| kept_as.get(u).copied()).collect();
    }
    drop_fragments(analysis, &mut kept, &mut repairs);
    add_forgotten(analysis, &mut kept, &mut repairs);
    if kept.is_empty() {
        return (Plan::single(request.trim()), repairs);
    }
    (chain(kept), repairs)
}

/// The clause that a step in other words stands for: one with at least half of the step's telling words and numbers.
fn meant<'a>(step: &str, analysis: &'a Analysis) -> Option<&'a str> {
    let telling = |text: &str| terms(text).into_iter().chain(numbers(text)).collect::<BTreeSet<String>>();
    let wanted = telling(step);
    let shared = |clause: &str| telling(clause).intersection(&wanted).count();
    let best = analysis.clauses.iter().max_by_key(|c| shared(c))?;
    (2 * shared(best) >= wanted.len() && !wanted.is_empty()).then_some(best.as_str())
}

/// Drops steps that only repeat a part of another step, unless the request has a clause that begins like them.
fn drop_fragments(analysis: &Analysis, kept: &mut Vec<Step>, repairs: &mut Vec<String>) {
    let opener = |text: &str| words(text).first().map(|w| w.to_lowercase());
    let is_fragment = |steps: &[Step], index: usize| {
        steps.get(index).is_some_and(|step| {
            let own = terms(&step.task);
            let begins_clause = analysis.clauses.iter().any(|c| opener(c) == opener(&step.task));
            let within = |other: &Step| {
                let theirs = terms(&other.task);
                own.len() < theirs.len()
                    && own.is_subset(&theirs)
                    && numbers(&step.task).is_subset(&numbers(&other.task))
            };
            !own.is_empty() && !begins_clause && steps.iter().any(within)
        })
    };
    while let Some(index) = (0..kept.len()).find(|&i| is_fragment(kept, i)) {
        let number = index + 1;
        repairs.push(format!("dropped a part of another step: {}", kept.remove(index).task));
        for step in kept.iter_mut() {
            step.uses.retain(|u| *u != number);
            step.uses.iter_mut().filter(|u| **u > number).for_each(|u| *u -= 1);
        }
    }
}

/// Adds the clauses that no step covers, each after the step that covers the clause before it.
fn add_forgotten(analysis: &Analysis, kept: &mut Vec<Step>, repairs: &mut Vec<String>) {
    let planned = !kept.is_empty();
    for clause in &analysis.clauses {
        let wanted = terms(clause);
        let had: BTreeSet<String> = kept.iter().flat_map(|s| terms(&s.task)).collect();
        let share = wanted.intersection(&had).count() as f64 / wanted.len().max(1) as f64;
        let is_remark = planned && (wanted.len() < 3 || is_subordinate(clause));
        if wanted.is_empty() || share >= COVERED || is_remark {
            continue;
        }
        if planned {
            repairs.push(format!("added a forgotten part of the request: {clause}"));
        }
        kept.push(Step { task: clause.clone(), uses: Vec::new() });
    }
}

/// Whether a clause only says when or why another is to be done.
fn is_subordinate(clause: &str) -> bool {
    const OPENERS: &[&str] = &[
        "after", "once", "when", "while", "if", "before", "as", "to", "because", "since", "until", "so", "but", "my",
        "in", "for", "with", "at", "on",
    ];
    words(clause).first().is_some_and(|w| OPENERS.contains(&w.to_lowercase().as_str()))
}

/// Numbers the steps. Each comes after the one before it, which is the order that the request asks for; the outputs
/// that it uses are those it names, or the one before it where it points back with a word like "it".
fn chain(steps: Vec<Step>) -> Plan {
    let mut subtasks: Vec<Subtask> = Vec::new();
    for (index, step) in steps.into_iter().enumerate() {
        let id: SubtaskId = index + 1;
        let mut uses: BTreeSet<SubtaskId> = step.uses.into_iter().filter(|u| *u < id).collect();
        if uses.is_empty() && index > 0 && points_back(&step.task) {
            uses.insert(index);
        }
        let mut after = uses.clone();
        if index > 0 {
            after.insert(index);
        }
        subtasks.push(Subtask { id, task: step.task, after, uses });
    }
    Plan { subtasks }
}

/// Whether a task refers to a result that it does not contain itself.
pub(crate) fn points_back(task: &str) -> bool {
    const POINTERS: &[&str] = &["it", "its", "them", "result", "results", "those", "these", "answer", "output"];
    words(task).iter().any(|w| POINTERS.contains(&w.to_lowercase().as_str()))
        || ["結果", "结果", "它", "答案"].iter().any(|p| task.contains(p))
}

fn same(a: &str, b: &str) -> bool {
    let (ta, tb) = (terms(a), terms(b));
    !ta.is_empty() && ta == tb && numbers(a) == numbers(b)
}

fn numbers(text: &str) -> BTreeSet<String> {
    let split = text.split(|c: char| !c.is_ascii_digit());
    split.filter(|n| !n.is_empty()).map(str::to_owned).collect()
}

/// The words and numbers of a request.
struct Vocabulary {
    terms: BTreeSet<String>,
    numbers: BTreeSet<String>,
    words: BTreeSet<String>,
}

impl Vocabulary {
    fn new(request: &str) -> Self {
        let words = words(request).into_iter().map(str::to_lowercase).collect();
        Self { terms: terms(request), numbers: numbers(request), words }
    }

    /// The share of terms that the request has; 1 for none, which cannot be judged.
    fn share(&self, terms: &BTreeSet<String>) -> f64 {
        let known = terms.iter().filter(|t| self.terms.contains(*t)).count();
        if terms.is_empty() { 1.0 } else { known as f64 / terms.len() as f64 }
    }

    fn has_numbers(&self, task: &str) -> bool {
        numbers(task).is_subset(&self.numbers)
    }

    /// Small models turn the user's "my" into "your"; the user's own words are wanted.
    fn in_users_person(&self, task: &str) -> String {
        let has = |w: &str| self.words.contains(w);
        let swap = |w: &str| match w {
            "your" if !has("your") && has("my") => Some("my"),
            "yourself" if !has("yourself") && has("myself") => Some("myself"),
            "you" if !has("you") && has("me") => Some("me"),
            _ => None,
        };
        task.split(' ').map(|w| swap(w).unwrap_or(w)).collect::<Vec<_>>().join(" ")
    }
}
