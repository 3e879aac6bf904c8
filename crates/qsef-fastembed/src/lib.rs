//! Embedders of texts and images on fastembed, in this process: any BERT-like or CLIP-like model in the ONNX format.
//!
//! They run on ONNX Runtime, which is not built in: [`Runtime::load`] takes its library. Where the application does not bring it,
//! it is `onnxruntime` in the store of models. Then load an embedder from a directory, and use [`FastembedEmbedder`] as a
//! [`qsef_core::Embedder`], [`FastembedImageEmbedder`] as a [`qsef_core::ImageEmbedder`].

mod files;
mod image;
mod options;
mod runtime;
mod text;

pub use image::FastembedImageEmbedder;
pub use options::{Options, Pooling};
pub use runtime::Runtime;
pub use text::FastembedEmbedder;
