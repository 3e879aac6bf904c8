//! The Model Context Protocol both ways, with the `qsef` command, real models, and servers and clients that others made.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // helpers of tests are test code

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use assert_cmd::cargo::{cargo_bin, cargo_bin_cmd};
use serde_json::{Value, json};

fn qsef(home: &Path, args: &[&str]) -> assert_cmd::Command {
    let mut command = cargo_bin_cmd!("qsef");
    command.args(args).env("QSEF_HOME", home).env("QSEF_MODELS", qsef::home().unwrap().join("models"));
    command
}

fn read(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"))
}

/// The default agent with servers.
fn agent(home: &Path, servers: &str) -> String {
    let path = home.join("agent.toml");
    std::fs::write(&path, format!("{}\n{servers}", include_str!("../agents/default.toml"))).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Where the programs of others are.
fn others() -> PathBuf {
    let dir = std::env::var_os("QSEF_MCP_BIN");
    PathBuf::from(dir.unwrap_or_else(|| panic!("QSEF_MCP_BIN names the directory of `mcp-server-time`")))
}

#[test]
fn standard_output_carries_the_protocol_alone() {
    let home = tempfile::tempdir().unwrap();
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}
    }});
    let lines = [
        hello,
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"}),
        json!({"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": "ask", "arguments": {"query": " "}}}),
    ];
    let input = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    let output = qsef(home.path(), &["mcp"]).env("QSEF_LOG", "debug").write_stdin(input).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let lines = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(answers.iter().all(|a| a["jsonrpc"] == "2.0"), "{lines}");
    let of = |id: u64| answers.iter().find(|a| a["id"] == id);
    assert_eq!(of(1).unwrap()["result"]["serverInfo"]["name"], "qsef");
    assert_eq!(of(2).unwrap()["result"]["tools"][0]["name"], "ask");
    assert!(!output.stderr.is_empty());
    for (args, code) in [(["mcp", "--agent", "none"], 2), (["mcp", "--agent", "/no/such.toml"], 1)] {
        let output = qsef(home.path(), &args).output().unwrap();
        assert!(output.status.code() == Some(code) && output.stdout.is_empty(), "{output:?}");
    }
}

#[test]
fn an_agent_uses_another_agents_experts_and_says_what_it_could_not_have() {
    let home = tempfile::tempdir().unwrap();
    let program = cargo_bin("qsef");
    let servers = format!(
        r#"
        [[mcp]]
        name = "inner"
        command = {program:?}
        args = ["mcp", "--experts"]
        pass_env = ["QSEF_HOME", "QSEF_MODELS"]
        allow = ["count"]
        [mcp.tools.count]
        description = "Counts the vowels of a word."
        effects = "external"

        [[mcp]]
        name = "broken"
        command = "/no/such/server"
        "#
    );
    let agent = agent(home.path(), &servers);
    let output = qsef(home.path(), &["experts", "list", "--agent", &agent, "--json"]).output().unwrap();
    let experts = read(&output)["experts"].as_array().unwrap().clone();
    let inner = experts.iter().find(|e| e["id"] == "inner.count").unwrap_or_else(|| panic!("{output:?}"));
    assert_eq!(
        (&inner["description"], &inner["effects"]),
        (&json!("Counts the vowels of a word."), &json!("external"))
    );
    assert_eq!(inner["parameters"]["required"], json!(["task"]));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("`broken`") && told.contains("/no/such/server"), "{told}");
    let output = qsef(home.path(), &["experts", "check", &agent]).output().unwrap();
    assert!(
        output.status.success() && String::from_utf8_lossy(&output.stdout).contains("is right: 8 experts"),
        "{output:?}"
    );
    let output = qsef(home.path(), &["experts", "show", "inner.count", "--agent", &agent]).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("changes something in the world"), "{output:?}");
}

#[test]
#[ignore = "needs mcp-server-time; .ci/run runs it"]
fn a_tool_of_a_server_that_others_made_does_a_part_of_a_request() {
    let home = tempfile::tempdir().unwrap();
    let server = others().join("mcp-server-time");
    let agent = agent(home.path(), &format!("[[mcp]]\nname = \"time\"\ncommand = {server:?}\n"));
    let query =
        "Convert 16:30 in the timezone Asia/Tokyo to the timezone Asia/Kolkata. Then count the words in \"a b c\".";
    let output = qsef(home.path(), &["ask", query, "--agent", &agent, "--json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let subtasks = read(&output)["plan"]["subtasks"].clone();
    assert_eq!(subtasks[0]["expert"], "time.convert_time", "{output:?}");
    // Neither place changes its clocks.
    assert_eq!(subtasks[0]["output"]["time_difference"], "-3.5h");
    assert!(subtasks[0]["output"]["target"]["datetime"].as_str().unwrap().contains("T13:00:00"), "{subtasks}");
    assert_eq!(subtasks[1]["expert"], "count");
    // What it did is known the next time.
    let output = qsef(home.path(), &["experts", "show", "time.convert_time", "--agent", &agent]).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 outcomes so far"), "{output:?}");
}

#[test]
#[ignore = "needs the Python SDK of MCP; .ci/run runs it"]
fn a_client_that_others_made_asks() {
    let home = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/mcp_client.py");
    let mut client = Command::new(others().join("python"));
    client.arg(script).arg(cargo_bin("qsef")).env("QSEF_HOME", home.path());
    let output = client.env("QSEF_MODELS", qsef::home().unwrap().join("models")).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let heard = read(&output);
    let tools = heard["tools"].as_array().unwrap();
    assert!(tools[0] == "ask" && tools.contains(&json!("calculate")), "{heard}");
    assert!(heard["answer"].as_str().unwrap().contains("22.369363 miles"), "{heard}");
    let subtasks = heard["document"]["plan"]["subtasks"].as_array().unwrap();
    assert_eq!(subtasks.iter().map(|s| &s["expert"]).collect::<Vec<_>>(), ["calculate", "count"], "{heard}");
    assert!(heard["progress"].as_array().unwrap().len() >= 5, "{heard}");
    assert_eq!(heard["expert"], "24");
    assert_eq!(heard["failed"], true);
}
