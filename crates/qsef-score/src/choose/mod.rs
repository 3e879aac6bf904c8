//! Who does a subtask: candidates, the single best, a committee, a whole plan within budgets, or nobody (paper, sections
//! 6.4.2 and 6.4.3).
//!
//! ```
//! use qsef_score::choose::{Limits, Offer, Slot, assign};
//!
//! let offer = |te, usd| Offer { te, usd, tokens: 500, seconds: 1.0 };
//! // Two subtasks, the second after the first; each can go to a cheap or to a good expert.
//! let slot = |after| Slot { value: 1.0, offers: vec![offer(0.6, 0.001), offer(0.9, 0.004)], after };
//! let limits = Limits { usd: Some(0.005), ..Limits::default() };
//! let assignment = assign(&[slot(vec![]), slot(vec![0])], limits, 0.0)?;
//! assert_eq!(assignment.usd, 0.005);
//! # Ok::<(), qsef_score::choose::AssignError>(())
//! ```

mod abstain;
mod assign;
mod committee;
mod error;
mod filter;
mod offer;
mod problem;
mod relax;
mod repair;
mod search;
mod single;

pub use abstain::{Goal, Threshold};
pub use assign::{Assignment, NODES, assign, assign_within};
pub use committee::{MOST_MEMBERS, Member, Size, committee, majority};
pub use error::{AssignError, Resource};
pub use filter::{Need, candidates};
pub use offer::{Limits, Offer, Slot};
pub use single::best;
