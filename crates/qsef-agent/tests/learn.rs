//! What outcomes change: who is chosen next, and what is expected of them.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic)] // helpers of tests are test code

mod support;

use std::sync::{Arc, Mutex};

use qsef_agent::{Hub, Registry, RunOptions, RunReport, ledger::Ledger};
use qsef_core::{
    AnyEmbedder, AnyExpert, AnyModel, Cost, Effects, Error, Outcome, Payload, Usage,
    test_util::{LetterEmbedder, ScriptedModel},
};
use support::{echo, expert, hub};

fn who(report: &RunReport) -> &str {
    &report.subtasks[0].expert
}

#[tokio::test]
async fn a_new_expert_gets_its_trials_at_what_it_is_about_as_good_at() {
    let with_trials = |id: &'static str, effects| {
        let mut newcomer = echo(id);
        newcomer.profile.trials = 2;
        newcomer.profile.effects = effects;
        newcomer
    };
    let ledger = Ledger::in_memory().unwrap();
    let mut chosen = Vec::new();
    for _ in 0..4 {
        // Each time as a new process would.
        let experts = vec![echo("count"), with_trials("counts", Effects::None), echo("paint")];
        let (hub, request) = hub(&[("count work", &[])], experts, None).await;
        let mut hub = hub.with_ledger(Ok(ledger.clone()));
        hub.recall().await;
        let report = hub.run(&request, RunOptions::default()).await.unwrap();
        assert_eq!(report.subtasks[0].why.contains("on trial"), chosen.len() < 2, "{}", report.subtasks[0].why);
        chosen.push(who(&report).to_owned());
    }
    assert_eq!(chosen[..2], ["counts", "counts"]);
    // Not for what another is much better at, nor where trying changes something.
    let experts = vec![echo("count"), with_trials("counts", Effects::None), echo("paint")];
    let (fresh, request) = hub(&[("paint work", &[])], experts, None).await;
    assert_eq!(who(&fresh.run(&request, RunOptions::default()).await.unwrap()), "paint");
    let experts = vec![echo("count"), with_trials("counts", Effects::External)];
    let (fresh, request) = hub(&[("count work", &[])], experts, None).await;
    assert_eq!(who(&fresh.run(&request, RunOptions::default()).await.unwrap()), "count");
}

#[tokio::test]
async fn a_hub_learns_while_it_runs() {
    let ledger = Ledger::in_memory().unwrap();
    let (hub, request) = hub(&[("count work", &[])], vec![echo("count"), echo("counts"), echo("paint")], None).await;
    let hub = hub.with_ledger(Ok(ledger.clone()));
    let first = hub.run(&request, RunOptions::default()).await.unwrap();
    let mut runs = 1;
    loop {
        let report = hub.run(&request, RunOptions::default()).await.unwrap();
        if who(&report) != who(&first) {
            break;
        }
        ledger.rate(&report.trace_id, None, 0.0, None).unwrap();
        runs += 1;
        assert!(runs < 500, "it never learns");
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    assert!(runs >= 25, "nothing is read before: {runs}");
}

#[tokio::test]
async fn what_experts_really_cost_is_expected_of_them() {
    let mut dear = expert("count", |_| async {
        let usage = Usage { prompt_tokens: 5_000, completion_tokens: 1_000, ..Usage::default() };
        Ok(Outcome { cost: Cost { usage, usd: 0.06 }, ..Payload::text("done").into() })
    });
    dear.profile.usd_per_mtok = 10.0;
    let ledger = Ledger::in_memory().unwrap();
    let (hub, request) = hub(&[("count work", &[])], vec![dear], None).await;
    let mut hub = hub.with_ledger(Ok(ledger));
    let mut expected = Vec::new();
    for _ in 0..5 {
        let (_, assignments) = hub.plan(&request, &Default::default()).await.unwrap();
        expected.push(assignments[0].expected_usd);
        hub.run(&request, RunOptions::default()).await.unwrap();
        hub.recall().await;
    }
    assert!((expected[0] - 0.01).abs() < 1e-9, "{expected:?}");
    assert!(expected.is_sorted() && expected[4] > 0.035 && expected[4] < 0.06, "{expected:?}");
}

#[tokio::test]
async fn experts_come_and_go() {
    let (mut hub, request) = hub(&[("count work", &[])], vec![echo("count"), echo("paint")], Some("paint")).await;
    let before = hub.clone();
    hub.registry_mut().add(AnyExpert::new(echo("counts"))).await.unwrap();
    assert!(hub.registry_mut().remove("count").unwrap() && !hub.registry_mut().remove("count").unwrap());
    assert_eq!(who(&hub.run(&request, RunOptions::default()).await.unwrap()), "counts");
    assert!(matches!(hub.registry_mut().remove("paint"), Err(Error::Input(m)) if m.contains("fallback")));
    assert!(hub.registry().score("count work").await.unwrap().iter().all(|s| s.expert != "count"));
    // A clone keeps its own.
    assert_eq!(who(&before.run(&request, RunOptions::default()).await.unwrap()), "count");
}

#[tokio::test]
async fn a_judges_scores_count_where_no_person_spoke_and_code_is_not_judged() {
    let mut writer = echo("paint");
    writer.profile.params_b = Some(1.0);
    let steps: &[(&str, &[usize])] = &[("paint work now", &[]), ("count work of it", &[1])];
    let rows: Vec<_> = steps.iter().map(|(task, uses)| serde_json::json!({"task": task, "uses": uses})).collect();
    let plan = serde_json::json!({ "steps": rows }).to_string();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = asked.clone();
    let model = ScriptedModel::new(move |request| {
        let question = request.messages.last().unwrap().as_text().unwrap();
        if !question.starts_with('{') {
            return Ok(plan.clone());
        }
        seen.lock().unwrap().push(question);
        Ok(r#"{"reason":"It paints nothing.","verdict":"wrong"}"#.to_owned())
    });
    let experts = [writer, echo("count")].map(AnyExpert::new).into();
    let registry = Registry::new(AnyEmbedder::new(LetterEmbedder), experts, None).await.unwrap();
    let ledger = Ledger::in_memory().unwrap();
    let hub = Hub::new(AnyModel::new(model), registry).with_ledger(Ok(ledger.clone()));
    let report = hub.run("paint work now; count work of it", RunOptions::default()).await.unwrap();
    let judgement = hub.judge(&report.trace_id).await.unwrap();
    let [verdict] = judgement.verdicts.as_slice() else { panic!("{judgement:?}") };
    assert_eq!((verdict.id, verdict.expert.as_str(), verdict.score), (1, "paint", 0.0));
    let asked = asked.lock().unwrap().clone();
    assert!(asked.len() == 1 && asked[0].contains("paint()"), "{asked:?}");
    let score = |expert: &str| ledger.record_of(expert).unwrap().map(|record| record.score);
    assert_eq!((score("paint"), score("count"), score("nobody")), (Some(0.0), Some(1.0), None));
    ledger.rate(&report.trace_id, Some(1), 0.8, None).unwrap();
    assert_eq!(score("paint"), Some(0.8));
    assert!(matches!(hub.judge("none").await, Err(Error::Input(m)) if m.contains("none")));
}
