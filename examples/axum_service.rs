//! qsef in an axum service: `POST /ask` with the request as its body streams what happens, then the answer, as server-sent events. A
//! client that hangs up ends its run.
//!
//!     PORT=8080 cargo run --release -p qsef --example axum_service
//!     curl -N localhost:8080/ask -d "What is 15% of 240 km in miles?"

use std::{convert::Infallible, future::ready};

use axum::{
    Router,
    extract::State,
    response::sse::{Event, Sse},
    routing::post,
};
use futures::{Stream, StreamExt, channel::mpsc, stream};
use qsef::prelude::{AgentConfig, Error, EventSink, Hub, Models, Result, RunOptions, open_agent};
use serde_json::{Value, json};

/// The longest request, in bytes.
const LONGEST: usize = 64 << 10;

async fn ask(State(hub): State<Hub>, request: String) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let (sender, receiver) = mpsc::unbounded();
    // Who does not listen any more has dropped the run, too.
    let send =
        move |name: &str, data: Value| drop(sender.unbounded_send(Event::default().event(name).data(data.to_string())));
    let run = async move {
        let mut options = RunOptions::default();
        let told = send.clone();
        options.events = EventSink::new(move |event| told("progress", json!(event)));
        match hub.run(&request, options).await {
            Ok(report) => send("answer", json!({"answer": report.answer, "trace_id": report.trace_id})),
            Err(error) => send("error", json!({"message": error.to_string()})),
        }
    };
    // The run goes on as long as the stream is read.
    let run = stream::once(run).filter_map(|()| ready(None));
    Sse::new(stream::select(receiver, run).map(Ok))
}

#[tokio::main]
async fn main() -> Result<()> {
    let models = Models::open(|_| {})?;
    let hub = open_agent(&AgentConfig::builtin()?, &models).await?;
    let limit = axum::extract::DefaultBodyLimit::max(LONGEST);
    let app = Router::new().route("/ask", post(ask)).layer(limit).with_state(hub);
    let port = std::env::var("PORT").unwrap_or_else(|_| "8080".into());
    let io = |context: &str| {
        let context = context.to_owned();
        |source| Error::Io { context, source }
    };
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await.map_err(io("cannot listen"))?;
    println!("listening on http://{}", listener.local_addr().map_err(io("no address"))?);
    axum::serve(listener, app).await.map_err(io("the server ended"))
}
