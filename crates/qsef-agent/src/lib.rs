//! The hub: it plans a request, gives each subtask to the expert with the best QSEF score, runs them and joins the
//! answer.

mod answer;
pub mod config;
mod executor;
pub mod experts;
mod hub;
mod planner;
mod prompts;
mod registry;
mod report;

pub use hub::{Hub, RunOptions};
pub use planner::{Analysis, Planned, Planner, analyse};
pub use registry::{Assignment, Registry};
pub use report::{RunReport, SubtaskReport};
