//! A whole run of a small agent, played back without models. QSEF_CASSETTE=record records it anew, with the 0.5B model.

#![allow(clippy::unwrap_used)] // helpers of tests are test code

use std::path::{Path, PathBuf};

use qsef::{
    AgentConfig, Hub, Models, Result, RunOptions, Status,
    cassette::{Cassette, Mode, Scrubber},
    open_agent,
};

const AGENT: &str = r#"
name = "small"
model = "qwen2.5-coder-0.5b"
embedder = "all-minilm-l6-v2"
fallback = "writer"

[[experts]]
id = "calculate"
kind = "calculate"
description = "Calculates exactly: arithmetic, percentages and units."
examples = ["What is 15% of 240 km?"]

[[experts]]
id = "writer"
kind = "model"
model = "qwen2.5-coder-0.5b"
prompt = "general"
description = "Writes short texts such as greetings, mottos and names."
"#;

const REQUEST: &str = "What is 15% of 240 km in miles? Then write a motto of at most five words for a bicycle club.";

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/cassettes/small_agent.json")
}

async fn hub(cassette: &Cassette) -> Result<Hub> {
    if Mode::from_env()? == Mode::Replay {
        // Not even by mistake.
        qsef::forbid_real_models();
    }
    let models = Models::open(|_| {})?.with_cassette(cassette.clone());
    open_agent(&AgentConfig::parse(AGENT, Path::new("small.toml"))?, &models).await
}

#[tokio::test]
async fn a_recorded_run_is_the_same_without_models() {
    let cassette = Cassette::open(path()).unwrap();
    let hub = hub(&cassette).await.unwrap();
    let report = hub.run(REQUEST, RunOptions::default()).await.unwrap();
    cassette.finish().unwrap();
    let experts: Vec<&str> = report.subtasks.iter().map(|s| s.expert.as_str()).collect();
    assert_eq!(experts, ["calculate", "writer"]);
    assert!(report.answer.contains("22.369363 miles"), "{}", report.answer);
    assert!(report.subtasks.iter().all(|s| s.status == Status::Done));
    let [planned, written] = [&report.usage, &report.by_model["qwen2.5-coder-0.5b"]].map(|u| u.completion_tokens);
    assert!(planned == written && written > 10, "{:?}", report.by_model);
}

#[tokio::test]
async fn another_request_is_told_with_the_difference() {
    let cassette = Cassette::with(path(), Mode::Replay, Scrubber::new().unwrap()).unwrap();
    let hub = hub(&cassette).await.unwrap();
    let error = hub.run(&REQUEST.replace("240", "250"), RunOptions::default()).await.unwrap_err().to_string();
    assert!(error.contains("of 240 km in miles? Then") && error.contains("of 250 km in miles? Then"), "{error}");
    let whole = cassette.finish().unwrap_err().to_string();
    assert!(whole.contains("did not come: the model `qwen2.5-coder-0.5b`"), "{whole}");
}
