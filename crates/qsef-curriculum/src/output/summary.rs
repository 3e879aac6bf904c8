//! What a job tells about itself, beside its rows.

use serde::{Deserialize, Serialize};

use super::Collected;
use crate::item::Language;

/// A job, as its folder tells it.
#[derive(Debug, Clone)]
pub struct Job<'a> {
    /// The tiers, the hardest first.
    pub tiers: &'a [TierInfo],
    /// The names of the stages, the first to train on first.
    pub stages: &'a [String],
    /// What made it: models, hashes of prompts, seeds, versions, settings. A JSON object; `counts` and `files` are added.
    pub manifest: serde_json::Value,
    /// Of what is drawn.
    pub seed: u64,
    /// Whether rows are drawn by their weights, as after progress of a student.
    pub resample: bool,
}

/// A tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TierInfo {
    /// Its name.
    pub name: String,
    /// How hard it is, 1 the easiest.
    pub level: u32,
    /// Its stage, 1 the first to train on.
    pub stage: u32,
    /// Whom it is for.
    pub audience: String,
}

/// What became of an item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ItemInfo {
    /// The item's id.
    pub id: String,
    /// Whether all of its tiers passed.
    pub accepted: bool,
    /// Whether each tier's `C_data` is below that of the tier before.
    pub strictly_ordered: bool,
    /// How often tiers were written.
    pub attempts: u32,
    /// Requests to models.
    pub requests: u32,
    /// Tokens of the prompts.
    pub prompt_tokens: u64,
    /// Tokens of the answers.
    pub completion_tokens: u64,
    /// What the tokens cost.
    pub usd: f64,
    /// The language.
    pub language: Language,
    /// Every written tier, accepted or not, the hardest first.
    pub tiers: Vec<TierPoint>,
}

/// The figures of one tier of an item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TierPoint {
    /// The tier's name.
    pub name: String,
    /// `C_data`, in [0, 1).
    pub complexity: f64,
    /// Its parts, in [0, 1]: [`qsef_score::complexity::Complexity::values`].
    pub parts: Vec<f64>,
    /// `D`, in [0, 1].
    pub distance: f64,
    /// `R`, in [0, 1].
    pub resistance: f64,
    /// `exp(−(k1·D + k2·R))`, in (0, 1].
    pub te: f64,
    /// `1 − D`, in [0, 1].
    pub richness: f64,
    /// Tokens of the answer.
    pub tokens: u64,
    /// Whether no other tier of its item keeps as much, passes as well and costs as little.
    pub frontier: bool,
    /// Whether it is the tier that the student's guidance asks for.
    pub suits: bool,
    /// Sentences that were left as they were.
    pub kept: u32,
    /// Of so many.
    pub sentences: u32,
}

/// What a job cost.
#[derive(Debug, Default)]
pub(super) struct Cost {
    /// Requests, answered by a model or from the cache.
    pub requests: u64,
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
    /// What the tokens cost.
    pub usd: f64,
    /// The same by step, in the order of their names.
    pub steps: Vec<StepCost>,
}

/// What one step of a job cost.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StepCost {
    /// Its name, such as `judge`.
    pub name: String,
    /// Requests, answered by a model or from the cache.
    pub requests: u64,
    /// Tokens of the prompts.
    pub prompt_tokens: u64,
    /// Tokens of the answers.
    pub completion_tokens: u64,
}

/// What came of a job, in short.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Summary {
    /// Items that went in.
    pub items: usize,
    /// Those whose tiers all passed.
    pub accepted: usize,
    /// The others.
    pub rejected: usize,
    /// Rows that were written.
    pub tiers: usize,
    /// The share of all items whose tiers are strictly ordered by `C_data`, in [0, 1]; 0 without items.
    pub strictly_ordered: f64,
    /// What the tokens cost.
    pub usd: f64,
}

impl Summary {
    pub(super) fn new(collected: &Collected) -> Self {
        let items = collected.items.len();
        let accepted = collected.items.iter().filter(|item| item.accepted).count();
        let ordered = collected.items.iter().filter(|item| item.strictly_ordered).count();
        Self {
            items,
            accepted,
            rejected: items - accepted,
            tiers: collected.order().len(),
            strictly_ordered: ordered as f64 / items.max(1) as f64,
            usd: collected.cost.usd,
        }
    }
}
