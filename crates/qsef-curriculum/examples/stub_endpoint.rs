//! An endpoint of OpenAI's form that answers the curriculum's prompts by rule after a fixed time, for measurements and for tests of
//! interruption: `stub_endpoint ADDRESS MILLISECONDS`. `GET /count` tells how many requests came, and how many of them twice.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::State,
    http::header::CONTENT_TYPE,
    response::IntoResponse,
    routing::{get, post},
};
use serde_json::{Map, Value, json};

struct Stub {
    delay: Duration,
    hasher: RandomState,
    seen: Mutex<HashMap<u64, u32>>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let address = args.next().unwrap_or_else(|| "127.0.0.1:8189".into());
    let delay = Duration::from_millis(args.next().and_then(|text| text.parse().ok()).unwrap_or(50));
    let stub = Arc::new(Stub { delay, hasher: RandomState::new(), seen: Mutex::default() });
    let router =
        Router::new().route("/v1/chat/completions", post(complete)).route("/count", get(count)).with_state(stub);
    let listener = tokio::net::TcpListener::bind(&address).await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, router).await?;
    Ok(())
}

async fn count(State(stub): State<Arc<Stub>>) -> impl IntoResponse {
    let seen = stub.seen.lock().unwrap_or_else(PoisonError::into_inner);
    let all: u32 = seen.values().sum();
    json!({"requests": all, "again": all as usize - seen.len()}).to_string()
}

async fn complete(State(stub): State<Arc<Stub>>, body: String) -> impl IntoResponse {
    let began = Instant::now();
    let number = stub.hasher.hash_one(&body);
    *stub.seen.lock().unwrap_or_else(PoisonError::into_inner).entry(number).or_default() += 1;
    let request: Value = serde_json::from_str(&body).unwrap_or_default();
    let answer = answer(&request);
    let tokens = |text: &str| text.len() / 4;
    // Tokio's clock has steps of a millisecond, and would add one or two.
    let rest = stub.delay.saturating_sub(began.elapsed());
    let _ = tokio::task::spawn_blocking(move || std::thread::sleep(rest)).await;
    let body = json!({
        "id": "stub", "object": "chat.completion", "created": 0, "model": request.get("model"),
        "choices": [{"index": 0, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": tokens(&body), "completion_tokens": tokens(&answer), "total_tokens": tokens(&body) + tokens(&answer)},
    });
    ([(CONTENT_TYPE, "application/json")], body.to_string())
}

/// What the schema of the request asks for.
fn answer(request: &Value) -> String {
    let last = request.pointer("/messages").and_then(Value::as_array).and_then(|messages| messages.last());
    let user = last.and_then(|message| message.get("content")).and_then(Value::as_str).unwrap_or_default();
    let Some(properties) = request.pointer("/response_format/json_schema/schema/properties").and_then(Value::as_object)
    else {
        return "This is what there is to say.".into();
    };
    if properties.contains_key("analogies") {
        let three = ["It is like a full jar.", "It is like a warm bath.", "It is like a big bag."];
        return json!({"analogies": three}).to_string();
    }
    if properties.contains_key("question") {
        let word =
            user.split_whitespace().filter(|word| word.chars().all(char::is_alphabetic)).max_by_key(|word| word.len());
        return json!({"question": format!("What is known about {}?", word.unwrap_or("it"))}).to_string();
    }
    if properties.contains_key("same") {
        return json!({"same": "yes"}).to_string();
    }
    let most = user.rsplit("At most ").next().and_then(|rest| rest.split(' ').next()?.parse().ok()).unwrap_or(8);
    let mut texts = Map::new();
    for line in user.lines() {
        if let Some((key, sentence)) = line.split_once(". ").filter(|(key, _)| properties.contains_key(*key)) {
            texts.insert(key.into(), shorter(sentence, most).into());
        }
    }
    Value::Object(texts).to_string()
}

/// The same words in sentences of at most so many, without the commas between.
fn shorter(sentence: &str, most: usize) -> String {
    let words: Vec<&str> = sentence.split_whitespace().collect();
    let mut text = String::new();
    for part in words.chunks(most.max(2)) {
        let part = part.join(" ");
        let part = part.trim_end_matches(['.', ',', ';']).replace([',', ';'], "");
        let mut letters = part.chars();
        let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
        text.push_str(&format!("{first}{}. ", letters.as_str()));
    }
    text.trim_end().into()
}
