use std::time::{SystemTime, UNIX_EPOCH};

use qsef_core::{Error, Result, SubtaskId};
use serde::Serialize;
use serde_json::Value;

/// Who was given a subtask, and on what grounds.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The run.
    pub trace_id: String,
    /// The subtask's number in the run's plan.
    pub subtask: SubtaskId,
    /// The whole request; the ledger keeps that of a trace's first decision.
    pub request: String,
    /// What was to be done.
    pub task: String,
    /// The chosen expert's id.
    pub expert: String,
    /// The chosen expert's efficiency, in (0, 1].
    pub te: f64,
    /// The parts of the chosen expert's score.
    pub terms: Value,
    /// The next best experts with their efficiencies, best first.
    pub alternatives: Vec<(String, f64)>,
    /// The name of the embedder that made `vector`; vectors of different embedders cannot be compared.
    pub embedder: String,
    /// The task's embedding.
    pub vector: Option<Vec<f32>>,
    /// What the expert was expected to cost, in US dollars, ≥ 0.
    pub expected_usd: f64,
    /// When, in milliseconds since 1970 UTC.
    pub at_ms: u64,
}

impl Decision {
    pub(super) fn check(&self) -> Result<()> {
        if self.te.is_finite() && self.expected_usd.is_finite() {
            return Ok(());
        }
        Err(Error::Input(format!(
            "a decision's TE and expected cost are finite numbers, not {} and {}",
            self.te, self.expected_usd
        )))
    }
}

/// What tells how well a decision turned out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OutcomeKind {
    /// The expert ran to its end, and nobody objected.
    Finished,
    /// The expert failed.
    Failed,
    /// What the expert made did not pass a check.
    Invalid,
    /// The run's deadline came while the expert worked.
    TimedOut,
    /// The expert saw that the subtask is not one for it; this says nothing about other experts.
    Declined,
    /// A judge model scored the result.
    Judge,
    /// A person scored the result.
    User,
}

impl OutcomeKind {
    const ALL: [Self; 7] =
        [Self::Finished, Self::Failed, Self::Invalid, Self::TimedOut, Self::Declined, Self::Judge, Self::User];

    /// The name, as the ledger and `--json` spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Invalid => "invalid",
            Self::TimedOut => "timed_out",
            Self::Declined => "declined",
            Self::Judge => "judge",
            Self::User => "user",
        }
    }

    /// How much the score counts as evidence, in (0, 1]: 1 where somebody looked at the result or there is none, and 0.3
    /// where the score is only presumed. That an expert ran to its end shows little of what its result is worth, and what
    /// the deadline cut off may have had little time because of what ran before it.
    pub fn weight(self) -> f64 {
        match self {
            Self::Finished | Self::TimedOut => 0.3,
            Self::Failed | Self::Invalid | Self::Declined | Self::Judge | Self::User => 1.0,
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// How a decision turned out, as far as one source can tell. A decision may get several.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The run.
    pub trace_id: String,
    /// The subtask's number in the run's plan.
    pub subtask: SubtaskId,
    /// The expert that the subtask was given to.
    pub expert: String,
    /// Who says so.
    pub kind: OutcomeKind,
    /// From 0, of no use, to 1, just right.
    pub score: f64,
    /// How long the expert took, in milliseconds.
    pub latency_ms: Option<u64>,
    /// What the expert cost, in US dollars, ≥ 0.
    pub usd: Option<f64>,
    /// The tokens that the expert used, prompts and answers together.
    pub tokens: Option<u64>,
    /// Why, in words.
    pub note: Option<String>,
    /// When, in milliseconds since 1970 UTC.
    pub at_ms: u64,
}

impl Outcome {
    pub(super) fn check(&self) -> Result<()> {
        if !(0.0..=1.0).contains(&self.score) {
            return Err(Error::Input(format!("a score is a number from 0 to 1, not {}", self.score)));
        }
        match self.usd {
            Some(usd) if !usd.is_finite() => Err(Error::Input(format!("a cost is a finite number, not {usd}"))),
            _ => Ok(()),
        }
    }
}

/// A step of a run, as the ledger keeps it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StepRow {
    pub trace_id: String,
    /// The whole request; the ledger keeps that of a trace's first row.
    pub request: String,
    /// The step's place in the run, from 1.
    pub number: u64,
    /// The step in JSON.
    pub step: String,
    pub at_ms: u64,
}

/// A row of any kind, for writes that mix them.
#[derive(Debug)]
pub(crate) enum Entry {
    Decision(Decision),
    Outcome(Outcome),
    Step(StepRow),
}

/// A decision with all that is known of how it turned out.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// The decision.
    pub decision: Decision,
    /// Its outcomes, oldest first; none for what has not ended.
    pub outcomes: Vec<Outcome>,
}

/// A run in a line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TraceSummary {
    /// The run's unique name.
    pub trace_id: String,
    /// The request.
    pub request: String,
    /// How many subtasks its plan has.
    pub subtasks: usize,
    /// When it began, in milliseconds since 1970 UTC.
    pub at_ms: u64,
}

/// How an expert did in all, as far as the ledger knows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Record {
    /// Decisions with an outcome.
    pub outcomes: u64,
    /// Their mean score, in [0, 1].
    pub score: f64,
    /// Milliseconds that a call took, in the mean of those that are known.
    pub latency_ms: Option<f64>,
    /// US dollars that a call cost, in the mean of those that are known.
    pub usd: Option<f64>,
}

/// Which part of the history to read.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryQuery {
    /// Only decisions whose task this embedder embedded.
    pub embedder: String,
    /// At most so many rows, the newest.
    pub limit: usize,
    /// Only decisions from this time on, in milliseconds since 1970 UTC.
    pub since_ms: u64,
}

impl HistoryQuery {
    /// The newest 10,000 rows of an embedder, of any age.
    pub fn new(embedder: impl Into<String>) -> Self {
        Self { embedder: embedder.into(), limit: 10_000, since_ms: 0 }
    }
}

/// What a decision taught.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryRow {
    /// What was to be done.
    pub task: String,
    /// Its embedding.
    pub vector: Option<Vec<f32>>,
    /// Who did it.
    pub expert: String,
    /// The efficiency that was predicted, in (0, 1].
    pub te: f64,
    /// The parts of the predicted score.
    pub terms: Value,
    /// How well it turned out, in [0, 1].
    pub score: f64,
    /// How much that counts, in (0, 1]: see [`OutcomeKind::weight`].
    pub weight: f64,
    /// How long it took, in milliseconds.
    pub latency_ms: Option<u64>,
    /// What it cost, in US dollars.
    pub usd: Option<f64>,
    /// The tokens that it took, prompts and answers together.
    pub tokens: Option<u64>,
    /// When it was decided, in milliseconds since 1970 UTC.
    pub at_ms: u64,
}

/// The time, in milliseconds since 1970 UTC.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}
