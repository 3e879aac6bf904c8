//! Plans per second beside rig's agent loop, against one OpenAI-compatible stub that answers at once: `cargo run --release`.
//!
//! A plan is a request from its text to its answer, with the work of two experts (tools) that return at once, of sixteen:
//!
//! - qsef: the hub with `qsef-openai` as its planner. One call of the model splits the request; the score chooses the experts.
//! - rig: its agent with sixteen tools. One call of the model names both tools, a second one writes the answer.
//! - rig, one tool: the same with a single tool call, which is the least that its loop does.
//!
//! The three take turns on the same runtime; what is printed are medians over the rounds.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Instant,
};

use axum::{Router, body::Bytes, http::header::CONTENT_TYPE, response::IntoResponse, routing::post};
use qsef_agent::{Hub, Registry, RunOptions};
use qsef_core::{
    AnyEmbedder, AnyExpert, AnyModel, Expert, ExpertCall, ExpertProfile, Outcome, Payload, test_util::LetterEmbedder,
};
use qsef_openai::{Client, Endpoint, OpenAiModel, Settings};
use rig::{
    Agent, AgentBuilder,
    message::ToolName,
    providers::openai::OpenAIConfig,
    tool::{DynamicTool, ToolOutput},
};
use serde_json::{Value, json};

const VERBS: [&str; 16] = [
    "paint", "count", "sing", "weld", "carve", "bake", "mend", "plant", "print", "drill", "polish", "weave", "pack",
    "film", "steam", "tune",
];
const REQUEST: &str = "paint work now; weld work now";
const PLANS: usize = 200;
const ROUNDS: usize = 15;

static HTTP: AtomicUsize = AtomicUsize::new(0);
static WORK: AtomicUsize = AtomicUsize::new(0);

/// What the stub says to qsef's planner, as a stream.
fn plan() -> String {
    let step = |task: &str| json!({"task": task, "uses": []});
    let plan = json!({"steps": [step("paint work now"), step("weld work now")]}).to_string();
    let chunk = |delta: Value, finish: Option<&str>| json!({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]});
    let usage = json!({"choices": [], "usage": {"prompt_tokens": 700, "completion_tokens": 30, "total_tokens": 730}});
    let chunks = [chunk(json!({"role": "assistant", "content": plan}), None), chunk(json!({}), Some("stop")), usage];
    chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect::<String>() + "data: [DONE]\n\n"
}

/// What the stub says to rig: the tools, or the answer where their results are there.
fn completion(tools: &[&str]) -> String {
    let call = |name: &&str| json!({"id": format!("call_{name}"), "type": "function", "function": {"name": name, "arguments": "{\"task\":\"work now\"}"}});
    let calls: Vec<Value> = tools.iter().map(call).collect();
    let (message, finish) = if calls.is_empty() {
        (json!({"role": "assistant", "content": "paint: work now\nweld: work now"}), "stop")
    } else {
        (json!({"role": "assistant", "content": null, "tool_calls": calls}), "tool_calls")
    };
    json!({
        "id": "c", "object": "chat.completion", "created": 1, "model": "stub",
        "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": null}],
        "usage": {"prompt_tokens": 700, "completion_tokens": 30, "total_tokens": 730}
    })
    .to_string()
}

/// The stub, on a thread of its own; its address.
fn serve() -> String {
    let answers = |tools: &'static [&'static str]| {
        let (first, last) = (Bytes::from(completion(tools)), Bytes::from(completion(&[])));
        post(move |body: Bytes| async move {
            HTTP.fetch_add(1, Relaxed);
            let has_results = body.windows(13).any(|at| at == br#""role":"tool""#);
            ([(CONTENT_TYPE, "application/json")], if has_results { last } else { first }).into_response()
        })
    };
    let plan = Bytes::from(plan());
    let planner = post(move |_: Bytes| async move {
        HTTP.fetch_add(1, Relaxed);
        ([(CONTENT_TYPE, "text/event-stream")], plan).into_response()
    });
    let app = Router::new()
        .route("/qsef/chat/completions", planner)
        .route("/two/chat/completions", answers(&["paint", "weld"]))
        .route("/one/chat/completions", answers(&["paint"]));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, app).await.unwrap();
        });
    });
    format!("http://{address}")
}

struct Scripted(ExpertProfile);

impl Expert for Scripted {
    fn profile(&self) -> &ExpertProfile {
        &self.0
    }
    async fn run(&self, call: ExpertCall) -> qsef_core::Result<Outcome> {
        WORK.fetch_add(1, Relaxed);
        Ok(Payload::text(call.task).into())
    }
}

async fn hub(stub: &str) -> Hub {
    let expert = |verb: &str| AnyExpert::new(Scripted(ExpertProfile::new(verb, format!("does {verb} work"))));
    let experts = VERBS.iter().map(|verb| expert(verb)).collect();
    let registry = Registry::new(AnyEmbedder::new(LetterEmbedder), experts, None).await.unwrap();
    let endpoint = Endpoint::new(&format!("{stub}/qsef")).unwrap().with_key("key").unwrap();
    let client = Client::new(Settings::new(endpoint)).unwrap();
    Hub::new(AnyModel::new(OpenAiModel::new(client, "stub")), registry)
}

fn agent(stub: &str, path: &str) -> Agent {
    let parameters = json!({"type": "object", "properties": {"task": {"type": "string"}}, "required": ["task"]});
    let tool = |verb: &&str| {
        let name = ToolName::new(*verb).unwrap();
        DynamicTool::new(name, format!("does {verb} work"), parameters.clone(), |arguments| {
            Box::pin(async move {
                WORK.fetch_add(1, Relaxed);
                Ok(ToolOutput::text(arguments["task"].as_str().unwrap_or_default()))
            })
        })
    };
    let client = OpenAIConfig::new("key").with_base_url(format!("{stub}/{path}")).client();
    AgentBuilder::new(client.chat("stub"))
        .preamble("Do the request with your tools.")
        .dynamic_tools(VERBS.iter().map(tool).collect())
        .default_max_turns(4)
        .build()
}

/// Plans per second, HTTP calls and calls of experts per plan.
async fn rate<F: Future<Output = ()> + Send + 'static>(at_once: usize, plan: impl Fn() -> F) -> [f64; 3] {
    let (http, work, began) = (HTTP.load(Relaxed), WORK.load(Relaxed), Instant::now());
    for _ in 0..PLANS / at_once {
        let tasks: Vec<_> = (0..at_once).map(|_| tokio::spawn(plan())).collect();
        for task in tasks {
            task.await.unwrap();
        }
    }
    let per_plan = |now: usize, before: usize| (now - before) as f64 / (PLANS / at_once * at_once) as f64;
    let seconds = began.elapsed().as_secs_f64();
    [
        (PLANS / at_once * at_once) as f64 / seconds,
        per_plan(HTTP.load(Relaxed), http),
        per_plan(WORK.load(Relaxed), work),
    ]
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[tokio::main]
async fn main() {
    let stub = serve();
    let hub = Arc::new(hub(&stub).await);
    let (two, one) = (Arc::new(agent(&stub, "two")), Arc::new(agent(&stub, "one")));
    let qsef = || {
        let hub = hub.clone();
        async move {
            let report = hub.run(REQUEST, RunOptions::default()).await.unwrap();
            assert!(report.succeeded() && report.subtasks.len() == 2, "{report:?}");
        }
    };
    let rig = |agent: &Arc<Agent>| {
        let agent = agent.clone();
        async move {
            let answer = agent.prompt(REQUEST).tool_concurrency(2).await.unwrap();
            assert_eq!(answer.output(), "paint: work now\nweld: work now");
        }
    };
    for at_once in [1, 8] {
        let mut rounds: Vec<[[f64; 3]; 3]> = Vec::new();
        for round in 0..=ROUNDS {
            // Each is first in some rounds: the machine's speed drifts.
            let mut of = [[0.0; 3]; 3];
            for turn in 0..3 {
                let who = (round + turn) % 3;
                of[who] = match who {
                    0 => rate(at_once, qsef).await,
                    1 => rate(at_once, || rig(&two)).await,
                    _ => rate(at_once, || rig(&one)).await,
                };
            }
            // The first round warms up.
            if round > 0 {
                rounds.push(of);
            }
        }
        println!("{at_once} at once, {ROUNDS} rounds of {PLANS} plans each:");
        for (who, name) in ["qsef", "rig", "rig, one tool"].iter().enumerate() {
            let [rate, http, work] = [0, 1, 2].map(|column| median(rounds.iter().map(|of| of[who][column])));
            let ratio = median(rounds.iter().map(|of| of[0][0] / of[who][0]));
            println!(
                "  {name:14} {rate:7.0} plans/s   {http:.1} HTTP calls, {work:.1} calls of experts a plan   qsef/this {ratio:.2}"
            );
        }
    }
}
