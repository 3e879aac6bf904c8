//! Several experts on one subtask.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // helpers of tests are test code

mod support;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use qsef_agent::{
    Hub, Ledger, Registry, RunOptions, RunReport,
    ledger::OutcomeKind,
    run::{Integration, Method, Step, replay},
};
use qsef_core::{
    AnyEmbedder, AnyExpert, AnyModel, Budget, Cost, Effects, Error, Event, EventSink, Format, Outcome, Payload, Usage,
    test_util::{LetterEmbedder, ScriptedModel},
};
use support::{Scripted, expert};

/// An expert that counts, and says this.
fn says(id: &'static str, text: &'static str) -> Scripted {
    let mut says = expert(id, move |_| async move {
        let usage = Usage { prompt_tokens: 900, completion_tokens: 100, ..Usage::default() };
        let payload = Payload::string(text, Format::Number);
        Ok(Outcome { cost: Cost::of(usage, 1.0), ..payload.into() })
    });
    says.profile.description = "does count work".into();
    says.profile.usd_per_mtok = 1.0;
    says
}

fn fails(id: &'static str) -> Scripted {
    let mut fails =
        expert(id, move |_| async move { Err(Error::Expert { expert: id.into(), message: "no abacus".into() }) });
    fails.profile.description = "does count work".into();
    fails
}

async fn hub(experts: Vec<Scripted>) -> Hub {
    let model = AnyModel::new(ScriptedModel::answers(["12 in all"]));
    let experts = experts.into_iter().map(AnyExpert::new).collect();
    Hub::new(model, Registry::new(AnyEmbedder::new(LetterEmbedder), experts, None).await.unwrap())
}

fn options(method: Method) -> (RunOptions, Arc<Mutex<Vec<String>>>) {
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let told = warnings.clone();
    let mut options = RunOptions::default();
    options.committee = Some(Integration { size: 3, method });
    options.events = EventSink::new(move |event| {
        if let Event::Warning { message } = event {
            told.lock().unwrap().push(message);
        }
    });
    (options, warnings)
}

async fn ask(experts: Vec<Scripted>, method: Method) -> (RunReport, Vec<String>) {
    let (options, warnings) = options(method);
    let report = hub(experts).await.run("count work", options).await.unwrap();
    let warnings = warnings.lock().unwrap().clone();
    (report, warnings)
}

#[tokio::test]
async fn most_of_the_weight_decides_and_disagreement_is_told() {
    let experts = vec![says("count", "11"), says("counta", "12"), says("countb", "12"), says("countzzz", "7")];
    let (report, warnings) = ask(experts, Method::Vote).await;
    let subtask = &report.subtasks[0];
    assert_eq!((report.answer.as_str(), subtask.committee.len()), ("12", 3), "{report:?}");
    let agreement = subtask.agreement.unwrap();
    assert!(agreement > 0.6 && agreement < 0.75, "{agreement}");
    assert!(warnings.iter().any(|w| w.contains("disagree")), "{warnings:?}");
    // Three were paid.
    assert!((report.cost_usd - 0.003).abs() < 1e-9, "{}", report.cost_usd);
    let (report, warnings) = ask(vec![says("count", "12"), says("counta", "12.")], Method::Vote).await;
    assert_eq!((report.answer.as_str(), report.subtasks[0].agreement, warnings.len()), ("12", Some(1.0), 0));
}

#[tokio::test]
async fn numbers_have_a_mean_and_a_model_writes_one_text_of_several() {
    let (report, _) =
        ask(vec![says("count", "10 km"), says("counta", "10 km"), says("countb", "13 km")], Method::Mean).await;
    let mean: f64 = report.answer.strip_suffix(" km").unwrap().parse().unwrap();
    assert!(mean > 10.5 && mean < 11.5, "{mean}");
    let (report, _) = ask(vec![says("count", "10 km"), says("counta", "12 miles")], Method::Mean).await;
    assert_eq!(report.answer, "10 km", "a vote where units differ");
    let (report, _) = ask(vec![says("count", "11"), says("counta", "13")], Method::Synthesis).await;
    assert_eq!((report.answer.as_str(), report.by_model["scripted"].completion_tokens), ("12 in all", 3));
    // What all agree on costs no model call.
    let (report, _) = ask(vec![says("count", "11"), says("counta", "11")], Method::Synthesis).await;
    assert_eq!((report.answer.as_str(), report.by_model.len()), ("11", 0));
}

#[tokio::test]
async fn a_member_that_fails_is_missed_and_when_all_fail_another_takes_over() {
    let (report, _) = ask(vec![fails("count"), says("counta", "12")], Method::Vote).await;
    assert!(report.succeeded() && report.answer == "12", "{report:?}");
    assert_eq!(report.subtasks[0].committee.iter().filter(|(_, output)| output.is_none()).count(), 1);
    let (report, _) = ask(vec![fails("count"), fails("counta")], Method::Vote).await;
    assert!(!report.succeeded() && report.answer.contains("no abacus"), "{}", report.answer);
}

#[tokio::test]
async fn what_changes_the_world_is_done_by_one() {
    let mut acts = says("count", "11");
    acts.profile.effects = Effects::External;
    let (report, _) = ask(vec![acts, says("counta", "12"), says("countb", "12")], Method::Vote).await;
    assert!(report.subtasks[0].committee.iter().all(|(id, _)| id != "count"), "{report:?}");
}

#[tokio::test]
async fn a_budget_seats_fewer() {
    let hub = hub(vec![says("count", "11"), says("counta", "12"), says("countb", "12")]).await;
    let (mut options, _) = options(Method::Vote);
    options.budget = Budget::default();
    options.budget.usd = Some(0.0025);
    let report = hub.run("count work", options).await.unwrap();
    assert!(report.succeeded() && report.cost_usd <= 0.0025, "{report:?}");
    assert_eq!(report.subtasks[0].committee.iter().filter(|(_, output)| output.is_some()).count(), 2);
}

#[tokio::test]
async fn each_member_is_recorded_and_a_committee_is_resumed() {
    let ledger = Ledger::in_memory().unwrap();
    let experts = || vec![says("count", "11"), says("counta", "12"), fails("countb")];
    let hub = hub(experts()).await.with_ledger(Ok(ledger.clone()));
    let (options, _) = options(Method::Vote);
    let report = hub.run("count work", options).await.unwrap();
    let recorded = ledger.decisions_of(&report.trace_id).unwrap();
    let outcomes: BTreeMap<&str, OutcomeKind> =
        recorded.iter().map(|r| (r.decision.expert.as_str(), r.outcomes[0].kind)).collect();
    let expected =
        [("count", OutcomeKind::Finished), ("counta", OutcomeKind::Finished), ("countb", OutcomeKind::Failed)];
    assert_eq!(outcomes, BTreeMap::from(expected));
    let steps: Vec<Step> = ledger.steps_of(&report.trace_id).unwrap().into_iter().map(|(_, step)| step).collect();
    assert!(replay(steps.clone()).unwrap().next().is_empty());
    // Killed before the last call ended: that one is made again, the others are not.
    let ends = steps.iter().rposition(|s| matches!(s, Step::Ended { .. })).unwrap();
    let mut run = replay(steps[..ends].iter().cloned()).unwrap();
    assert_eq!(run.work[&1].at_work().count(), 1);
    run.apply(Step::Resumed { budget: Budget::default() }).unwrap();
    assert_eq!(run.next().len(), 1);
}
