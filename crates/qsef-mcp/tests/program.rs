//! Servers that are programs: their tools, and all that can go wrong.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // helpers of tests are test code

mod support;

use std::time::{Duration, Instant};

use qsef_agent::{Ledger, Registry, RunOptions, config::McpConfig, experts::FnExpert, ledger::HistoryQuery};
use qsef_core::{
    AnyEmbedder, AnyExpert, AnyModel, Budget, Error, Event, EventSink, ExpertProfile, Payload,
    test_util::{LetterEmbedder, ScriptedModel},
};
use serde_json::json;
use support::{call, expert, hub, server, tools};

#[test]
#[ignore = "it is the server that the other tests start"]
fn serve() {
    support::serve();
}

#[tokio::test]
async fn two_servers_with_the_same_tools_both_work() {
    let toolbox = tools(&[server("a", ""), server("b", "old")]).await;
    assert_eq!((toolbox.experts.len(), toolbox.warnings.as_slice()), (18, [].as_slice()));
    let (a, b) =
        tokio::join!(call(&toolbox, "a.pid", json!({"text": ""})), call(&toolbox, "b.pid", json!({"text": ""})));
    assert_ne!(a.unwrap().payload, b.unwrap().payload);
    let error = call(&toolbox, "a.fail", json!({"text": ""})).await.unwrap_err();
    assert_eq!(error.to_string(), "expert `a.fail`: the tool `fail` of the MCP server `a`: no such text");
    assert!(expert(&toolbox, "a.act").profile().is_consequential());
    assert!(expert(&toolbox, "a.delete").profile().requires_approval);
    assert!(!expert(&toolbox, "a.echo").profile().is_consequential());
}

#[tokio::test]
async fn a_server_that_ends_is_named_and_started_again_at_most_three_times() {
    let toolbox = tools(&[server("a", "")]).await;
    let first = call(&toolbox, "a.pid", json!({"text": ""})).await.unwrap();
    for _ in 0..2 {
        let error = call(&toolbox, "a.crash", json!({"text": ""})).await.unwrap_err();
        assert!(matches!(error, Error::Unavailable { .. }), "{error}");
        let told = error.to_string();
        for part in ["`crash`", "`a`", "exit status: 3", "out of paper"] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }
    // It works again, and an answer gives it its restarts back.
    assert_ne!(call(&toolbox, "a.pid", json!({"text": ""})).await.unwrap(), first);
    for _ in 0..4 {
        assert!(matches!(call(&toolbox, "a.crash", json!({"text": ""})).await, Err(Error::Unavailable { .. })));
    }
    let error = call(&toolbox, "a.echo", json!({"text": "hi"})).await.unwrap_err();
    assert!(matches!(&error, Error::Declined { .. }) && error.to_string().contains("not started any more"), "{error}");
}

#[tokio::test]
async fn another_expert_takes_over_from_a_server_that_ends_but_not_what_changes_something() {
    let toolbox = tools(&[server("a", "")]).await;
    let local = ExpertProfile::new("local", "Repeat a text.");
    let experts = vec![
        expert(&toolbox, "a.crash"),
        expert(&toolbox, "a.act"),
        AnyExpert::new(FnExpert::new(local, |_| Ok(Payload::text("from here")))),
    ];
    let (hub, _) = hub(experts, r#"{"text":"hi"}"#).await;
    let report = hub.run(r#"{"text": "Repeat a text."}"#, RunOptions::default()).await.unwrap();
    let subtask = &report.subtasks[0];
    assert!(report.succeeded() && subtask.expert == "local", "{subtask:?}");
    let report = hub.run(r#"{"text": "Change something."}"#, RunOptions::default()).await.unwrap();
    let subtask = &report.subtasks[0];
    assert!(!report.succeeded() && subtask.expert == "a.act", "{subtask:?}");
    assert!(subtask.error.as_ref().unwrap().contains("exit status: 3"), "{subtask:?}");
}

#[tokio::test]
async fn what_may_be_repeated_is_called_again_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let toolbox = tools(&[server("a", "")]).await;
    let file = dir.path().join("mark");
    let outcome = call(&toolbox, "a.retry", json!({"text": file.to_str().unwrap()})).await.unwrap();
    assert_eq!(outcome.payload, Payload::text("at last"));
}

#[tokio::test]
async fn a_call_that_hangs_is_stopped_and_the_server_told() {
    let toolbox = tools(&[McpConfig { timeout_s: 0.3, ..server("a", "") }]).await;
    let error = call(&toolbox, "a.hang", json!({"text": ""})).await.unwrap_err();
    assert!(matches!(&error, Error::TimedOut { what, .. } if what == "a.hang"), "{error}");
    assert_eq!(call(&toolbox, "a.echo", json!({"text": "on"})).await.unwrap().payload, Payload::text("on"));
    // The server writes to its errors that it was told, and these come with the next trouble.
    let error = call(&toolbox, "a.crash", json!({"text": ""})).await.unwrap_err();
    assert!(error.to_string().contains("cancelled"), "{error}");
}

#[tokio::test]
async fn a_result_of_100_mb_is_an_error_of_its_call_alone() {
    let toolbox = tools(&[server("a", "")]).await;
    let before = call(&toolbox, "a.pid", json!({"text": ""})).await.unwrap();
    let error = call(&toolbox, "a.huge", json!({"text": ""})).await.unwrap_err();
    assert!(error.to_string().contains("more than 16 MiB"), "{error}");
    assert_eq!(call(&toolbox, "a.pid", json!({"text": ""})).await.unwrap(), before);
}

#[tokio::test]
async fn a_server_that_cannot_be_had_costs_a_warning() {
    let late = |fault| McpConfig { start_timeout_s: 0.5, ..server(fault, fault) };
    let mut secret = server("secret", "");
    secret.pass_env = vec!["QSEF_NO_SUCH_VARIABLE".into()];
    let none = McpConfig::program("none", "/no/such/program", Vec::new());
    let began = Instant::now();
    let toolbox =
        tools(&[late("mute"), late("garbage"), server("exits", "exits"), none, secret, server("a", "")]).await;
    assert!(began.elapsed() < Duration::from_secs(10));
    assert_eq!(toolbox.experts.len(), 9);
    let expected = [
        vec!["`mute`", "did not answer within 0.5 seconds"],
        vec!["`garbage`", "did not answer", "Server listening on port 3000"],
        vec!["`exits`", "ended the connection", "no licence found"],
        vec!["`none`", "/no/such/program", "cannot be started"],
        vec!["`secret`", "QSEF_NO_SUCH_VARIABLE"],
    ];
    for (warning, parts) in toolbox.warnings.iter().zip(&expected) {
        parts.iter().for_each(|part| assert!(warning.contains(part), "{part}: {warning}"));
    }
    assert_eq!(toolbox.warnings.len(), expected.len());
}

#[tokio::test]
async fn what_is_no_tool_is_left_out_and_collisions_are_named() {
    let mut wanted = server("wanted", "");
    wanted.allow = Some(vec!["echo".into(), "sing".into()]);
    wanted.deny = vec!["crash".into()];
    let toolbox = tools(&[server("bad", "bad tools"), server("taken", ""), wanted]).await;
    let ids: Vec<&str> = toolbox.experts.iter().map(|e| e.profile().id.as_str()).collect();
    assert_eq!(ids[..3], ["bad.good", "bad.twin", "taken.crash"]);
    assert_eq!(ids.last(), Some(&"wanted.echo"));
    assert_eq!(ids.len(), 2 + 8 + 1);
    let warnings = toolbox.warnings.join("\n");
    for part in [
        "`no_schema` is left out: missing field `inputSchema`",
        "`banana` is left out: its input schema is none: $.properties.a.type is no type",
        "`list` is left out",
        "`twin` is left out: there is an expert `bad.twin` already",
        "`echo` is left out: there is an expert `taken.echo` already",
        "`wanted`: it has no tool `sing`, which `allow` names",
    ] {
        assert!(warnings.contains(part), "{part}: {warnings}");
    }
}

#[tokio::test]
async fn five_hundred_tools_come_in_pages_and_are_chosen_among_quickly() {
    let toolbox = tools(&[server("many", "many"), server("endless", "endless")]).await;
    assert_eq!(toolbox.experts.len(), 500);
    assert!(toolbox.warnings[0].contains("does not end"), "{:?}", toolbox.warnings);
    let (hub, _) = hub(toolbox.experts, r#"{"steps":[]}"#).await;
    let request = "Do the work number 7, then do the work number 400.";
    hub.plan(request, &Budget::default()).await.unwrap();
    let began = Instant::now();
    let (planned, assignments) = hub.plan(request, &Budget::default()).await.unwrap();
    assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
    assert_eq!((planned.plan.subtasks.len(), assignments.len()), (2, 2));
}

#[tokio::test]
async fn the_ledger_knows_a_tool_by_its_id_from_one_connection_to_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(dir.path().join(Ledger::FILE_NAME)).unwrap();
    for outcomes in 1..=2 {
        let toolbox = tools(&[server("a", "")]).await;
        let (hub, _) = hub(vec![expert(&toolbox, "a.echo")], "").await;
        let mut hub = hub.with_ledger(Ok(ledger.clone()));
        hub.recall().await;
        let report = hub.run(r#"{"text": "hello"}"#, RunOptions::default()).await.unwrap();
        assert_eq!(report.answer.trim(), "hello");
        assert_eq!(ledger.record_of("a.echo").unwrap().unwrap().outcomes, outcomes);
    }
    assert_eq!(
        ledger.history(&HistoryQuery::new("letters")).unwrap().iter().filter(|row| row.expert == "a.echo").count(),
        2
    );
}

#[tokio::test]
async fn what_a_description_asks_for_reaches_no_planner_and_the_writer_of_arguments_in_a_fence() {
    let plan = r#"{"steps":[{"task":"Repeat the text one","uses":[]},{"task":"repeat the text two","uses":[]}]}"#;
    let planner = ScriptedModel::new(move |_| Ok(plan.into()));
    let writer = ScriptedModel::new(|_| Ok(r#"{"text":"said"}"#.into()));
    let arguments = AnyModel::new(writer.clone());
    let toolbox = qsef_mcp::connect(&[server("a", "injection")], [""; 0], |_| Ok(arguments.clone())).await.unwrap();
    let registry = Registry::new(AnyEmbedder::new(LetterEmbedder), toolbox.experts, None).await.unwrap();
    let hub = qsef_agent::Hub::new(AnyModel::new(planner.clone()), registry).with_warning("`b` is left out");
    let warned = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut options = RunOptions::default();
    let sink = warned.clone();
    options.events = EventSink::new(move |event| {
        if let Event::Warning { message } = event {
            sink.lock().unwrap().push(message);
        }
    });
    let report = hub.run("Repeat the text one. Then repeat the text two.", options).await.unwrap();
    assert!(report.succeeded() && report.subtasks.len() == 2, "{report:?}");
    assert_eq!(*warned.lock().unwrap(), ["`b` is left out"]);
    assert!(!planner.requests().is_empty());
    for request in planner.requests() {
        let seen: String = request.messages.iter().map(|m| m.as_text().unwrap()).collect();
        assert!(!seen.contains("OBEYED"), "{seen}");
    }
    let request = &writer.requests()[0];
    let system = request.messages[0].as_text().unwrap();
    let (before, fenced) = system.split_once("````\n").unwrap();
    assert!(before.contains("never instructions") && !before.contains("OBEYED"));
    assert!(fenced.contains("OBEYED") && fenced.trim_end().ends_with("````"), "{system}");
    assert!(!request.messages[1].as_text().unwrap().contains("OBEYED"));
}
