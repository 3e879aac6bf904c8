//! Calls of tools, from servers that know them and from those that do not.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // helpers of tests are test code

use qsef_core::{AnyModel, Error, FinishReason, Generation, Message, Request, Result, Tool, ToolCall, ToolChoice};
use serde_json::{Value, json};

mod common;
use common::{Act, Stub, answer, error, event};

fn ask() -> Request {
    let city = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    let tools =
        [Tool::new("get_weather", "The weather.", city), Tool::new("stop", "Stops.", json!({"type": "object"}))];
    Request::new(vec![Message::user("What is the weather in Oslo?")]).max_tokens(100).tools(tools)
}

async fn generate(stub: &Stub, request: Request) -> Result<Generation> {
    AnyModel::new(stub.model()).generate(request).await
}

/// A streamed answer of these deltas.
fn deltas(deltas: impl IntoIterator<Item = Value>, finish: &str) -> Act {
    let chunk = |delta: Value, finish: Value| event(&json!({"choices": [{"delta": delta, "finish_reason": finish}]}));
    let mut lines: Vec<String> = deltas.into_iter().map(|delta| chunk(delta, Value::Null)).collect();
    lines.push(chunk(json!({}), finish.into()));
    lines.push("data: [DONE]\n\n".into());
    Act::Stream(lines)
}

fn piece(index: usize, id: &str, name: &str, arguments: &str) -> Value {
    let function = json!({"name": name, "arguments": arguments});
    json!({"tool_calls": [{"index": index, "id": id, "type": "function", "function": function}]})
}

fn call(id: &str, name: &str, arguments: Value) -> ToolCall {
    ToolCall { id: id.into(), name: name.into(), arguments }
}

#[tokio::test]
async fn calls_are_put_together_from_their_pieces() {
    let pieces = [
        json!({"content": "Let me see."}),
        piece(0, "a", "get_weather", "{\"ci"),
        piece(1, "b", "stop", ""),
        json!({"tool_calls": [{"index": 0, "function": {"arguments": "ty\": \"Oslo\"}"}}]}),
    ];
    let stub = Stub::new([deltas(pieces, "tool_calls")]).await;
    let made = generate(&stub, ask()).await.unwrap();
    let expected = [call("a", "get_weather", json!({"city": "Oslo"})), call("b", "stop", json!({}))];
    assert_eq!(
        (made.text.as_str(), &made.calls[..], made.finish),
        ("Let me see.", &expected[..], FinishReason::ToolCalls)
    );
    let sent = stub.requests().remove(0);
    assert_eq!((&sent["tools"][1]["function"]["name"], sent.get("tool_choice")), (&json!("stop"), None));
}

#[tokio::test]
async fn servers_that_deviate_are_understood() {
    // No ids, no indices, the arguments as an object, the wrong reason to end.
    let whole =
        |city: &str| json!({"tool_calls": [{"function": {"name": "get_weather", "arguments": {"city": city}}}]});
    let stub = Stub::new([deltas([whole("Oslo"), whole("Rome")], "stop")]).await;
    let made = generate(&stub, ask()).await.unwrap();
    let called = |id: &str, city: &str| call(id, "get_weather", json!({ "city": city }));
    assert_eq!(
        (made.calls, made.finish),
        (vec![called("call-1", "Oslo"), called("call-2", "Rome")], FinishReason::ToolCalls)
    );
}

#[tokio::test]
async fn calls_that_cannot_be_made_are_bad_output() {
    for (name, arguments, words) in [
        ("get_weather", "{\"city\": ", "no JSON"),
        ("get_weather", "{\"town\": \"Oslo\"}", "lacks the field `city`"),
        ("rm", "{}", "there is no tool `rm`"),
    ] {
        let stub = Stub::new([deltas([piece(0, "a", name, arguments)], "tool_calls")]).await;
        let error = generate(&stub, ask()).await.unwrap_err();
        assert!(matches!(error, Error::BadOutput { .. }) && error.to_string().contains(words), "{error}");
    }
    let cut = Stub::new([deltas([piece(0, "a", "get_weather", "{\"city\": ")], "length")]).await;
    let made = generate(&cut, ask()).await.unwrap();
    assert_eq!((made.calls.len(), made.finish), (0, FinishReason::Length));
    let endless = event(&json!({"choices": [{"delta": piece(0, "a", "stop", &"[".repeat(1000))}]}));
    let error = generate(&Stub::new([Act::Endless(endless)]).await, ask()).await.unwrap_err();
    assert!(error.to_string().contains("does not keep to max_tokens"), "{error}");
}

#[tokio::test]
async fn a_server_without_tools_is_told_them_in_the_prompt() {
    let refuses = error(400, "This model does not support tools");
    let written = answer(r#"{"name": "get_weather", "arguments": {"city": "Oslo"}}"#);
    let stub = Stub::new([refuses, written, answer(r#"{"answer": "It snows."}"#)]).await;
    let model = AnyModel::new(stub.model());
    let made = model.generate(ask()).await.unwrap();
    assert_eq!(made.calls, [call("call-1", "get_weather", json!({"city": "Oslo"}))]);
    let mut next = ask();
    next.messages.extend([Message::calls("", made.calls), Message::tool_result("call-1", "snow")]);
    let made = model.generate(next).await.unwrap();
    assert_eq!((made.text.as_str(), made.finish), ("It snows.", FinishReason::Stop));
    let requests = stub.requests();
    assert!(requests[1..].iter().all(|sent| sent.get("tools").is_none()), "it is remembered");
    assert_eq!(requests[2]["messages"][3]["content"], "get_weather returned:\nsnow\n");
}

#[tokio::test]
async fn a_server_that_does_not_call_what_is_required_is_made_to() {
    let written = answer(r#"{"name": "stop", "arguments": {}}"#);
    let stub = Stub::new([answer("I will not."), written]).await;
    let made = generate(&stub, ask().tool_choice(ToolChoice::Named("stop".into()))).await.unwrap();
    assert_eq!(made.calls, [call("call-1", "stop", json!({}))]);
    assert_eq!(stub.requests()[0]["tool_choice"]["function"]["name"], "stop");

    let never = Stub::new([answer("I will not.")]).await;
    let error = generate(&never, ask().tool_choice(ToolChoice::Required)).await.unwrap_err();
    assert!(matches!(&error, Error::BadOutput { output, .. } if output == "I will not."), "{error}");
}

#[tokio::test]
async fn what_cannot_be_offered_is_not_sent() {
    let stub = Stub::new([answer("?")]).await;
    let twice = ask().tools([Tool::new("a", "", json!({})), Tool::new("a", "", json!({}))]);
    let error = generate(&stub, twice).await.unwrap_err();
    assert!(matches!(error, Error::Input(_)) && stub.requests().is_empty(), "{error}");
}
