//! Sequence-level distillation into a small decoder: it learns the teacher's texts, such as a curriculum's tiers, by low-rank adapters
//! (LoRA, Hu et al. 2021) beside weights that stay. What comes out is a GGUF file like the one that went in.

mod model;
mod rows;
mod settings;
#[cfg(test)]
mod tests;
mod tune;

pub use model::{Adapters, Decoder};
pub use rows::{Row, Rows};
pub use settings::TuneSettings;
pub use tune::{Tune, Tuned, tune};
