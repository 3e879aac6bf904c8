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
    /// Calls of experts and models.
    #[serde(default)]
    pub calls: Option<u64>,
    /// Time from the start of the run, or from where it was resumed.
    pub time: Option<Duration>,
}

impl Budget {
    /// This budget, with the other's limits where it has none.
    pub fn or(self, other: Self) -> Self {
        Self {
            usd: self.usd.or(other.usd),
            tokens: self.tokens.or(other.tokens),
            calls: self.calls.or(other.calls),
            time: self.time.or(other.time),
        }
    }
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

impl std::iter::Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::default(), |mut sum, cost| {
            sum += cost;
            sum
        })
    }
}
