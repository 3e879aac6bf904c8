//! A server that answers as it is told, and keeps what it was asked.

#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // helpers of tests are test code

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderMap, Response, Uri},
};
use futures::{StreamExt, stream};
use qsef_openai::{Client, Endpoint, OpenAiModel, Settings};
use serde_json::{Value, json};

/// What the server does with a request.
#[derive(Clone)]
pub enum Act {
    /// Answers with a status, headers and a body.
    Say(u16, Vec<(&'static str, String)>, String),
    /// Streams these lines, then hangs up.
    Stream(Vec<String>),
    /// Streams these lines, then says nothing more.
    Stall(Vec<String>),
    /// Streams the line again and again.
    Endless(String),
    /// Says nothing.
    Hang,
}

#[derive(Clone)]
pub struct Stub {
    pub url: String,
    acts: Arc<Mutex<VecDeque<Act>>>,
    pub seen: Arc<Mutex<Vec<(HeaderMap, Value)>>>,
    /// Whether a client hung up in the middle of a stream that never ends.
    pub left: Arc<AtomicBool>,
}

struct Leaves(Arc<AtomicBool>);

impl Drop for Leaves {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// The lines of a whole streamed answer.
pub fn lines(text: &str) -> Vec<String> {
    let chunk = |delta: Value, finish: Value| {
        event(&json!({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}))
    };
    let mut lines = vec![chunk(json!({"role": "assistant"}), Value::Null)];
    lines.extend(text.split_inclusive(' ').map(|word| chunk(json!({"content": word}), Value::Null)));
    lines.push(chunk(json!({}), "stop".into()));
    let counts = json!({"prompt_tokens": 10, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 6}});
    lines.push(event(&json!({"choices": [], "usage": counts})));
    lines.push("data: [DONE]\n\n".into());
    lines
}

pub fn event(value: &Value) -> String {
    format!("data: {value}\n\n")
}

/// A whole streamed answer.
pub fn answer(text: &str) -> Act {
    Act::Stream(lines(text))
}

/// An error as OpenAI writes it.
pub fn error(status: u16, message: &str) -> Act {
    Act::Say(
        status,
        vec![("content-type", "application/json".into())],
        json!({"error": {"message": message}}).to_string(),
    )
}

impl Stub {
    /// A server that does these things in turn, and the last one from then on.
    pub async fn new(acts: impl IntoIterator<Item = Act>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stub = Self {
            url: format!("http://{}/v1", listener.local_addr().unwrap()),
            acts: Arc::new(Mutex::new(acts.into_iter().collect())),
            seen: Arc::default(),
            left: Arc::default(),
        };
        let server = stub.clone();
        let app = Router::new().fallback(move |_: Uri, headers: HeaderMap, body: Bytes| async move {
            server.handle(headers, &body).await
        });
        tokio::spawn(async { axum::serve(listener, app).await });
        stub
    }

    async fn handle(&self, headers: HeaderMap, body: &[u8]) -> Response<Body> {
        self.seen.lock().unwrap().push((headers, serde_json::from_slice(body).unwrap()));
        let act = {
            let mut acts = self.acts.lock().unwrap();
            if acts.len() > 1 { acts.pop_front().unwrap() } else { acts[0].clone() }
        };
        let never = stream::pending::<String>();
        let leaves = Leaves(self.left.clone());
        let events = |lines: stream::BoxStream<'static, String>, leaves: Option<Leaves>| {
            let lines = lines.map(move |line| {
                let _ = &leaves;
                Ok::<_, Infallible>(line)
            });
            Response::builder().header("content-type", "text/event-stream").body(Body::from_stream(lines)).unwrap()
        };
        match act {
            Act::Say(status, headers, body) => {
                let mut response = Response::builder().status(status);
                for (name, value) in headers {
                    response = response.header(name, value);
                }
                response.body(body.into()).unwrap()
            }
            Act::Stream(lines) => events(stream::iter(lines).boxed(), None),
            Act::Stall(lines) => events(stream::iter(lines).chain(never).boxed(), Some(leaves)),
            Act::Endless(line) => events(stream::repeat(line).boxed(), Some(leaves)),
            Act::Hang => std::future::pending().await,
        }
    }

    pub fn requests(&self) -> Vec<Value> {
        self.seen.lock().unwrap().iter().map(|(_, body)| body.clone()).collect()
    }

    pub fn settings(&self) -> Settings {
        let mut settings = Settings::new(Endpoint::new(&self.url).unwrap().with_key("sk-hush").unwrap());
        settings.idle_timeout = Duration::from_millis(400);
        settings
    }

    pub fn model(&self) -> OpenAiModel {
        OpenAiModel::new(Client::new(self.settings()).unwrap(), "m")
    }
}
