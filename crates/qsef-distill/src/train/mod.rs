//! Training: steps, validation, checkpoints.

mod checkpoint;
mod predict;
mod trainer;

pub use checkpoint::Checkpoint;
pub use predict::{Predictions, predict};
pub use trainer::{Logged, TrainSettings, Trained, Trainer, Watch};

#[cfg(test)]
mod tests;
