//! The `qsef` command with a planner behind an endpoint, which a thread of the test serves.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // helpers of tests are test code

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::Output,
};

use assert_cmd::cargo::cargo_bin_cmd;
use serde_json::{Value, json};

/// Answers each request with the same plan, as a server does that does not stream.
fn answer(mut stream: TcpStream, plan: &Value) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut line, mut length) = (String::new(), 0);
    while reader.read_line(&mut line).unwrap() > 2 {
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["model"], "planner");
    let answer = json!({
        "choices": [{"message": {"content": plan.to_string()}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1_000_000, "completion_tokens": 500_000}
    })
    .to_string();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        answer.len()
    );
    stream.write_all((head + &answer).as_bytes()).unwrap();
}

fn qsef(home: &Path, base_url: Option<&str>) -> Output {
    let request = "What is 2 + 3? Then count the words in \"a b c\".";
    let mut command = cargo_bin_cmd!("qsef");
    command.args(["ask", request, "--model", "openai:planner", "--json"]).env("QSEF_HOME", home);
    command.env("QSEF_MODELS", qsef::home().unwrap().join("models"));
    for name in ["OPENAI_BASE_URL", "OPENAI_API_KEY", "OPENAI_API_KEY_FILE"] {
        command.env_remove(name);
    }
    if let Some(url) = base_url {
        command.env("OPENAI_BASE_URL", url);
    }
    command.output().unwrap()
}

#[test]
fn a_planner_behind_an_endpoint_plans_and_costs() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let plan =
        json!({"steps": [{"task": "What is 2 + 3", "uses": []}, {"task": "count the words in \"a b c\"", "uses": []}]});
    std::thread::spawn(move || listener.incoming().for_each(|stream| answer(stream.unwrap(), &plan)));
    let home = tempfile::tempdir().unwrap();
    let prices = "[models.planner]\ninput = 2.0\noutput = 8.0\n";
    std::fs::write(home.path().join("openai.toml"), prices).unwrap();
    let output = qsef(home.path(), Some(&url));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"));
    assert!(document["usage"]["by_model"].get("openai:planner").is_some(), "{document}");
    assert_eq!(document["cost_usd"], 2.0 + 4.0, "{document}");
    assert_eq!(document["plan"]["subtasks"].as_array().unwrap().len(), 2, "{document}");
}

#[test]
fn without_a_key_or_with_a_broken_file_a_line_says_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let output = qsef(home.path(), None);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && error.contains("OPENAI_API_KEY_FILE"), "{error}");
    std::fs::write(home.path().join("openai.toml"), "retries = 1\nretires = 2\n").unwrap();
    let output = qsef(home.path(), None);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && error.contains("openai.toml:2") && error.contains("retires"), "{error}");
}
