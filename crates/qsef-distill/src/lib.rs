//! Small experts trained from large ones: knowledge distillation by semantic distance and cultural resistance (the QSEF-KD paper, sections
//! 3.1 to 3.3, 4.3 and 6.3), on candle.
//!
//! - [`model`]: encoders that can be trained, [`text`]: their vocabularies, [`batch`]: texts in packed form.
//! - [`ops`]: the operations with gradients, [`loss`]: what is minimised, [`optim`]: how.
//! - [`data`]: rows to learn from, [`sample`]: which of them a student sees when, [`resistance`]: how hard they are.
//! - [`teacher`]: who it learns from, [`train`]: the steps.
//! - [`compute`]: on which device.
//! - [`config`], [`run`]: grids of runs over modes and seeds, [`augment`]: simpler variants of texts.
//! - [`export`]: a student as an expert, [`coverage`]: the words that it has learnt.
//! - [`decoder`]: small language models that learn a teacher's texts.

pub mod augment;
pub mod batch;
pub mod compute;
pub mod config;
pub mod coverage;
pub mod data;
pub mod decoder;
pub mod export;
mod files;
pub mod loss;
pub mod model;
pub mod ops;
pub mod optim;
mod random;
mod ranges;
pub mod resistance;
pub mod run;
pub mod sample;
pub mod teacher;
pub mod text;
pub mod train;
