//! The planner with real models on requests of every kind (`data/requests.jsonl`).
//!
//! These requests are for development: prompts and rules may be tried on them, which the benchmarks must not be.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // helpers of tests are test code

use std::collections::BTreeSet;

use qsef::{Models, Planner, Subtask, score::text::terms};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    request: String,
    steps: Vec<String>,
    uses: Vec<BTreeSet<usize>>,
}

/// Words that carry the topic, and numbers.
fn telling(text: &str) -> BTreeSet<String> {
    let numbers = text.split(|c: char| !c.is_ascii_digit()).filter(|n| !n.is_empty()).map(str::to_owned);
    terms(text).into_iter().chain(numbers).collect()
}

/// Whether a step has the words wanted of it, and no more than the request says.
fn is_right(made: &str, wanted: &str, request: &str) -> bool {
    let (made, wanted) = (telling(made), telling(wanted));
    made.intersection(&wanted).count() * 10 >= wanted.len() * 8 && made.is_subset(&telling(request))
}

/// The subtasks whose results reach one, also through others.
fn reached(subtasks: &[Subtask], id: usize) -> BTreeSet<usize> {
    let direct = &subtasks[id - 1].uses;
    direct.iter().copied().chain(direct.iter().flat_map(|u| reached(subtasks, *u))).collect()
}

/// Shares of requests whose steps are right, and whose steps and uses are.
async fn shares(model: &str) -> (f64, f64) {
    let models = Models::open(|_| {}).unwrap();
    let planner = Planner::new(models.model(model).unwrap());
    let cases: Vec<Case> =
        include_str!("data/requests.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (mut steps, mut both, mut extra) = (0, 0, 0);
    for case in &cases {
        let planned = planner.plan(&case.request).await.unwrap();
        let made = &planned.plan.subtasks;
        let same = made.len() == case.steps.len()
            && made.iter().zip(&case.steps).all(|(m, c)| is_right(&m.task, c, &case.request));
        // What a step needs must reach it; a result more does no harm.
        let uses = same && case.uses.iter().zip(made).all(|(needed, m)| needed.is_subset(&reached(made, m.id)));
        extra +=
            usize::from(same && case.uses.iter().zip(made).any(|(needed, m)| needed.is_empty() && !m.uses.is_empty()));
        steps += usize::from(same);
        both += usize::from(uses);
        if !uses {
            eprintln!("{} {}", if same { "uses " } else { "STEPS" }, case.request);
            for s in made {
                eprintln!("      {} {:?} {}", s.id, s.uses, s.task);
            }
            planned.repairs.iter().for_each(|r| eprintln!("        ({r})"));
        }
    }
    let n = cases.len() as f64;
    eprintln!("{model}: steps right {steps} of {n}, with uses {both}; {extra} use a result that they need not");
    (f64::from(steps as u32) / n, f64::from(both as u32) / n)
}

#[tokio::test]
async fn the_default_model_splits_requests_of_every_kind() {
    let (steps, both) = shares("qwen2.5-coder-1.5b").await;
    assert!(steps >= 0.9 && both >= 0.7, "{steps} {both}");
}

#[tokio::test]
async fn the_small_model_splits_most_of_them() {
    let (steps, _) = shares("qwen2.5-coder-0.5b").await;
    assert!(steps >= 0.7, "{steps}");
}
