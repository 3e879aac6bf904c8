use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use qsef_core::ExpertProfile;
use qsef_score::{
    Example, Outcome, Remembered, Score, Scorer, Task, Weights,
    adapt::{Bandit, Candidate, Rule},
};

use crate::ledger::HistoryRow;

/// Below this efficiency, by the priors of the score, no expert fits, and the fallback does the subtask.
const LEAST_TE: f64 = 0.10;

/// Tokens that one subtask is taken to need where nothing is known of the expert's calls.
const EXPECTED_TOKENS: f64 = 1000.0;

/// Calls that this expectation is worth against those that are known.
const EXPECTATION: f64 = 3.0;

/// What is known of the experts, by their profiles and their outcomes. Clones share the trials.
#[derive(Debug, Clone)]
pub(super) struct Learned {
    pub scorer: Scorer,
    /// The least efficiency of an expert that fits.
    pub least_te: f64,
    bandit: Arc<Mutex<Bandit>>,
    bills: HashMap<String, Bill>,
}

/// What an expert's calls took in all.
#[derive(Debug, Clone, Copy, Default)]
struct Bill {
    calls: f64,
    usd: f64,
    tokens: f64,
}

/// Nothing, of no experts.
impl Default for Learned {
    fn default() -> Self {
        let mut scorer = Scorer::new(Weights::default());
        let Remembered { bandit, .. } = scorer.remember(&[]);
        Self { scorer, least_te: LEAST_TE, bandit: Arc::new(Mutex::new(bandit)), bills: HashMap::new() }
    }
}

impl Learned {
    /// Adds an expert with the vectors of its anchor texts.
    pub fn add(&mut self, profile: &ExpertProfile, vectors: Vec<Vec<f32>>) {
        self.scorer.add(profile, vectors);
        self.bandit().add(&profile.id, profile.trials);
    }

    /// Removes an expert.
    pub fn remove(&mut self, id: &str) {
        self.scorer.remove(id);
        self.bandit().remove(id);
    }

    fn bandit(&self) -> MutexGuard<'_, Bandit> {
        self.bandit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Learns from rows of a ledger, newest first, in place of what was learnt before.
    pub fn remember<'a>(&self, rows: &[HistoryRow], profiles: impl Iterator<Item = &'a ExpertProfile>) -> Self {
        let examples = rows.iter().filter_map(|row| {
            let vector = row.vector.clone()?;
            let seconds = row.latency_ms.map(|ms| ms as f64 / 1e3);
            let outcome = Outcome { weight: row.weight, seconds, ..Outcome::new(&row.expert, row.score) };
            let mut task = Task::new(&row.task);
            // What the expert itself said of the task was part of the promise that this is the outcome of.
            if let Some(sparsity) = row.terms.get("sparsity").and_then(serde_json::Value::as_f64) {
                task.cover(&row.expert, 1.0 - sparsity);
            }
            // Its other texts are near enough to the task for the ledger not to keep their vectors.
            Some(Example { task, vectors: vec![vector; Task::TEXTS], outcomes: vec![outcome] })
        });
        let mut scorer = self.scorer.clone();
        let Remembered { promises, mut bandit } = scorer.remember(&examples.collect::<Vec<_>>());
        // To explore is of use only as far as somebody looks at the results.
        let judged = rows.iter().filter(|row| row.weight >= 1.0).count() as f64 / rows.len().max(1) as f64;
        if let Err(error) = bandit.set_rule(Rule::Ucb { width: judged }) {
            tracing::warn!(%error, "experts are chosen without exploration");
        }
        let mut bills: HashMap<String, Bill> = HashMap::new();
        for row in rows {
            let bill = bills.entry(row.expert.clone()).or_default();
            bill.calls += 1.0;
            bill.usd += row.usd.unwrap_or(0.0);
            bill.tokens += row.tokens.unwrap_or(0) as f64;
        }
        for profile in profiles {
            let done = bills.get(&profile.id).map_or(0.0, |bill| bill.calls);
            bandit.add(&profile.id, profile.trials.saturating_sub(done as u32));
        }
        Self { scorer, least_te: promises.worth(LEAST_TE), bandit: Arc::new(Mutex::new(bandit)), bills }
    }

    /// What an expert is taken to need for one subtask: US dollars, and tokens, of which code takes none.
    pub fn expected(&self, profile: &ExpertProfile) -> (f64, u64) {
        let takes_tokens = profile.params_b.is_some() || profile.usd_per_mtok > 0.0;
        let tokens = if takes_tokens { EXPECTED_TOKENS } else { 0.0 };
        let usd = profile.usd_per_mtok * tokens / 1e6;
        let known = self.bills.get(&profile.id).copied().unwrap_or_default();
        let mean = |sum: f64, expected: f64| (sum + EXPECTATION * expected) / (known.calls + EXPECTATION);
        (mean(known.usd, usd), mean(known.tokens, tokens).ceil() as u64)
    }

    /// The expert of those that suit a subtask that gets it because it is new; one of its trials is used up.
    pub fn on_trial<'a>(&self, scores: impl Iterator<Item = &'a Score>) -> Option<String> {
        let candidates: Vec<Candidate<'_>> = scores.map(candidate).collect();
        let chosen = self.bandit().trial(&candidates)?;
        candidates.get(chosen).map(|c| c.expert.to_owned())
    }

    /// What an expert's efficiency counts for in a choice: more where less is known of it and results are looked at.
    pub fn prospect(&self, score: &Score) -> f64 {
        let mut bandit = self.bandit();
        let chance = bandit.sample(&[candidate(score)]).first().copied().flatten();
        let more = chance.zip(bandit.mean(&score.expert, score.te)).map_or(0.0, |(chance, mean)| chance - mean);
        (score.te + more).min(1.0)
    }
}

fn candidate(score: &Score) -> Candidate<'_> {
    Candidate { expert: &score.expert, te: score.te, usd: 0.0 }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_an_expert_said_of_a_task_is_part_of_what_it_promised() {
        let profile = ExpertProfile::new("topics", "tells topics");
        let mut learned = Learned::default();
        learned.add(&profile, vec![vec![1.0, 0.0]; 2]);
        // Below which efficiency nobody fits: higher where promises turn out to be worth more than they say.
        let least_te = |terms: Value| {
            let row = HistoryRow {
                task: "asdf qwer".into(),
                vector: Some(vec![0.6, 0.8]),
                expert: "topics".into(),
                te: 0.5,
                terms,
                score: 1.0,
                weight: 1.0,
                latency_ms: None,
                usd: None,
                tokens: None,
                at_ms: 0,
            };
            learned.remember(&vec![row; 40], [&profile].into_iter()).least_te
        };
        let (sure, silent) = (least_te(json!({"sparsity": 0.0})), least_te(json!({"sparsity": 1.0})));
        assert!(LEAST_TE < sure && sure < 0.9 * silent, "{sure} {silent}");
        assert_eq!(least_te(Value::Null), silent);
    }
}
