//! Variants of texts, for a teacher to say more than the training rows ask.

mod mentions;
mod neighbours;
mod rules;

pub use mentions::Mentions;
pub use neighbours::Neighbours;
pub(crate) use rules::EMPTY;
pub use rules::simpler;
