//! The embedded backend of qsef: models that run in this process, on candle, from files that it fetches itself.
//!
//! - [`models`]: the manifest of models and how their files get here.
//! - [`decoder`]: GGUF language models with constrained decoding.
//! - [`embedder`]: MiniLM-class sentence embedders.
//! - [`classifier`]: encoders that tell classes apart, as `qsef-distill` trains them; [`tags`]: parts of a text as tags of its words.

pub mod classifier;
#[doc(hidden)]
pub mod dense;

pub mod decoder;
pub mod embedder;
pub mod models;
pub mod tags;
