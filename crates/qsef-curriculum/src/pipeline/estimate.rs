//! What a job will take, before it is begun.

use qsef_core::{AnyModel, Cost, Usage};
use serde::Serialize;

use crate::{
    item::{Item, Kind},
    settings::Settings,
    tiers::estimate,
};

/// The share of a tier's sentences that is written again, as measured with the default model (docs/benchmarks.md).
const AGAIN: f64 = 0.6;
/// Tokens that a model of 10⁹ parameters on two cores reads and writes in a second (docs/benchmarks.md).
const READ: f64 = 130.0;
const WRITTEN: f64 = 16.0;
/// Tokens that one stream of an endpoint writes in a second.
const STREAMED: f64 = 50.0;

/// About what a job will take; within a factor of two.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Estimate {
    /// Items whose tiers are written.
    pub items: usize,
    /// Requests.
    pub requests: u64,
    /// Tokens of the prompts.
    pub prompt_tokens: u64,
    /// Tokens of the answers.
    pub completion_tokens: u64,
    /// Their price in US dollars; 0 for a local model.
    pub usd: f64,
    /// Seconds.
    pub seconds: f64,
}

impl Estimate {
    /// Of items; `local` for a model on this machine.
    pub fn of(items: &[Item], settings: &Settings, model: &AnyModel, concurrency: usize, local: bool) -> Self {
        let written = settings.tiers.iter().filter(|tier| !tier.is_source()).count() as u64;
        let (mut requests, mut usage) = (0, Usage::default());
        // What all requests of a kind begin with is read once where states are kept.
        let mut repeated = 0;
        for item in items {
            let (prompt, answer) = match item.kind {
                Kind::Topic => (900, 220),
                _ => estimate(&item.text, item.language),
            };
            if item.kind == Kind::Reasoning {
                requests += 1;
                usage.prompt_tokens += prompt;
                usage.completion_tokens += answer + 120;
                continue;
            }
            let again = |tokens: u64| (tokens as f64 * (1.0 + AGAIN)) as u64;
            requests += again(written) + 1;
            usage.prompt_tokens += again(prompt * written) + prompt;
            usage.completion_tokens += again(answer * written) + 90;
            repeated += again(written) * (prompt - answer.min(prompt));
            if settings.judge {
                requests += 1;
                usage.prompt_tokens += answer * (written + 1) + 400;
                usage.completion_tokens += 25 * written;
            }
            if item.kind == Kind::Topic {
                requests += 1;
                usage.prompt_tokens += 300;
                usage.completion_tokens += 220;
            }
        }
        let seconds = if local {
            let size = model.info().params_b.unwrap_or(1.0).max(0.05);
            let fresh = usage.prompt_tokens.saturating_sub(repeated) as f64;
            (fresh / READ + usage.completion_tokens as f64 / WRITTEN) * size
        } else {
            usage.completion_tokens as f64 / STREAMED / concurrency.max(1) as f64
        };
        let usd = Cost::of(usage, model.info().price).usd;
        let Usage { prompt_tokens, completion_tokens, .. } = usage;
        Self { items: items.len(), requests, prompt_tokens, completion_tokens, usd, seconds }
    }
}
