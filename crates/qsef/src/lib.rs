//! Plan with a large model, let small experts do the work.
//!
//! This crate re-exports what an application needs of the workspace and puts it together: [`Models`] opens models by
//! name and fetches them, [`open_agent`] makes a [`Hub`] of an agent's definition.
//!
//! ```no_run
//! # async fn example() -> qsef::Result<()> {
//! let models = qsef::Models::open(|_| {})?;
//! let hub = qsef::open_agent(&qsef::AgentConfig::builtin()?, &models).await?;
//! let report = hub.run("What is 15% of 240 km in miles?", Default::default()).await?;
//! println!("{}", report.answer);
//! # Ok(())
//! # }
//! ```
//!
//! An agent with an expert of one's own, a function whose parameters a model fills from the request's words:
//!
//! ```no_run
//! use qsef::prelude::*;
//!
//! /// When it is high water in a harbour.
//! #[qsef::expert]
//! fn high_water(harbour: String) -> String {
//!     format!("High water in {harbour} is at 14:20.")
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<()> {
//!     let models = Models::open(|_| {})?;
//!     let mut hub = open_agent(&AgentConfig::builtin()?, &models).await?;
//!     hub.registry_mut().add(high_water::expert(models.model("qwen2.5-coder-0.5b")?)).await?;
//!     println!("{}", hub.run("When is high water in Bergen?", RunOptions::default()).await?.answer);
//!     Ok(())
//! }
//! ```
//!
//! # Examples
//!
//! Whole programs, which the tests run:
//!
//! - [custom_expert]: an application's function as an expert, by [`macro@expert`]
//! - [custom_backend]: a model of one's own, which passes `test_util::conformance` (feature `test-util` of `qsef-core`)
//! - [batch]: requests within one budget of tokens
//! - [routing_only]: the score alone, without an agent ([`score`])
//! - [axum_service]: a web service that streams what happens
//! - [mcp]: the tools of an MCP server as experts (feature `mcp`)
//! - [distilled_expert]: an expert that was trained takes over from the LMM while a registry is in use (feature `distill`)
//!
//! [custom_expert]: https://github.com/qsef/qsef/blob/main/examples/custom_expert.rs
//! [custom_backend]: https://github.com/qsef/qsef/blob/main/examples/custom_backend.rs
//! [batch]: https://github.com/qsef/qsef/blob/main/examples/batch.rs
//! [routing_only]: https://github.com/qsef/qsef/blob/main/examples/routing_only.rs
//! [axum_service]: https://github.com/qsef/qsef/blob/main/examples/axum_service.rs
//! [mcp]: https://github.com/qsef/qsef/blob/main/examples/mcp.rs
//! [distilled_expert]: https://github.com/qsef/qsef/blob/main/examples/distilled_expert.rs
//!
//! # Tests without models
//!
//! [`forbid_real_models`], or `QSEF_NO_MODELS=1` in the environment, has every backend refuse to load or call a model.
//! Scripted models (`test_util`) and recorded runs ([`cassette`], [`Models::with_cassette`]) take their place.

#[cfg(feature = "candle")]
mod local;
#[cfg(feature = "otlp")]
pub mod otlp;

#[cfg(feature = "candle")]
pub use local::{DEFAULT_EMBEDDER, DEFAULT_MODEL, Models, agent_experts, home, is_embedded, open_agent, open_ledger};
#[cfg(feature = "distill")]
pub use local::{Distilled, DistilledFolder, Part};
#[cfg(all(feature = "candle", feature = "knowledge"))]
pub use local::{knowledge_path, open_knowledge};
pub use qsef_agent::{
    Analysis, Assignment, Guard, Hub, Judgement, Ledger, Planned, Planner, Registry, RunItem, RunOptions, RunReport,
    SubtaskReport, Verdict,
    config::{AgentConfig, ExpertConfig, McpConfig, build as build_experts},
    experts, ledger, middleware, run, translate,
};
#[cfg(feature = "candle")]
pub use qsef_candle::{decoder::CandleModel, embedder::CandleEmbedder, models};
pub use qsef_cassette as cassette;
pub use qsef_core::*;
#[cfg(feature = "curriculum")]
pub use qsef_curriculum as curriculum;
#[cfg(feature = "distill")]
pub use qsef_distill as distill;
#[cfg(feature = "eval")]
pub use qsef_eval as eval;
#[cfg(feature = "fastembed")]
pub use qsef_fastembed as fastembed;
#[cfg(feature = "knowledge")]
pub use qsef_knowledge as knowledge;
#[cfg(feature = "llamacpp")]
pub use qsef_llamacpp as llamacpp;
#[cfg(feature = "macros")]
pub use qsef_macros::expert;
#[cfg(feature = "mcp")]
pub use qsef_mcp as mcp;
#[cfg(feature = "mistralrs")]
pub use qsef_mistralrs as mistralrs;
#[cfg(feature = "openai")]
pub use qsef_openai as openai;
pub use qsef_score as score;

/// What the code that [`macro@expert`] writes needs.
#[cfg(feature = "macros")]
#[doc(hidden)]
pub mod __private {
    pub use schemars;
    pub use serde;

    /// The error of a function that is an expert.
    pub fn failure(expert: String, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> crate::Error {
        match error.into().downcast::<crate::Error>() {
            Ok(error) => *error,
            Err(error) => crate::Error::Expert { expert, message: error.to_string() },
        }
    }
}

/// What most programs need: `use qsef::prelude::*;`.
pub mod prelude {
    #[cfg(feature = "knowledge")]
    pub use crate::knowledge::{AddOptions, KnowledgeBase};
    pub use crate::{
        AgentConfig, AnyEmbedder, AnyExpert, AnyModel, Budget, Error, Event, EventSink, Expert, ExpertCall,
        ExpertProfile, GenerateTyped, Hub, Ledger, Message, Outcome, Payload, Registry, Request, Result, RunOptions,
        Tool, ToolCall, ToolChoice, experts::TypedExpert,
    };
    #[cfg(feature = "candle")]
    pub use crate::{Models, open_agent};
}
