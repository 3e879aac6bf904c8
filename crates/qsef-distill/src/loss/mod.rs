//! What a student is judged by while it learns. Each term is a loss per text, (texts), so that terms can be weighted by text, logged and
//! switched.

mod align;
mod combine;
mod divergence;
mod maps;
mod resistance;
mod semantic;
mod settings;
mod task;

pub use align::{Measure, Projection, align};
pub use combine::{Loss, Objective, Targets};
pub use divergence::{Divergence, divergence, log_softmax};
pub use maps::map_distance;
pub use resistance::resistance_loss;
pub use semantic::{semantic_distance, semantic_loss};
pub use settings::{Settings, Term};
pub use task::task_loss;

#[cfg(test)]
mod tests;
