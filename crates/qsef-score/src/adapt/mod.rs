//! Online adaptation: a contextual bandit whose prior mean is TE (paper, section 6.4.4, feedback).
//!
//! TE already carries the context, so that each expert only needs one correction: how its outcomes compare with what TE
//! expected of it. Outcomes are forgotten geometrically, for all experts at the same pace: one that is no longer chosen
//! returns to its prior and is tried again.
//!
//! ```
//! use qsef_score::adapt::{Bandit, Candidate, Settings};
//!
//! let mut bandit = Bandit::new(Settings::default(), 7)?;
//! bandit.add("units", 0);
//! bandit.add("poems", 0);
//! let candidates = [Candidate { expert: "units", te: 0.8, usd: 0.0 }, Candidate { expert: "poems", te: 0.3, usd: 0.0 }];
//! let chosen = bandit.choose(&candidates, 0.0).expect("both are registered");
//! // … the expert does the task, and feedback says how well:
//! bandit.observe(candidates[chosen].expert, candidates[chosen].te, 1.0)?;
//! # Ok::<(), qsef_core::Error>(())
//! ```

mod arm;
mod bandit;
mod settings;

pub(crate) use arm::{Arm, KEPT};
pub use bandit::{Bandit, Candidate};
pub use settings::{Rule, Settings};
