//! Training: steps, validation, checkpoints.

mod checkpoint;
mod predict;
mod trainer;

pub use checkpoint::{Checkpoint, Running};
pub use predict::{Predictions, predict};
pub(crate) use predict::{by_text, likeliest, softmax};
pub use trainer::{Judge, Logged, TrainSettings, Trained, Trainer, Watch};

#[cfg(test)]
mod tests;
