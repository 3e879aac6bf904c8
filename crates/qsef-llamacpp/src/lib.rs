//! GGUF models on llama.cpp, in this process: all architectures that llama.cpp knows, on the processor or a GPU.
//!
//! [`LlamaCppModel`] is the whole of it: load a file, and use it as a [`qsef_core::LanguageModel`]. Attention state is kept
//! between calls, so a prompt that begins as an earlier one did costs only what is new. What llama.cpp logs goes to `tracing`.

mod file;
#[cfg(feature = "mtmd")]
mod media;
mod model;
mod options;
mod session;
mod words;
mod worker;

pub use model::LlamaCppModel;
pub use options::Options;
