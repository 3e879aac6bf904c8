//! GGUF language models of the `qwen2` and `llama` architectures, with constrained decoding.
//!
//! [`CandleModel`] is the whole of it: load a file, and use it as a [`qsef_core::LanguageModel`]. Weights stay quantised;
//! attention state is kept between calls, so a prompt that begins as an earlier one did costs only what is new.

mod attention;
mod blocks;
mod config;
mod engine;
mod file;
mod forward;
mod gguf;
mod kv;
mod linear;
mod model;
mod prefix;
mod requantised;
mod saved;
mod session;
mod tokens;
mod weights;

pub use config::{DecoderConfig, Rope};
pub use file::DecoderFile;
pub use model::CandleModel;
