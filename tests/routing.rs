//! The default agent's experts and the tasks that each should get (`data/routes.jsonl`): the real embedder, no language
//! model. These tasks are for development, as those of `planner.rs`.

#![allow(clippy::unwrap_used)] // helpers of tests are test code

use qsef::{AgentConfig, Budget, Models, Plan, Registry, build_experts};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    task: String,
    expert: String,
}

#[tokio::test]
async fn tasks_go_to_the_experts_that_are_for_them() {
    let models = Models::open(|_| {}).unwrap();
    let config = AgentConfig::builtin().unwrap();
    let experts = build_experts(&config, &|name| models.model(name), &|_, _, _| Ok(None)).unwrap();
    let embedder = models.embedder(&config.embedder).await.unwrap();
    let fallback = config.fallback.as_ref().map(|f| f.get_ref().as_str());
    // Without a ledger: what the user's own requests taught must not decide here.
    let registry = Registry::new(embedder, experts, fallback).await.unwrap();
    let cases: Vec<Case> =
        include_str!("data/routes.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut right = 0;
    for case in &cases {
        let assignment = registry.assign(&Plan::single(&case.task), &Budget::default()).await.unwrap().remove(0);
        right += usize::from(assignment.expert == case.expert);
        if assignment.expert != case.expert {
            eprintln!("{} → {}, not {}: {}", case.task, assignment.expert, case.expert, assignment.why);
            for score in assignment.scores.iter().take(3) {
                eprintln!("      {} {}", score.expert, score.explain());
            }
        }
    }
    eprintln!("{right} of {} tasks", cases.len());
    assert!(right * 10 >= cases.len() * 9, "{right} of {}", cases.len());
}
