//! Runs of the hub on scripted parts: order, hand-over of results, limits and failures.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // helpers of tests are test code

mod support;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use qsef_agent::{
    Ledger, RunOptions, RunReport,
    ledger::{HistoryQuery, OutcomeKind, Recorded},
};
use qsef_core::{Budget, Cost, Effects, Error, Event, EventSink, Modality, Outcome, Payload, Status, Usage};
use support::{echo, expert, hub};
use tokio::sync::Barrier;

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

/// A subtask, who was to do it, and how it turned out.
type Row = (usize, String, Vec<(OutcomeKind, f64)>);

/// All that the only trace of a ledger has, in order of the subtasks.
fn recorded(ledger: &Ledger) -> Vec<Row> {
    let trace = ledger.resolve("last").unwrap();
    assert_eq!(ledger.traces(9).unwrap().len(), 1);
    let recorded = ledger.decisions_of(&trace).unwrap();
    let outcomes = |r: &Recorded| r.outcomes.iter().map(|o| (o.kind, o.score)).collect();
    recorded.iter().map(|r| (r.decision.subtask, r.decision.expert.clone(), outcomes(r))).collect()
}

#[tokio::test]
async fn the_ledger_has_what_was_decided_and_how_it_turned_out() {
    let fails =
        expert("paint", |_| async { Err(Error::Expert { expert: "paint".into(), message: "no brush".into() }) });
    let declines =
        expert("sing", |_| async { Err(Error::Declined { expert: "sing".into(), message: "no voice".into() }) });
    let costs = expert("count", |_| async {
        let usage = Usage { prompt_tokens: 900, completion_tokens: 100, ..Usage::default() };
        Ok(Outcome { cost: Cost::of(usage, 10.0), ..Payload::text("dear").into() })
    });
    let unusable = expert("weld", |_| async {
        Err(Error::BadOutput { model: "m".into(), message: "no JSON".into(), output: "{".into() })
    });
    let steps: &[(&str, &[usize])] =
        &[("count work now", &[]), ("sing work alone", &[]), ("weld work here", &[]), ("paint work now", &[])];
    let ledger = Ledger::in_memory().unwrap();
    let experts = vec![fails, declines, costs, unusable, echo("general")];
    let (hub, request) = hub(steps, experts, Some("general")).await;
    let report = hub.with_ledger(Ok(ledger.clone())).run(&request, RunOptions::default()).await.unwrap();
    use OutcomeKind::*;
    let expected = [
        (1, "count", Finished, 1.0),
        (2, "sing", Declined, 0.0),
        (2, "general", Finished, 1.0),
        (3, "weld", Invalid, 0.0),
        (3, "general", Finished, 1.0),
        (4, "paint", Failed, 0.0),
        (4, "general", Finished, 1.0),
    ];
    let mut expected = expected.map(|(id, expert, kind, score)| (id, expert.to_owned(), vec![(kind, score)]));
    // What was unusable was asked for once more.
    expected[3].2.push((Invalid, 0.0));
    assert_eq!(recorded(&ledger), expected);
    let recorded = ledger.decisions_of(&report.trace_id).unwrap();
    let (count, general) = (&recorded[0], &recorded[2]);
    assert_eq!((count.decision.request.as_str(), count.decision.task.as_str()), (request.as_str(), "count work now"));
    assert_eq!((count.decision.embedder.as_str(), count.decision.vector.as_ref().unwrap().len()), ("letters", 26));
    assert_eq!((count.outcomes[0].usd, count.outcomes[0].tokens), (Some(0.01), Some(1000)));
    assert!(count.outcomes[0].latency_ms.is_some() && count.decision.alternatives.len() == 3);
    assert!(count.decision.terms["distance"].is_number(), "{}", count.decision.terms);
    // The fallback is scored for the subtask itself, and the task is the same.
    assert_eq!(general.decision.te, report.subtasks[1].te);
    assert_eq!(general.decision.vector, recorded[1].decision.vector);
    assert!(recorded[1].outcomes[0].note.as_ref().unwrap().contains("no voice"));
    assert_eq!(ledger.history(&HistoryQuery::new("letters")).unwrap().len(), 7);
}

#[tokio::test]
async fn what_the_deadline_cuts_off_is_recorded_and_what_never_began_is_not_blamed() {
    let slow = expert("paint", |_| async {
        tokio::time::sleep(Duration::from_secs(600)).await;
        Ok(Payload::text("late").into())
    });
    let steps: &[(&str, &[usize])] = &[("paint work now", &[]), ("count work of it", &[1])];
    let (hub, request) = hub(steps, vec![slow, echo("count")], None).await;
    let ledger = Ledger::in_memory().unwrap();
    let hub = hub.with_ledger(Ok(ledger.clone()));
    let mut options = RunOptions::default();
    options.budget.time = Some(Duration::from_millis(300));
    hub.run(&request, options).await.unwrap();
    let expected = [(1, "paint".to_owned(), vec![(OutcomeKind::TimedOut, 0.0)]), (2, "count".to_owned(), Vec::new())];
    assert_eq!(recorded(&ledger), expected);
}

#[tokio::test]
async fn a_run_that_is_dropped_keeps_what_was_recorded() {
    let began = Arc::new(tokio::sync::Notify::new());
    let slow = {
        let began = began.clone();
        expert("count", move |_| {
            let began = began.clone();
            async move {
                began.notify_one();
                std::future::pending().await
            }
        })
    };
    let steps: &[(&str, &[usize])] = &[("paint work now", &[]), ("count work of it", &[1])];
    let (hub, request) = hub(steps, vec![echo("paint"), slow], None).await;
    let ledger = Ledger::in_memory().unwrap();
    let hub = hub.with_ledger(Ok(ledger.clone()));
    tokio::select! {
        _ = hub.run(&request, RunOptions::default()) => unreachable!("the second expert never ends"),
        () = began.notified() => {}
    }
    // The writer ends by itself, after the run.
    let expected = [(1, "paint".to_owned(), vec![(OutcomeKind::Finished, 1.0)]), (2, "count".to_owned(), Vec::new())];
    for _ in 0..200 {
        if ledger.traces(1).unwrap().len() == 1 && recorded(&ledger) == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(recorded(&ledger), expected);
}

#[tokio::test]
async fn a_plan_alone_records_nothing_and_a_broken_ledger_stops_no_run() {
    let (planning, request) = hub(&[("paint work now", &[]), ("count work", &[])], vec![echo("paint")], None).await;
    let ledger = Ledger::in_memory().unwrap();
    let planning = planning.with_ledger(Ok(ledger.clone()));
    let mut options = RunOptions::default();
    options.plan_only = true;
    planning.run(&request, options).await.unwrap();
    assert!(ledger.traces(1).unwrap().is_empty());

    // One that cannot be opened, and one that breaks later.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.sqlite3");
    let shut = Ledger::open(&path).unwrap();
    rusqlite::Connection::open(&path).unwrap().execute_batch("DROP TABLE outcomes; DROP TABLE decisions").unwrap();
    for (ledger, reason) in [(Ledger::open(dir.path()), "cannot use the ledger"), (Ok(shut), "decisions")] {
        let warnings = Arc::new(Mutex::new(Vec::new()));
        let (seen, (hub, _)) = (warnings.clone(), hub(&[], vec![echo("paint")], None).await);
        let mut options = RunOptions::default();
        options.events = EventSink::new(move |event| {
            if let Event::Warning { message } = event {
                seen.lock().unwrap().push(message);
            }
        });
        let report = hub.with_ledger(ledger).run("paint work", options).await.unwrap();
        assert!(report.succeeded() && report.answer == "paint()");
        let warnings = warnings.lock().unwrap();
        assert!(warnings.len() == 1 && warnings[0].contains(reason), "{warnings:?}");
    }
}

#[tokio::test]
async fn a_person_who_is_not_content_gets_another_expert_at_such_tasks() {
    let ledger = Ledger::in_memory().unwrap();
    let experts = || vec![echo("count"), echo("counts"), echo("paint")];
    let (hub, request) = hub(&[("count work", &[])], experts(), None).await;
    let mut hub = hub.with_ledger(Ok(ledger.clone()));
    let who = |report: &RunReport| report.subtasks[0].expert.clone();
    let first = hub.run(&request, RunOptions::default()).await.unwrap();
    for _ in 0..3 {
        ledger.rate(&first.trace_id, None, 0.0, None).unwrap();
    }
    hub.recall().await;
    let second = hub.run(&request, RunOptions::default()).await.unwrap();
    assert_ne!(who(&first), who(&second));
    let score = second.subtasks[0].scores.iter().find(|s| s.expert == who(&first)).unwrap();
    assert!(score.seen > 0 && score.te < first.subtasks[0].te, "{score:?}");
    // Tasks of another kind are done as before.
    let (fresh, other) = self::hub(&[("paint work", &[])], experts(), None).await;
    let before = fresh.run(&other, RunOptions::default()).await.unwrap();
    let after = hub.run(&other, RunOptions::default()).await.unwrap();
    assert_eq!((who(&before), who(&after)), ("paint".into(), "paint".into()));
}

#[tokio::test]
async fn what_is_better_by_little_is_not_worth_its_price() {
    let mut dear = echo("count");
    dear.profile.usd_per_mtok = 30.0;
    let cheap = echo("counts");
    let (hub, request) = hub(&[("count work", &[])], vec![dear, cheap, echo("paint")], None).await;
    let report = hub.run(&request, RunOptions::default()).await.unwrap();
    let scores = &report.subtasks[0].scores;
    let te = |id: &str| scores.iter().find(|s| s.expert == id).unwrap().te;
    assert!(te("count") > te("counts") && te("count") - te("counts") < 0.05, "{scores:?}");
    assert_eq!(report.subtasks[0].expert, "counts");
    assert!(report.subtasks[0].why.contains("price"), "{}", report.subtasks[0].why);
}

#[tokio::test]
async fn what_takes_no_text_gets_no_text() {
    let mut deaf = echo("count");
    deaf.profile.accepts = vec![Modality::Image];
    let (hub, request) = hub(&[("count work", &[])], vec![deaf, echo("paint")], None).await;
    assert_eq!(hub.run(&request, RunOptions::default()).await.unwrap().subtasks[0].expert, "paint");
    let mut deaf = echo("count");
    deaf.profile.accepts = vec![Modality::Image];
    let (hub, request) = self::hub(&[("count work", &[])], vec![deaf], None).await;
    assert!(matches!(hub.run(&request, RunOptions::default()).await, Err(Error::Input(m)) if m.contains("text")));
}

#[tokio::test]
async fn a_run_can_be_followed_as_a_stream() {
    use futures::StreamExt;
    use qsef_agent::RunItem;
    let steps: &[(&str, &[usize])] = &[("paint work now", &[]), ("count work of it", &[1])];
    let (hub, request) = hub(steps, vec![echo("paint"), echo("count")], None).await;
    let items: Vec<RunItem> = hub.stream(&request, RunOptions::default()).map(|item| item.unwrap()).collect().await;
    let Some(RunItem::Report(report)) = items.last() else { panic!("the report comes last") };
    let mut answer = String::new();
    let mut names = Vec::new();
    for item in &items[..items.len() - 1] {
        let RunItem::Event(event) = item else { panic!("one report") };
        if let Event::Answer { text } = event {
            answer.push_str(text);
        }
        names.push(serde_json::to_value(event).unwrap()["event"].as_str().unwrap().to_owned());
    }
    assert_eq!(answer.trim(), report.answer);
    let expected =
        ["begun", "planned", "assigned", "assigned", "started", "finished", "answer", "started", "finished", "answer"];
    assert_eq!(names, expected);
    // Whoever stops listening stops the run.
    let slow = expert("paint", |_| std::future::pending());
    let (hub, _) = self::hub(&[], vec![slow], None).await;
    let request = "paint work".to_owned();
    let mut stream = Box::pin(hub.stream(&request, RunOptions::default()));
    assert!(matches!(stream.next().await, Some(Ok(RunItem::Event(Event::Begun { .. })))));
}

#[tokio::test]
async fn an_expert_gets_what_it_takes_and_the_trace_says_how() {
    use qsef_core::{Format, Means};
    let lists = expert("paint", |_| async { Ok(Payload::text("Here they are:\n- red\n- blue").into()) });
    let mut counts = expert("count", |call| async move {
        let items = call.inputs[0].payload.value.as_array().map_or(0, Vec::len);
        Ok(Payload::text(format!("{items} items")).into())
    });
    counts.profile.takes = vec![Format::List];
    let steps: &[(&str, &[usize])] = &[("paint work now", &[]), ("count work of it", &[1])];
    let (hub, request) = hub(steps, vec![lists, counts], None).await;
    let ledger = Ledger::in_memory().unwrap();
    let report = hub.with_ledger(Ok(ledger.clone())).run(&request, RunOptions::default()).await.unwrap();
    assert_eq!(report.subtasks[1].output, Some(Payload::text("2 items")), "{report:?}");
    let [handed] = report.subtasks[1].hand_offs.as_slice() else { panic!("one hand-off") };
    assert_eq!((handed.of, handed.hand_off.means, &handed.hand_off.to), (1, Means::Adapters, &Format::List));
    let steps = ledger.steps_of(&report.trace_id).unwrap().into_iter().map(|(_, step)| step);
    assert_eq!(qsef_agent::run::replay(steps).unwrap().work[&2].hand_offs, report.subtasks[1].hand_offs);
}

#[tokio::test]
async fn an_expert_is_told_what_those_who_use_its_output_take() {
    use qsef_core::{Format, OutputType};
    let mut writes = expert("paint", |call| async move {
        let wanted = call.output.unwrap().format;
        Ok(Payload { format: wanted, ..Payload::json(serde_json::json!(["red", "blue"])) }.into())
    });
    writes.profile.gives = vec![Format::Text, Format::List];
    let mut counts = expert("count", |call| async move {
        let items = call.inputs[0].payload.value.as_array().map_or(0, Vec::len);
        Ok(Payload::text(format!("{items} items")).into())
    });
    counts.profile.takes = vec![Format::List];
    let steps: &[(&str, &[usize])] = &[("paint work now", &[]), ("count work of it", &[1])];
    let (hub, request) = hub(steps, vec![writes, counts], None).await;
    let ledger = Ledger::in_memory().unwrap();
    let report = hub.with_ledger(Ok(ledger.clone())).run(&request, RunOptions::default()).await.unwrap();
    assert_eq!(report.subtasks[1].output, Some(Payload::text("2 items")), "{report:?}");
    assert!(report.subtasks[1].hand_offs.is_empty());
    let list = Some(OutputType { format: Format::List, schema: None });
    assert_eq!((&report.subtasks[0].output_type, &report.subtasks[1].output_type), (&list, &None));
    let steps = ledger.steps_of(&report.trace_id).unwrap().into_iter().map(|(_, step)| step);
    assert_eq!(qsef_agent::run::replay(steps).unwrap().work[&1].subtask.output, list);
}

#[tokio::test]
async fn a_step_that_is_not_named_runs_first_and_hands_its_result_on() {
    use qsef_agent::{Hub, Registry};
    use qsef_core::{
        AnyEmbedder, AnyExpert, AnyModel,
        test_util::{LetterEmbedder, ScriptedModel},
    };
    let of = |id: &'static str, description: &str| {
        let mut expert = echo(id);
        expert.profile.description = description.into();
        expert
    };
    let experts = vec![
        of("SearchBook", "Search and find books."),
        of("BookReviews", "Retrieve the reviews of a book using its ID."),
    ];
    let look_ups = serde_json::json!({"lookups": [
        {"what": "search the book Emma", "kind": "book"}, {"what": "get the reviews of the book", "kind": "value"}
    ]});
    let model = ScriptedModel::answers([look_ups.to_string()]);
    let experts = experts.into_iter().map(AnyExpert::new).collect();
    let registry = Registry::new(AnyEmbedder::new(LetterEmbedder), experts, None).await.unwrap();
    let mut hub = Hub::new(AnyModel::new(model), registry).with_ledger(Ledger::in_memory());
    let request = "the reviews of the book Emma";
    let report = hub.run(request, RunOptions::default()).await.unwrap();
    let tasks: Vec<&str> = report.subtasks.iter().map(|s| s.task.as_str()).collect();
    assert_eq!(tasks, ["search the book Emma", request]);
    assert_eq!(report.subtasks[1].output, Some(Payload::text("BookReviews(SearchBook())")));
    // What the ledger knows of it counts for the next plan.
    hub.recall().await;
    assert_eq!(hub.completer().transitions().len(), 1);
}
