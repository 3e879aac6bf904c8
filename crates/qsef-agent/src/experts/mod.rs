//! Experts that come with qsef: exact calculation, text tools, model experts and typed Rust functions.

mod arguments;
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

pub use arguments::Function;
pub use calculate::Calculate;
pub use count::count;
pub use extract::extract;
pub use function::FnExpert;
pub use model::{ModelExpert, Produces};
pub use readability::readability;
pub use sort::sort;
pub use typed::TypedExpert;
