//! From sources to a folder.

mod arrange;
mod estimate;
mod folder;
mod generator;
mod job;

pub use arrange::{StudentProgress, arrange};
pub use estimate::Estimate;
pub use generator::Generator;
pub use job::{Done, Input, Job, Prepared, Progress};
