//! Models on mistral.rs, in this process: GGUF files, and directories of safetensors whose models may also read images and sound. It
//! is at its best on a GPU (features `cuda`, `flash-attn`, `metal`).
//!
//! [`MistralRsModel`] is the whole of it: load a file or a directory, and use it as a [`qsef_core::LanguageModel`]. Nothing is fetched.
//! What mistral.rs logs goes to `tracing`.

mod file;
mod model;
mod options;
mod reader;
mod request;

pub use model::MistralRsModel;
pub use options::Options;
