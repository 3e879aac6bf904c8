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

/// What a model's tokens cost, in US dollars per 10⁶ of them. A number alone is the price of every token.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Price {
    /// Tokens of the prompt.
    pub input: f64,
    /// Tokens of the prompt whose state was reused.
    pub cached: f64,
    /// Tokens generated.
    pub output: f64,
}

impl Price {
    /// The price of a token of a call that has not been made: three of four tokens are taken to be the prompt's.
    pub fn typical(self) -> f64 {
        self.input.mul_add(0.75, self.output * 0.25)
    }
}

impl From<f64> for Price {
    fn from(usd_per_mtok: f64) -> Self {
        Self { input: usd_per_mtok, cached: usd_per_mtok, output: usd_per_mtok }
    }
}

impl Cost {
    /// The cost of tokens.
    pub fn of(usage: Usage, price: impl Into<Price>) -> Self {
        let price = price.into();
        let fresh = usage.prompt_tokens.saturating_sub(usage.cached_tokens) as f64;
        let (cached, output) = (usage.cached_tokens as f64, usage.completion_tokens as f64);
        Self { usd: (fresh * price.input + cached * price.cached + output * price.output) / 1e6, usage }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_reused_state_and_answers_have_their_prices() {
        let usage = Usage { prompt_tokens: 3_000_000, cached_tokens: 1_000_000, completion_tokens: 500_000 };
        assert_eq!(Cost::of(usage, 2.0).usd, 7.0);
        let price = Price { input: 2.0, cached: 0.5, output: 8.0 };
        assert_eq!(Cost::of(usage, price).usd, 4.0 + 0.5 + 4.0);
        assert_eq!((price.typical(), Price::from(2.0).typical()), (3.5, 2.0));
    }
}
