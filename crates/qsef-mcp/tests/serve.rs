//! An agent as a server, with a client that speaks the protocol.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // helpers of tests are test code

mod support;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use qsef_agent::experts::FnExpert;
use qsef_core::{AnyExpert, Effects, Error, Expert, ExpertCall, ExpertProfile, Format, Outcome, Payload};
use qsef_mcp::AgentServer;
use rmcp::{
    ClientHandler, RoleClient, ServiceExt,
    model::{CallToolRequestParams, CallToolResult, ProgressNotificationParam},
    service::{NotificationContext, RunningService},
};
use serde_json::{Value, json};

/// A client that keeps the progress that it hears of.
#[derive(Clone, Default)]
struct Listener(Arc<Mutex<Vec<ProgressNotificationParam>>>);

impl ClientHandler for Listener {
    async fn on_progress(&self, progress: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        self.0.lock().unwrap().push(progress);
    }
}

/// Works until it is stopped, and tells that it was.
struct Slow(ExpertProfile, Arc<AtomicBool>);

struct Stopped(Arc<AtomicBool>);

impl Drop for Stopped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Expert for Slow {
    fn profile(&self) -> &ExpertProfile {
        &self.0
    }

    async fn run(&self, _: ExpertCall) -> qsef_core::Result<Outcome> {
        let _stopped = Stopped(self.1.clone());
        std::future::pending().await
    }
}

type Client = RunningService<RoleClient, Listener>;

async fn client(experts: Vec<AnyExpert>, offer: bool) -> (Client, Listener) {
    let plan = json!({"steps": [{"task": "Shout abc", "uses": []}, {"task": "shout xyz", "uses": []}]});
    let (hub, _) = support::hub(experts, &plan.to_string()).await;
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let (input, output) = tokio::io::split(ours);
    let server = AgentServer::new(async move { Ok(hub) }, "It shouts.", offer);
    tokio::spawn(server.over(input, output));
    let listener = Listener::default();
    (listener.clone().serve(theirs).await.unwrap(), listener)
}

fn shout() -> AnyExpert {
    let profile = ExpertProfile::new("shout.loud", "Shout a text.");
    AnyExpert::new(FnExpert::new(profile, |call| Ok(Payload::text(call.to_text().to_uppercase()))))
}

async fn call(client: &Client, tool: &str, arguments: Value) -> CallToolResult {
    let params = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments.as_object().unwrap().clone());
    client.call_tool(params).await.unwrap()
}

fn text(result: &CallToolResult) -> String {
    result.content.iter().map(|c| c.as_text().unwrap().text.clone()).collect()
}

#[tokio::test]
async fn a_request_is_answered_with_its_document_and_its_progress() {
    let (client, listener) = client(vec![shout()], false).await;
    let tools = client.list_all_tools().await.unwrap();
    assert_eq!(tools.iter().map(|t| t.name.as_ref()).collect::<Vec<_>>(), ["ask"]);
    let result =
        call(&client, "ask", json!({"query": "Shout abc. Then shout xyz.", "deadline": "30s", "budget_usd": 1})).await;
    assert_eq!(result.is_error, Some(false));
    assert!(text(&result).contains("SHOUT ABC") && text(&result).contains("SHOUT XYZ"), "{result:?}");
    let document = result.structured_content.unwrap();
    assert_eq!(document["plan"]["subtasks"].as_array().unwrap().len(), 2);
    assert_eq!(document["plan"]["subtasks"][0]["expert"], "shout.loud");
    assert!(document["trace_id"].as_str().unwrap().len() == 26);
    let heard = listener.0.lock().unwrap();
    let steps: Vec<(f64, Option<f64>)> = heard.iter().map(|p| (p.progress, p.total)).collect();
    assert_eq!(steps, (1..=5).map(|n| (f64::from(n), Some(5.0))).collect::<Vec<_>>());
    assert_eq!(heard[0].message.as_deref(), Some("planned 2 subtasks"));
}

#[tokio::test]
async fn what_cannot_be_done_is_an_error_that_the_caller_reads() {
    let (client, _) = client(vec![shout()], false).await;
    for (arguments, why) in [
        (json!({}), "missing field `query`"),
        (json!({"query": "x", "colour": 1}), "colour"),
        (json!({"query": ""}), "the request is empty"),
        (json!({"query": "x", "budget_usd": -1}), "0 or more"),
        (json!({"query": "x", "deadline": "soon"}), "30s"),
    ] {
        let result = call(&client, "ask", arguments).await;
        assert!(result.is_error == Some(true) && text(&result).contains(why), "{why}: {result:?}");
    }
    let unknown = client.call_tool(CallToolRequestParams::new("sing")).await.unwrap_err();
    assert!(unknown.to_string().contains("there is no tool `sing`"), "{unknown}");
    let opening = async { Err(Error::Input("there is no model `x`".into())) };
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let (input, output) = tokio::io::split(ours);
    tokio::spawn(AgentServer::new(opening, "", true).over(input, output));
    let client = Listener::default().serve(theirs).await.unwrap();
    assert!(client.list_all_tools().await.unwrap_err().to_string().contains("there is no model `x`"));
}

#[tokio::test]
async fn a_call_that_is_cancelled_stops_the_work() {
    let stopped = Arc::new(AtomicBool::new(false));
    let slow = AnyExpert::new(Slow(ExpertProfile::new("slow", "Wait."), stopped.clone()));
    let (client, listener) = client(vec![slow], false).await;
    let query = json!({"query": "Wait."}).as_object().unwrap().clone();
    let asked = client.call_tool(CallToolRequestParams::new("ask").with_arguments(query));
    // Dropping the call cancels it.
    assert!(tokio::time::timeout(Duration::from_millis(500), asked).await.is_err());
    assert!(listener.0.lock().unwrap().len() >= 2, "it had begun");
    let told = async {
        while !stopped.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), told).await.unwrap();
}

#[tokio::test]
async fn experts_are_tools_where_they_are_offered() {
    let image =
        FnExpert::new(ExpertProfile::new("draw", "Draw."), |_| Ok(Payload::media(Format::Image, "image/png", "AAAA")));
    let mut approved = ExpertProfile::new("pay", "Pay.");
    approved.requires_approval = true;
    let mut acts = ExpertProfile::new("ask", "Ask somebody.");
    acts.effects = Effects::External;
    let twin = ExpertProfile::new("shout_loud", "Twin.");
    let plain = |profile| AnyExpert::new(FnExpert::new(profile, |_| Ok(Payload::json(json!({"a": 1})))));
    let experts = vec![shout(), AnyExpert::new(image), plain(approved), plain(acts), plain(twin)];
    let (client, _) = client(experts, true).await;
    let tools = client.list_all_tools().await.unwrap();
    let names: Vec<&str> = tools.iter().map(|t| t.name.as_ref()).collect();
    assert_eq!(names, ["ask", "shout_loud", "draw", "ask_2", "shout_loud_2"]);
    let reads = |at: usize| tools[at].annotations.as_ref().unwrap().read_only_hint;
    assert_eq!((reads(1), reads(3)), (Some(true), Some(false)));
    let result = call(&client, "shout_loud", json!({"task": "shout it", "input": "abc"})).await;
    assert!(text(&result).ends_with("ABC"), "{result:?}");
    let result = call(&client, "draw", json!({"task": "a cat"})).await;
    assert_eq!(result.content[0].as_image().unwrap().mime_type, "image/png");
    let result = call(&client, "shout_loud_2", json!({"task": "x"})).await;
    assert_eq!(result.structured_content, Some(json!({"a": 1})));
}
