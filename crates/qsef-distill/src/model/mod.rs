//! Text encoders that can be trained: of BERT's kind, from weights that are there or from scratch.

mod classifier;
mod config;
mod encoder;
mod files;
mod params;

pub use classifier::Classifier;
pub use config::EncoderConfig;
pub(crate) use encoder::places;
pub use encoder::{Chance, Encoder, Pass};
pub(crate) use files::read_shape;
pub use files::{read_labels, read_weights, write_model};
pub use params::Params;
pub(crate) use params::{Start, random};
