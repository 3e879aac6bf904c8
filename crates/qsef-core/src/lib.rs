//! The contracts of qsef: what a language model, an embedder and an expert are, and the values that pass between
//! them. Types and traits only: no I/O, no model, few dependencies, so that a backend or an expert can live in a
//! crate of its own and depend on nothing else.

mod budget;
mod embedder;
mod error;
mod event;
mod expert;
mod hand_off;
mod message;
mod model;
mod payload;
mod plan;
pub mod prompt;
mod real;
pub mod schema;
#[cfg(feature = "test-util")]
pub mod test_util;
mod tool;
mod typed;

pub use budget::{Budget, Cost, Price};
pub use embedder::{AnyEmbedder, Embedder, ImageEmbedder};
pub use error::{Error, Result};
pub use event::{Event, EventSink};
pub use expert::{AnyExpert, Effects, Expert, ExpertCall, ExpertProfile, Input, Outcome};
pub use hand_off::{HandOff, Means};
pub use message::{Media, Message, Part, Role};
pub use model::{
    AnyModel, Delta, DeltaStream, FinishReason, Generation, LanguageModel, ModelInfo, OutputFormat, Request,
    TokenLogprob, Usage,
};
pub use payload::{Format, Modality, OutputType, Payload};
pub use plan::{Plan, Status, Subtask, SubtaskId};
pub use real::{check_real_model, forbid_real_models};
pub use tool::{Tool, ToolCall, ToolChoice};
pub use typed::GenerateTyped;
