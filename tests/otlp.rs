//! Spans over OTLP: what a collector gets of a run.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // helpers of tests are test code

use std::{
    collections::BTreeSet,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use assert_cmd::cargo::cargo_bin_cmd;
use serde_json::Value;

/// A collector that answers each request with success; where it listens, and the bodies that it gets with their paths.
fn collector() -> (String, Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (sender, bodies) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            while let Some(request) = stream.as_ref().ok().and_then(read) {
                if sender.send(request).is_err() {
                    return;
                }
            }
        }
    });
    (endpoint, bodies)
}

/// Path and body of the next request on a connection.
fn read(mut stream: &TcpStream) -> Option<(String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.extend(byte);
    }
    let head = String::from_utf8(head).ok()?;
    let length = head.lines().find_map(|l| l.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).ok()?;
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}").ok()?;
    Some((head.split(' ').nth(1)?.to_owned(), body))
}

/// Asks the command with a collector, over a protocol; what that got.
fn ask(request: &str, protocol: &str) -> Vec<(String, Vec<u8>)> {
    let (endpoint, bodies) = collector();
    let mut command = cargo_bin_cmd!("qsef");
    command.args(["ask", request, "--json", "--model", "qwen2.5-coder-0.5b"]);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint).env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    // All was sent before the command ended.
    std::iter::from_fn(|| bodies.recv_timeout(Duration::from_millis(200)).ok()).collect()
}

#[test]
fn a_collector_gets_the_spans_of_a_run_with_their_attributes() {
    let bodies = ask("Count the words in \"b c a\" and sort them alphabetically.", "http/json");
    assert!(bodies.iter().all(|(path, _)| path == "/v1/traces") && !bodies.is_empty());
    let mut spans: Vec<(String, String, BTreeSet<String>)> = Vec::new();
    for (_, body) in &bodies {
        let document: Value = serde_json::from_slice(body).unwrap();
        for resource in document["resourceSpans"].as_array().unwrap() {
            let service = &resource["resource"]["attributes"];
            assert!(service.to_string().contains("\"qsef\""), "{service}");
            for span in resource["scopeSpans"].as_array().unwrap().iter().flat_map(|s| s["spans"].as_array().unwrap()) {
                let keys = span["attributes"].as_array().unwrap().iter().map(|a| a["key"].as_str().unwrap().to_owned());
                let text = |key: &str| span[key].as_str().unwrap_or_default().to_owned();
                spans.push((text("name"), text("parentSpanId"), keys.collect()));
            }
        }
    }
    for (name, attributes) in [
        (
            "invoke_agent",
            &["gen_ai.operation.name", "gen_ai.agent.name", "gen_ai.conversation.id", "gen_ai.usage.input_tokens"][..],
        ),
        ("execute_tool", &["gen_ai.operation.name", "gen_ai.tool.name", "gen_ai.tool.call.id"]),
        ("chat", &["gen_ai.request.model", "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"]),
    ] {
        let found = spans.iter().find(|(n, ..)| n == name);
        let (_, parent, keys) = found.unwrap_or_else(|| panic!("no {name} in {spans:?}"));
        assert!(attributes.iter().all(|a| keys.contains(*a)), "{name}: {keys:?}");
        assert_eq!(parent.is_empty(), name == "invoke_agent", "{name} has the parent `{parent}`");
    }
}

#[test]
fn the_protocol_is_protobuf_where_it_asks_for_that() {
    let bodies = ask("Count the words in \"b c a\"", "http/protobuf");
    let has = |what: &[u8]| bodies.iter().any(|(_, body)| body.windows(what.len()).any(|w| w == what));
    assert!(has(b"invoke_agent") && has(b"execute_tool") && has(b"gen_ai.tool.name"));
    assert!(bodies.iter().all(|(_, body)| !body.starts_with(b"{")));
}

#[test]
fn settings_that_cannot_be_used_are_refused_and_a_dead_collector_stops_nothing() {
    let mut command = cargo_bin_cmd!("qsef");
    let output = command.args(["models", "list"]).env("OTEL_EXPORTER_OTLP_ENDPOINT", "not a url").output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && errors.contains("OTEL_EXPORTER_OTLP"), "{errors}");
    let mut command = cargo_bin_cmd!("qsef");
    command.args(["ask", "Count the words in \"b c a\"", "--json"]);
    let output = command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9").output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && errors.contains("not sent"), "{errors}");
    serde_json::from_slice::<Value>(&output.stdout).unwrap();
}
