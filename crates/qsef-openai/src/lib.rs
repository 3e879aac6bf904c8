//! Models behind any endpoint that speaks OpenAI's API: OpenAI, vLLM, SGLang, llama.cpp's server, Ollama and others.
//!
//! ```no_run
//! # async fn example() -> qsef_core::Result<()> {
//! use qsef_core::{AnyModel, Message, Request};
//! use qsef_openai::{Client, Endpoint, OpenAiModel, Settings};
//!
//! let client = Client::new(Settings::new(Endpoint::new("http://localhost:8000/v1")?))?;
//! let model = AnyModel::new(OpenAiModel::new(client, "qwen2.5-coder-1.5b"));
//! println!("{}", model.generate(Request::new(vec![Message::user("Hello!")])).await?.text);
//! # Ok(())
//! # }
//! ```
//!
//! Servers differ. What one does not know of a request is left out after it said so, and from then on
//! (see [`OpenAiModel`]). Keys stand in no message, log or `Debug` output.

mod by_schema;
mod client;
mod dialect;
mod embedder;
mod endpoint;
mod fault;
mod http;
mod limits;
mod model;
mod reader;
mod settings;
mod table;
mod tokens;
mod wire;

pub use client::{Client, choose_tls};
pub use embedder::OpenAiEmbedder;
pub use endpoint::Endpoint;
pub use model::OpenAiModel;
pub use settings::Settings;
pub use table::ModelFacts;
