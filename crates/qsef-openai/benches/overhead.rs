//! `cargo bench -p qsef-openai`: what qsef adds to a call of async-openai, against a stub that answers at once.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "as in a test, a failure is to be loud")]

use std::{
    future::Future,
    time::{Duration, Instant},
};

use async_openai::config::OpenAIConfig;
use futures::StreamExt;
use qsef_core::{AnyModel, Message, Request};
use serde_json::{Value, json};

#[path = "../tests/common/mod.rs"]
mod common;
use common::{Stub, answer};

const CALLS: usize = 3000;

async fn timed<T>(call: impl Future<Output = T>) -> Duration {
    let began = Instant::now();
    call.await;
    began.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[tokio::main]
async fn main() {
    let stub = Stub::new([answer("one two three four five six seven eight")]).await;
    let config = OpenAIConfig::new().with_api_base(&stub.url).with_api_key("key");
    // First, since it chooses how this process does TLS, which async-openai leaves open.
    let model = AnyModel::new(stub.model());
    let bare = async_openai::Client::with_config(config);
    let body = json!({
        "model": "m", "stream": true, "max_tokens": 100, "temperature": 0.0, "stream_options": {"include_usage": true},
        "messages": [{"role": "user", "content": "Say hello."}]
    });
    let call = async || {
        let mut chunks = bare.chat().create_stream_byot::<_, Value>(&body).await.unwrap();
        let mut text = String::new();
        while let Some(chunk) = chunks.next().await {
            text += chunk.unwrap()["choices"][0]["delta"]["content"].as_str().unwrap_or_default();
        }
        assert_eq!(text.len(), 39);
    };
    let request = Request::new(vec![Message::user("Say hello.")]).max_tokens(100);
    let ours = async || assert_eq!(model.generate(request.clone()).await.unwrap().text.len(), 39);
    // In turn: the machine's speed drifts.
    let (mut theirs_took, mut ours_took) = (Vec::new(), Vec::new());
    for _ in 0..CALLS {
        theirs_took.push(timed(call()).await);
        ours_took.push(timed(ours()).await);
    }
    let (theirs, ours) = (median(theirs_took), median(ours_took));
    println!("{CALLS} calls each, median: async-openai {theirs:?}, qsef {ours:?}");
}
