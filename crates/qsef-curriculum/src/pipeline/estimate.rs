//! What a job will take, before it is begun.

use qsef_core::{AnyModel, Cost, Message, Usage};
use serde::Serialize;

use crate::{
    item::{Item, Kind},
    prompts,
    sentences::units,
    settings::Settings,
    tiers::estimate_tokens,
};

/// The share of a tier's sentences that is written again, as measured with the default model (docs/benchmarks.md).
const AGAIN: f64 = 0.6;
/// The share of what is written that holds so far that it is judged.
const JUDGED: f64 = 0.5;
/// Tokens of a text that is written about a topic, and of a sentence.
const TOPIC: u64 = 220;
const SENTENCE: u64 = 25;
/// Tokens that a model of 10⁹ parameters on two cores reads and writes in a second (docs/benchmarks.md).
const READ: f64 = 130.0;
const WRITTEN: f64 = 16.0;
/// Answers that are made together share the reading of weights: so many are written faster by this power of their number.
const TOGETHER: (usize, f64) = (4, 0.66);
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
        let written = settings.tiers.iter().filter(|tier| !tier.is_source()).count() as f64;
        let (mut requests, mut usage) = (0, Usage::default());
        // What all requests of a kind begin with is read once where states are kept.
        let mut repeated = 0;
        for item in items {
            let mut ask = |count: f64, prefix: &[Message], fresh: u64, answer: u64| {
                let count = count.round() as u64;
                let prefix: u64 =
                    prefix.iter().map(|m| estimate_tokens(&m.as_text().unwrap_or_default(), item.language)).sum();
                requests += count;
                usage.prompt_tokens += count * (prefix + fresh);
                usage.completion_tokens += count * answer;
                repeated += count * prefix;
            };
            let language = item.language;
            let mut text = estimate_tokens(&item.text, language);
            let mut sentences = units(&item.text).iter().filter(|unit| unit.is_prose).count().max(1) as u64;
            if item.kind == Kind::Reasoning {
                ask(1.0, &prompts::reasoning(language), text + 60, text + 120);
                continue;
            }
            if item.kind == Kind::Topic {
                ask(1.0, &prompts::topic(language), 10, TOPIC);
                (text, sentences) = (TOPIC, TOPIC / SENTENCE);
            }
            let groups = sentences.div_ceil(settings.sentences_at_once.max(1) as u64);
            let each = text / groups;
            ask(groups as f64 * written * (1.0 + AGAIN), &prompts::tier(language), each + 50, each + 5);
            if settings.judge {
                let verdicts = sentences as f64 * written * (1.0 + AGAIN) * JUDGED;
                ask(verdicts, &prompts::judge(language), 2 * text / sentences + 30, 5);
            }
            if settings.tiers.iter().any(|tier| tier.analogy) {
                ask(1.0, &prompts::analogy(language), text, 45);
            }
            if item.kind == Kind::Passage {
                ask(1.0, &prompts::question(language), text, 20);
            }
        }
        let seconds = if local {
            let size = model.info().params_b.unwrap_or(1.0).max(0.05);
            let fresh = usage.prompt_tokens.saturating_sub(repeated) as f64;
            let written = WRITTEN * (concurrency.clamp(1, TOGETHER.0) as f64).powf(TOGETHER.1);
            (fresh / READ + usage.completion_tokens as f64 / written) * size
        } else {
            usage.completion_tokens as f64 / STREAMED / concurrency.max(1) as f64
        };
        let usd = Cost::of(usage, model.info().price).usd;
        let Usage { prompt_tokens, completion_tokens, .. } = usage;
        Self { items: items.len(), requests, prompt_tokens, completion_tokens, usd, seconds }
    }
}
