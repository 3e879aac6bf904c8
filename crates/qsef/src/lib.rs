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

#[cfg(feature = "candle")]
mod local;
#[cfg(feature = "otlp")]
pub mod otlp;

#[cfg(feature = "candle")]
pub use local::{DEFAULT_EMBEDDER, DEFAULT_MODEL, Models, home, is_embedded, open_agent, open_ledger};
pub use qsef_agent::{
    Analysis, Assignment, Guard, Hub, Judgement, Ledger, Planned, Planner, Registry, RunItem, RunOptions, RunReport,
    SubtaskReport, Verdict,
    config::{AgentConfig, build as build_experts},
    experts, ledger, middleware, run, translate,
};
#[cfg(feature = "candle")]
pub use qsef_candle::{decoder::CandleModel, embedder::CandleEmbedder, models};
pub use qsef_core::*;
#[cfg(feature = "eval")]
pub use qsef_eval as eval;
#[cfg(feature = "llamacpp")]
pub use qsef_llamacpp as llamacpp;
#[cfg(feature = "openai")]
pub use qsef_openai as openai;
pub use qsef_score as score;

/// What most programs need: `use qsef::prelude::*;`.
pub mod prelude {
    pub use crate::{
        AgentConfig, AnyEmbedder, AnyExpert, AnyModel, Budget, Error, Event, EventSink, Expert, ExpertCall,
        ExpertProfile, GenerateTyped, Hub, Ledger, Message, Outcome, Payload, Registry, Request, Result, RunOptions,
        experts::TypedExpert,
    };
    #[cfg(feature = "candle")]
    pub use crate::{Models, open_agent};
}
