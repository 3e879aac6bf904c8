//! What servers do wrong, and what comes of it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // helpers of tests are test code

use std::time::{Duration, Instant};

use futures::StreamExt;
use qsef_core::{
    AnyModel, Cost, Delta, Embedder, Error, FinishReason, Generation, LanguageModel, Message, Request, Result,
};
use qsef_openai::{Client, Endpoint, ModelFacts, OpenAiEmbedder, OpenAiModel, Settings};
use serde_json::{Value, json};

mod common;
use common::{Act, Stub, answer, error, event, lines};

fn ask() -> Request {
    Request::new(vec![Message::user("Say hello.")]).max_tokens(100)
}

fn object() -> Value {
    json!({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]})
}

async fn generate(stub: &Stub, request: Request) -> Result<Generation> {
    AnyModel::new(stub.model()).generate(request).await
}

/// The message of an error, in which no key stands.
fn shown(error: &Error) -> String {
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("hush"), "{shown}");
    error.to_string()
}

#[tokio::test]
async fn an_answer_is_streamed_and_counted() {
    let stub = Stub::new([answer("Hello to you")]).await;
    let made = generate(&stub, ask()).await.unwrap();
    assert_eq!((made.text.as_str(), made.finish), ("Hello to you", FinishReason::Stop));
    assert_eq!((made.usage.prompt_tokens, made.usage.cached_tokens, made.usage.completion_tokens), (10, 6, 4));
    let (headers, body) = stub.seen.lock().unwrap()[0].clone();
    assert_eq!(headers["authorization"], "Bearer sk-hush");
    assert_eq!((&body["model"], &body["max_tokens"], &body["stream"]), (&json!("m"), &json!(100), &json!(true)));

    let facts = ModelFacts { input: 2.0, cached: Some(1.0), output: 8.0, ..ModelFacts::default() };
    let client = Client::new(stub.settings().with_model("m", facts)).unwrap();
    let price = OpenAiModel::new(client.clone(), "m").info().price;
    assert_eq!(Cost::of(made.usage, price).usd, (4.0 * 2.0 + 6.0 + 4.0 * 8.0) / 1e6);
    assert!(!format!("{:?} {:?}", client, stub.settings()).contains("hush"));
}

#[tokio::test]
async fn an_overloaded_server_is_asked_again_when_it_said() {
    let busy = Act::Say(429, vec![("retry-after-ms", "900".into())], r#"{"error":{"message":"slow down"}}"#.into());
    let (stub, began) = (Stub::new([busy, answer("Hello")]).await, Instant::now());
    assert_eq!(generate(&stub, ask()).await.unwrap().text, "Hello");
    assert!(began.elapsed() >= Duration::from_millis(900) && stub.requests().len() == 2);
}

#[tokio::test]
async fn who_is_asked_to_wait_for_long_hears_of_it_at_once() {
    let busy = Act::Say(429, vec![("retry-after", "3600".into())], r#"{"error":{"message":"slow down"}}"#.into());
    let stub = Stub::new([busy]).await;
    let Err(Error::Unavailable { what, message, retry_after }) = generate(&stub, ask()).await else {
        panic!("no error")
    };
    assert_eq!((what.as_str(), retry_after), ("openai:m", Some(Duration::from_secs(3600))));
    assert!(message.contains("slow down (status 429)") && message.contains(&stub.url), "{message}");
    assert_eq!(stub.requests().len(), 1);
}

#[tokio::test]
async fn failures_of_the_server_are_repeated_so_and_so_often() {
    let stub = Stub::new([Act::Say(500, vec![], "out of order".into())]).await;
    let error = generate(&stub, ask()).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { retry_after: None, .. }));
    assert!(shown(&error).contains("out of order (status 500)"), "{error}");
    assert_eq!(stub.requests().len(), 3);
}

#[tokio::test]
async fn refusals_say_what_to_do_and_are_not_repeated() {
    for (act, words) in [
        (error(401, "Incorrect API key"), "OPENAI_API_KEY: Incorrect API key (status 401)"),
        (error(404, "The model `m` does not exist"), "no such model, or the base URL is wrong"),
        (error(400, "This model's maximum context length is 8192 tokens"), "longer than the model's context"),
    ] {
        let stub = Stub::new([act]).await;
        let error = generate(&stub, ask()).await.unwrap_err();
        assert!(matches!(error, Error::Input(_)) && shown(&error).contains(words), "{error}");
        assert_eq!(stub.requests().len(), 1);
    }
    let page = Act::Say(200, vec![("content-type", "text/html; charset=utf-8".into())], "<html>Welcome</html>".into());
    let body = json!({"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}).to_string();
    for (act, words) in [
        (page, "a web page came back"),
        (Act::Say(429, vec![], body), "no credit left"),
        (error(400, "the roles are wrong"), "the roles are wrong (status 400)"),
    ] {
        let stub = Stub::new([act]).await;
        let error = generate(&stub, ask()).await.unwrap_err();
        assert!(matches!(error, Error::Model { .. }) && shown(&error).contains(words), "{error}");
        assert!(error.to_string().contains(&stub.url) && stub.requests().len() == 1);
    }
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_named() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut settings = Settings::new(Endpoint::new(&format!("http://{closed}/v1")).unwrap());
    settings.retries = 0;
    let model = AnyModel::new(OpenAiModel::new(Client::new(settings).unwrap(), "m"));
    let error = model.generate(ask()).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }));
    assert!(shown(&error).contains("cannot connect") && error.to_string().contains(&closed.to_string()), "{error}");
}

#[tokio::test]
async fn a_connection_that_is_reset_is_made_again() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepts = tokio::spawn(async move {
        for accepted in 1.. {
            let (stream, _) = listener.accept().await.unwrap();
            drop(stream);
            if accepted == 2 {
                return accepted;
            }
        }
        0
    });
    let mut settings = Settings::new(Endpoint::new(&format!("http://{address}/v1")).unwrap());
    settings.retries = 1;
    let model = AnyModel::new(OpenAiModel::new(Client::new(settings).unwrap(), "m"));
    let error = model.generate(ask()).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }) && shown(&error).contains("the connection broke"), "{error}");
    assert_eq!(accepts.await.unwrap(), 2);
}

#[tokio::test]
async fn silence_ends_the_call() {
    for act in [Act::Hang, Act::Stall(lines("Hello to")[..2].to_vec())] {
        let stub = Stub::new([act]).await;
        let error = generate(&stub, ask()).await.unwrap_err();
        assert!(matches!(error, Error::TimedOut { .. }), "{error}");
        assert_eq!(stub.requests().len(), 1);
    }
}

#[tokio::test]
async fn half_a_stream_is_no_answer() {
    let half = Act::Stream(lines("Hello to you")[..3].to_vec());
    let stub = Stub::new([half.clone(), answer("Hello")]).await;
    let error = generate(&stub, ask()).await.unwrap_err();
    // What was shown cannot be taken back, so this is left to the caller.
    assert!(matches!(error, Error::Unavailable { .. }) && shown(&error).contains("broke off after 9 bytes"), "{error}");
    // Nobody has seen anything of it yet.
    let stub = Stub::new([half, answer("{\"a\": 1}")]).await;
    assert_eq!(generate(&stub, ask().json_schema(object())).await.unwrap().text, "{\"a\": 1}");
    assert_eq!(stub.requests().len(), 2);
    // Some servers end so.
    let unmarked = Act::Stream(lines("Hello to you")[..5].to_vec());
    let made = generate(&Stub::new([unmarked]).await, ask()).await.unwrap();
    assert_eq!((made.text.as_str(), made.usage.completion_tokens), ("Hello to you", 3));
}

#[tokio::test]
async fn what_is_not_the_apis_json_is_shown() {
    for line in ["data: {\"choices\": [\n\n", "data: [1, 2]\n\n"] {
        let stub = Stub::new([Act::Stream(vec![line.into()])]).await;
        let error = generate(&stub, ask()).await.unwrap_err();
        let excerpt = line.trim_start_matches("data: ").trim();
        assert!(matches!(error, Error::Model { .. }) && shown(&error).contains(excerpt), "{error}");
    }
    let broken = |kind: &str| Act::Stream(vec![event(&json!({"error": {"message": "broke", "type": kind}}))]);
    let error = generate(&Stub::new([broken("invalid")]).await, ask()).await.unwrap_err();
    assert!(matches!(error, Error::Model { .. }) && shown(&error).contains("broke"), "{error}");
    let stub = Stub::new([broken("server_error"), answer("Hello")]).await;
    assert_eq!(generate(&stub, ask()).await.unwrap().text, "Hello");
}

#[tokio::test]
async fn a_server_that_does_not_stream_is_understood() {
    let whole = json!({
        "choices": [{"message": {"role": "assistant", "content": "Hello"}, "finish_reason": "length"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 1}
    });
    let act = Act::Say(200, vec![("content-type", "application/json".into())], format!("{whole:#}"));
    let made = generate(&Stub::new([act]).await, ask()).await.unwrap();
    assert_eq!((made.text.as_str(), made.finish, made.usage.prompt_tokens), ("Hello", FinishReason::Length, 3));
}

#[tokio::test]
async fn a_server_without_schemas_is_told_them_in_the_prompt() {
    let refuses = || error(400, "'response_format' of type json_schema is not supported");
    let fenced = || answer("Here it is:\n```json\n{\"a\": 1}\n```");
    let stub = Stub::new([refuses(), refuses(), refuses(), fenced(), answer("{\"a\": 2}")]).await;
    let model = AnyModel::new(stub.model());
    let made = model.generate(ask().json_schema(object())).await.unwrap();
    assert_eq!(made.text, "{\"a\": 1}");
    model.generate(ask().json_schema(object())).await.unwrap();
    let requests = stub.requests();
    let formats: Vec<&str> = requests.iter().map(|r| r["response_format"]["type"].as_str().unwrap_or("none")).collect();
    assert_eq!(formats, ["json_schema", "json_schema", "json_object", "none", "none"], "it is remembered");
    let system = requests[3]["messages"][0]["content"].as_str().unwrap();
    assert!(system.contains("JSON Schema") && system.contains("\"integer\""), "{system}");
    assert_eq!(requests[0]["messages"][0]["role"], "user");
}

#[tokio::test]
async fn an_answer_that_breaks_the_schema_is_asked_for_again_with_the_reason() {
    let stub = Stub::new([answer("{\"b\": 1}"), answer("{\"a\": 1}")]).await;
    let made = generate(&stub, ask().json_schema(object())).await.unwrap();
    assert_eq!((made.text.as_str(), made.usage.prompt_tokens), ("{\"a\": 1}", 20));
    let requests = stub.requests();
    let last = requests[1]["messages"].as_array().unwrap().last().unwrap()["content"].as_str().unwrap();
    assert!(last.contains("lacks the field `a`"), "{last}");

    let stub = Stub::new([answer("{\"b\": 1}")]).await;
    let error = generate(&stub, ask().json_schema(object())).await.unwrap_err();
    assert!(matches!(&error, Error::BadOutput { output, .. } if output == "{\"b\": 1}"), "{error}");
    assert_eq!(stub.requests().len(), 2);
}

#[tokio::test]
async fn parameters_that_a_server_does_not_know_are_left_out() {
    let stub = Stub::new([
        error(
            400,
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens'.",
        ),
        error(400, "Unsupported value: 'temperature' does not support 0 with this model."),
        answer("Hello"),
    ])
    .await;
    assert_eq!(generate(&stub, ask()).await.unwrap().text, "Hello");
    let last = stub.requests().pop().unwrap();
    assert_eq!(last["max_completion_tokens"], 100);
    assert!(last.get("max_tokens").is_none() && last.get("temperature").is_none());
}

#[tokio::test]
async fn an_answer_without_end_is_stopped() {
    let word = event(&json!({"choices": [{"delta": {"content": "and so on "}}]}));
    let stub = Stub::new([Act::Endless(word)]).await;
    let error = generate(&stub, ask()).await.unwrap_err();
    assert!(shown(&error).contains("does not keep to max_tokens (100)"), "{error}");
    // 100 MB in a single event.
    let stub = Stub::new([Act::Endless("x".repeat(1 << 20))]).await;
    let error = generate(&stub, ask()).await.unwrap_err();
    assert!(matches!(error, Error::Model { .. }) && error.to_string().len() < 2000, "{error}");
}

#[tokio::test]
async fn dropping_an_answer_hangs_up() {
    let stub = Stub::new([Act::Stall(lines("Hello to you")[..3].to_vec())]).await;
    let mut stream = stub.model().stream(ask()).await.unwrap();
    assert!(matches!(stream.next().await, Some(Ok(Delta::Text { .. }))));
    drop(stream);
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        if stub.left.load(std::sync::atomic::Ordering::SeqCst) {
            return;
        }
    }
    panic!("the server still writes");
}

#[tokio::test]
async fn another_endpoint_takes_over() {
    let (ill, well) = (Stub::new([error(503, "starting")]).await, Stub::new([answer("Hello")]).await);
    let mut settings = ill.settings();
    settings.endpoints = vec![Endpoint::new(&ill.url).unwrap(), Endpoint::new(&well.url).unwrap()];
    let model = AnyModel::new(OpenAiModel::new(Client::new(settings).unwrap(), "m"));
    for _ in 0..6 {
        assert_eq!(model.generate(ask()).await.unwrap().text, "Hello");
    }
    assert_eq!((ill.requests().len(), well.requests().len()), (1, 6));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_streams_at_once_lose_nothing() {
    let text = "one two three four five six seven eight ".repeat(20);
    let stub = Stub::new([answer(&text)]).await;
    let mut settings = stub.settings();
    settings.idle_timeout = Duration::from_secs(30);
    let model = AnyModel::new(OpenAiModel::new(Client::new(settings).unwrap(), "m"));
    let calls = (0..256).map(|_| {
        let model = model.clone();
        tokio::spawn(async move { model.generate(ask().max_tokens(1000)).await.unwrap().text })
    });
    for made in futures::future::join_all(calls.collect::<Vec<_>>()).await {
        assert_eq!(made.unwrap(), text);
    }
}

#[tokio::test]
async fn vectors_are_put_in_order_and_checked() {
    let vectors = |rows: Value| {
        let body = json!({"data": rows, "usage": {"prompt_tokens": 2, "total_tokens": 2}});
        Act::Say(200, vec![("content-type", "application/json".into())], body.to_string())
    };
    let probe = vectors(json!([{"embedding": [0.0, 1.0], "index": 0}]));
    let two = vectors(json!([{"embedding": [0.0, 2.0], "index": 1}, {"embedding": [3.0, 4.0], "index": 0}]));
    let short = vectors(json!([{"embedding": [1.0, 0.0], "index": 0}]));
    let stub = Stub::new([probe, two, short]).await;
    let embedder = OpenAiEmbedder::open(Client::new(stub.settings()).unwrap(), "e").await.unwrap();
    assert_eq!((embedder.dimensions(), embedder.name()), (2, "openai:e"));
    let texts = || vec!["a".to_owned(), String::new()];
    assert_eq!(embedder.embed(texts()).await.unwrap(), [[0.6, 0.8], [0.0, 1.0]]);
    assert_eq!(stub.requests()[1]["input"], json!(["a", " "]));
    let error = embedder.embed(texts()).await.unwrap_err();
    assert!(shown(&error).contains("1 vectors for 2 texts"), "{error}");
}
