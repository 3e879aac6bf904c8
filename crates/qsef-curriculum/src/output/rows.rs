//! Rows as JSON lines, for each of the trainers that read them.

use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use serde::Serialize;
use serde_json::{Value, json};

use super::Place;
use crate::item::{Pair, Row, TeacherRow};

/// Pairs as TRL reads them.
pub(super) const PREFERENCES: &str = "preferences.jsonl";
/// Pairs as LLaMA-Factory reads them: it takes one message for an answer, and a list of one for none.
pub(super) const RANKING: &str = "preferences-llamafactory.jsonl";
/// Rows with the teacher's likeliest tokens, as Axolotl reads them.
pub(super) const TEACHER: &str = "teacher.jsonl";
/// Rows drawn by weight.
pub(super) const RESAMPLED: &str = "resampled.jsonl";

/// What stands for a probability of 0, whose logarithm JSON cannot say.
const LEAST_LOGPROB: f32 = -9999.0;

/// Anything as JSON; null where it cannot be, which for the types here is never.
pub(super) fn value(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// A row of `train.jsonl`. Each has all fields: readers take their types from the first of many rows.
pub(super) fn line(row: &Row) -> Value {
    let mut line = value(row);
    if let Some(origin) = line.get_mut("origin") {
        let licence = row.origin.licence.as_deref().unwrap_or_default();
        *origin = json!({"source": row.origin.source, "place": row.origin.place, "licence": licence});
    }
    line
}

/// A row of `preferences.jsonl`.
pub(super) fn preference(pair: &Pair) -> Value {
    json!({
        "prompt": pair.prompt, "chosen": pair.chosen, "rejected": pair.rejected, "id": pair.id, "reason": pair.reason,
    })
}

/// A row of `preferences-llamafactory.jsonl`; none of a pair that lacks an answer.
pub(super) fn ranking(pair: &Pair) -> Option<Value> {
    let (chosen, rejected) = (pair.chosen.last()?, pair.rejected.last()?);
    Some(json!({
        "messages": pair.prompt, "chosen": chosen, "rejected": rejected, "id": pair.id, "reason": pair.reason,
    }))
}

/// Whether a teacher's answer can be trained on: each of its tokens has likeliest tokens.
pub(super) fn is_whole(row: &TeacherRow) -> bool {
    !row.top.is_empty() && row.top.iter().all(|top| !top.is_empty())
}

/// A row of `teacher.jsonl`. All of its tokens have as many likeliest tokens: the reader makes a matrix of them.
pub(super) fn teacher(row: &TeacherRow) -> Value {
    let width = row.top.iter().map(Vec::len).min().unwrap_or(0);
    let top = || row.top.iter().map(|top| top.iter().take(width));
    let ids: Vec<Vec<u32>> = top().map(|top| top.map(|(id, _)| *id).collect()).collect();
    let least = |logprob: f32| if logprob.is_finite() { logprob } else { LEAST_LOGPROB };
    let logprobs: Vec<Vec<f32>> = top().map(|top| top.map(|(_, logprob)| least(*logprob)).collect()).collect();
    json!({"id": row.id, "messages": row.messages, "target_token_ids": ids, "logprobs": logprobs})
}

/// As many rows as there are, drawn with replacement in proportion to their weights, in curriculum order.
pub(super) fn resampled(rows: &[Place], seed: u64) -> Vec<&Place> {
    let usable = |weight: f64| if weight.is_finite() { weight.max(0.0) } else { 0.0 };
    let mut sum = 0.0;
    let ends: Vec<f64> = rows
        .iter()
        .map(|row| {
            sum += usable(row.weight);
            sum
        })
        .collect();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut drawn: Vec<usize> = (0..rows.len())
        .map(|_| match sum {
            // Without weights all are alike.
            0.0 => rng.random_range(0..rows.len()),
            sum => {
                let at = rng.random::<f64>() * sum;
                // A product that is rounded up to the sum is behind all: it is the last row's that has a weight.
                let last = ends.partition_point(|end| *end < sum);
                ends.partition_point(|end| *end <= at).min(last)
            }
        })
        .collect();
    drawn.sort_unstable();
    drawn.into_iter().filter_map(|number| rows.get(number)).collect()
}
