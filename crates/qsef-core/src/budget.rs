use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Usage;

/// The most that a run may spend. `None` means no limit.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Budget {
    /// US dollars.
    pub usd: Option<f64>,
    /// Tokens, prompts and answers together.
    pub tokens: Option<u64>,
    /// Time from the start of the run.
    pub time: Option<Duration>,
}

/// What was spent.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Cost {
    /// US dollars.
    pub usd: f64,
    /// Tokens.
    pub usage: Usage,
}

impl Cost {
    /// The cost of tokens at a price per 10⁶ of them.
    pub fn of(usage: Usage, usd_per_mtok: f64) -> Self {
        let tokens = (usage.prompt_tokens + usage.completion_tokens) as f64;
        Self { usd: tokens * usd_per_mtok / 1e6, usage }
    }
}

impl std::ops::AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        self.usd += other.usd;
        self.usage += other.usage;
    }
}
