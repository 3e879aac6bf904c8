//! Runs of the hub on scripted parts: order, hand-over of results, limits and failures.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // helpers of tests are test code

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use qsef_agent::{Hub, Registry, RunOptions};
use qsef_core::{
    AnyEmbedder, AnyExpert, AnyModel, Budget, Cost, Effects, Error, Expert, ExpertCall, ExpertProfile, Outcome,
    Payload, Result, Status, Usage,
    test_util::{LetterEmbedder, ScriptedModel},
};
use tokio::sync::Barrier;

type Work = dyn Fn(ExpertCall) -> futures::future::BoxFuture<'static, Result<Outcome>> + Send + Sync;

struct Scripted {
    profile: ExpertProfile,
    work: Box<Work>,
}

impl Expert for Scripted {
    fn profile(&self) -> &ExpertProfile {
        &self.profile
    }
    async fn run(&self, call: ExpertCall) -> Result<Outcome> {
        (self.work)(call).await
    }
}

fn expert<F>(id: &str, work: impl Fn(ExpertCall) -> F + Send + Sync + 'static) -> Scripted
where
    F: Future<Output = Result<Outcome>> + Send + 'static,
{
    let profile = ExpertProfile::new(id, format!("does {id} work"));
    Scripted { profile, work: Box::new(move |call| Box::pin(work(call))) }
}

/// An expert that answers with its id and what it was given.
fn echo(id: &'static str) -> Scripted {
    expert(id, move |call| async move {
        let inputs: Vec<String> = call.inputs.iter().map(|i| i.payload.to_text()).collect();
        Ok(Payload::text(format!("{id}({})", inputs.join(","))).into())
    })
}

/// A hub whose planner answers with these steps: their words, and the numbers of those they use.
async fn hub(steps: &[(&str, &[usize])], experts: Vec<Scripted>, fallback: Option<&str>) -> (Hub, String) {
    let rows: Vec<_> = steps.iter().map(|(task, uses)| serde_json::json!({"task": task, "uses": uses})).collect();
    let model = AnyModel::new(ScriptedModel::answers([serde_json::json!({"steps": rows}).to_string()]));
    let experts = experts.into_iter().map(AnyExpert::new).collect();
    let registry = Registry::new(AnyEmbedder::new(LetterEmbedder), experts, fallback).await.unwrap();
    let request = steps.iter().map(|(task, _)| *task).collect::<Vec<_>>().join("; ");
    (Hub::new(model, registry), request)
}

#[tokio::test]
async fn results_reach_the_subtasks_that_use_them() {
    let steps: &[(&str, &[usize])] = &[("paint work now", &[]), ("count work of it", &[1])];
    let (hub, request) = hub(steps, vec![echo("paint"), echo("count")], None).await;
    let report = hub.run(&request, RunOptions::default()).await.unwrap();
    assert_eq!(report.subtasks[1].output, Some(Payload::text("count(paint())")));
    assert!(report.succeeded() && report.answer.ends_with("count(paint())"), "{}", report.answer);
    assert_eq!(report.by_model.len(), 1);
}

#[tokio::test]
async fn independent_subtasks_run_at_the_same_time() {
    // Each waits for the other: one after the other they would never end.
    let barrier = Arc::new(Barrier::new(2));
    let meet = |id: &str| {
        let barrier = barrier.clone();
        expert(id, move |_| {
            let barrier = barrier.clone();
            async move {
                barrier.wait().await;
                Ok(Payload::text("met").into())
            }
        })
    };
    let (hub, request) =
        hub(&[("paint work now", &[]), ("count work now", &[])], vec![meet("paint"), meet("count")], None).await;
    let run = hub.run(&request, RunOptions::default());
    assert!(tokio::time::timeout(Duration::from_secs(10), run).await.unwrap().unwrap().succeeded());
}

#[tokio::test]
async fn what_changes_something_keeps_the_requests_order() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let acting = |id: &'static str, slow: bool| {
        let log = log.clone();
        let mut acting = expert(id, move |_| {
            let log = log.clone();
            async move {
                tokio::time::sleep(Duration::from_millis(if slow { 50 } else { 0 })).await;
                log.lock().unwrap().push(id);
                Ok(Payload::text("done").into())
            }
        });
        acting.profile.effects = Effects::External;
        acting
    };
    let experts = vec![acting("paint", true), acting("count", false)];
    let (hub, request) = hub(&[("paint work now", &[]), ("count work now", &[])], experts, None).await;
    hub.run(&request, RunOptions::default()).await.unwrap();
    assert_eq!(*log.lock().unwrap(), ["paint", "count"]);
}

#[tokio::test]
async fn a_failure_stops_what_needs_its_result_and_nothing_else() {
    let fails =
        expert("paint", |_| async { Err(Error::Expert { expert: "paint".into(), message: "no brush".into() }) });
    let steps: &[(&str, &[usize])] =
        &[("paint work now", &[]), ("count work of it", &[1]), ("sing work alone today", &[])];
    let (hub, request) = hub(steps, vec![fails, echo("count"), echo("sing")], None).await;
    let report = hub.run(&request, RunOptions::default()).await.unwrap();
    let status: Vec<Status> = report.subtasks.iter().map(|s| s.status).collect();
    assert_eq!(status, [Status::Failed, Status::Skipped, Status::Done]);
    assert!(report.answer.contains("no brush") && !report.succeeded(), "{}", report.answer);
}

#[tokio::test]
async fn what_an_expert_declines_the_fallback_does() {
    let declines =
        expert("paint", |_| async { Err(Error::Declined { expert: "paint".into(), message: "no wall".into() }) });
    let (hub, _) = hub(&[], vec![declines, echo("general")], Some("general")).await;
    let report = hub.run("paint work", RunOptions::default()).await.unwrap();
    assert_eq!((report.subtasks[0].expert.as_str(), report.answer.as_str()), ("general", "general()"));
    assert!(report.subtasks[0].why.contains("no wall") && report.succeeded());
}

#[tokio::test]
async fn a_deadline_ends_the_run_with_what_is_done() {
    let slow = expert("count", |_| async {
        tokio::time::sleep(Duration::from_secs(600)).await;
        Ok(Payload::text("late").into())
    });
    let (hub, request) =
        hub(&[("paint work now", &[]), ("count work now", &[])], vec![echo("paint"), slow], None).await;
    let mut options = RunOptions::default();
    options.budget.time = Some(Duration::from_millis(300));
    let report = hub.run(&request, options).await.unwrap();
    assert!(report.exhausted.as_ref().unwrap().contains("deadline"));
    assert_eq!((report.subtasks[0].status, report.subtasks[1].status), (Status::Done, Status::Skipped));
    assert!(report.answer.contains("paint()"));
}

#[tokio::test]
async fn money_is_not_overspent() {
    let dear = |id: &str| {
        let mut dear = expert(id, |_| async {
            let usage = Usage { prompt_tokens: 900, completion_tokens: 100, ..Usage::default() };
            Ok(Outcome { cost: Cost::of(usage, 10.0), ..Payload::text("dear").into() })
        });
        dear.profile.usd_per_mtok = 10.0;
        dear
    };
    let limited = |usd: f64| {
        let mut options = RunOptions::default();
        options.budget = Budget::default();
        options.budget.usd = Some(usd);
        options
    };
    // Each is expected to cost a cent, and does.
    let steps: &[(&str, &[usize])] = &[("paint work now", &[]), ("count work of it", &[1])];
    let (first, request) = hub(steps, vec![dear("paint"), dear("count")], None).await;
    assert!(matches!(first.run(&request, limited(0.015)).await, Err(Error::Budget(_))));
    let (second, request) = hub(steps, vec![dear("paint"), dear("count")], None).await;
    let report = second.run(&request, limited(0.03)).await.unwrap();
    assert!(report.succeeded() && (report.cost_usd - 0.02).abs() < 1e-9, "{}", report.cost_usd);
    // The cheap one is chosen where the better one is beyond the budget.
    let (third, _) = hub(&[], vec![dear("paint"), echo("count")], None).await;
    assert_eq!(third.run("paint work", limited(0.001)).await.unwrap().subtasks[0].expert, "count");
}

#[tokio::test]
async fn a_plan_alone_runs_nothing() {
    let (hub, request) =
        hub(&[("paint work now", &[]), ("count work of it", &[1])], vec![echo("paint"), echo("count")], None).await;
    let mut options = RunOptions::default();
    options.plan_only = true;
    let report = hub.run(&request, options).await.unwrap();
    assert!(report.answer.is_empty() && report.subtasks.iter().all(|s| s.output.is_none()));
    assert_eq!(report.subtasks[1].expert, "count");
}
