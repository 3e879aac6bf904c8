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
use serde_json::{Value, json};

#[path = "../tests/rules/mod.rs"]
mod rules;

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
    match request.pointer("/response_format/json_schema/schema/properties").and_then(Value::as_object) {
        Some(properties) => rules::answer(properties, user).to_string(),
        None => "This is what there is to say.".into(),
    }
}
