//! The hub: it plans a request, gives each subtask to the expert with the best QSEF score, runs them and joins the
//! answer.

/// A regular expression that is a constant of the program, compiled once.
macro_rules! regex {
    ($pattern:expr) => {{
        static PATTERN: std::sync::LazyLock<regex::Regex> = std::sync::LazyLock::new(|| {
            #[allow(clippy::expect_used, reason = "a constant pattern that the tests compile")]
            let compiled = regex::Regex::new($pattern).expect("a valid pattern");
            compiled
        });
        &*PATTERN
    }};
}

mod answer;
mod caller;
mod chat;
pub mod complete;
pub mod config;
pub mod experts;
mod guard;
mod hub;
mod judge;
pub mod ledger;
pub mod middleware;
mod planner;
mod prompts;
mod registry;
mod report;
pub mod run;
pub mod translate;

pub use guard::Guard;
pub use hub::{Hub, RunItem, RunOptions};
pub use judge::{Judgement, Verdict};
pub use ledger::Ledger;
pub use planner::{Analysis, Planned, Planner, analyse};
pub use registry::{Assignment, Registry};
pub use report::{RunReport, SubtaskReport};
