//! Experts that come with qsef: exact calculation, text tools, model experts and typed Rust functions.

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

mod calculate;
mod count;
mod extract;
mod function;
mod model;
mod numbers;
mod readability;
mod sort;
mod source;
mod typed;

pub use calculate::Calculate;
pub use count::count;
pub use extract::extract;
pub use function::FnExpert;
pub use model::{ModelExpert, Produces};
pub use readability::readability;
pub use sort::sort;
pub use typed::TypedExpert;
