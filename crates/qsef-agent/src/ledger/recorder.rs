use std::{collections::BTreeMap, time::Duration};

use qsef_core::{Error, Event, EventSink, Outcome as Made, Result, Status, SubtaskId};
use serde_json::Value;
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::{JoinHandle, spawn_blocking},
};

use super::{
    Decision, Ledger, Outcome, OutcomeKind,
    rows::{Entry, now_ms},
};
use crate::{Assignment, report::SubtaskReport};

/// How many of the experts that were not chosen a decision keeps.
const ALTERNATIVES: usize = 3;

/// The most characters of an error that are kept.
const NOTE_CHARS: usize = 500;

/// Rows in one transaction at most.
const BATCH: usize = 256;

/// Writes a run to the ledger while it goes on: rows are queued, and written in their order beside the run, so that no
/// expert waits for the disk. Where the run is dropped, what is in the queue is still written.
pub(crate) struct Recorder {
    trace_id: String,
    request: String,
    embedder: String,
    vectors: BTreeMap<SubtaskId, Vec<f32>>,
    /// None where nothing is to be recorded.
    writer: Option<(UnboundedSender<Entry>, JoinHandle<()>)>,
}

impl Recorder {
    /// Begins a run's record. A ledger that could not be opened is told once, as a warning.
    pub fn begin(
        ledger: Option<&Result<Ledger, String>>,
        (trace_id, request, embedder): (&str, &str, &str),
        assignments: &[Assignment],
        events: &EventSink,
    ) -> Self {
        let writer = match ledger {
            None => None,
            Some(Err(why)) => {
                warn(events, why);
                None
            }
            Some(Ok(ledger)) => {
                let (entries, queue) = unbounded_channel();
                Some((entries, tokio::spawn(write(ledger.clone(), queue, events.clone()))))
            }
        };
        Self {
            trace_id: trace_id.to_owned(),
            request: request.to_owned(),
            embedder: embedder.to_owned(),
            vectors: assignments.iter().filter_map(|a| Some((a.id, a.vector.clone()?))).collect(),
            writer,
        }
    }

    /// Says who does a subtask, and what that may cost in US dollars.
    pub fn decided(&self, report: &SubtaskReport, expected_usd: f64) {
        let score = report.scores.iter().find(|s| s.expert == report.expert);
        let others = report.scores.iter().filter(|s| s.expert != report.expert).take(ALTERNATIVES);
        self.add(Entry::Decision(Decision {
            trace_id: self.trace_id.clone(),
            subtask: report.id,
            request: self.request.clone(),
            task: report.task.clone(),
            expert: report.expert.clone(),
            te: report.te,
            terms: serde_json::to_value(score).unwrap_or(Value::Null),
            alternatives: others.map(|s| (s.expert.clone(), s.te)).collect(),
            embedder: self.embedder.clone(),
            vector: self.vectors.get(&report.id).cloned(),
            expected_usd,
            at_ms: now_ms(),
        }));
    }

    /// Says what an expert came to.
    pub fn ended(&self, report: &SubtaskReport, outcome: &Result<Made>, elapsed: Duration) {
        let (kind, error) = match outcome {
            Ok(_) => (OutcomeKind::Finished, None),
            Err(error @ Error::Declined { .. }) => (OutcomeKind::Declined, Some(error)),
            Err(error @ Error::BadOutput { .. }) => (OutcomeKind::Invalid, Some(error)),
            // Says nothing about the expert.
            Err(Error::Budget(_) | Error::Cancelled) => return,
            Err(error) => (OutcomeKind::Failed, Some(error)),
        };
        let cost = outcome.as_ref().ok().map(|made| made.cost);
        self.add(Entry::Outcome(Outcome {
            latency_ms: u64::try_from(elapsed.as_millis()).ok(),
            usd: cost.map(|c| c.usd).filter(|usd| usd.is_finite()),
            tokens: cost.map(|c| c.usage.prompt_tokens + c.usage.completion_tokens),
            note: error.map(|e| e.to_string().chars().take(NOTE_CHARS).collect()),
            ..self.outcome(report, kind)
        }));
    }

    /// Says that the deadline came: it cut off what was under way.
    pub fn timed_out<'a>(&self, reports: impl IntoIterator<Item = &'a SubtaskReport>) {
        for report in reports.into_iter().filter(|r| r.status == Status::Running) {
            self.add(Entry::Outcome(self.outcome(report, OutcomeKind::TimedOut)));
        }
    }

    /// Waits until all is written.
    pub async fn end(self) {
        if let Some((entries, writing)) = self.writer {
            drop(entries);
            // It ends by itself, and tells what went wrong.
            let _ = writing.await;
        }
    }

    fn outcome(&self, report: &SubtaskReport, kind: OutcomeKind) -> Outcome {
        Outcome {
            trace_id: self.trace_id.clone(),
            subtask: report.id,
            expert: report.expert.clone(),
            kind,
            score: if kind == OutcomeKind::Finished { 1.0 } else { 0.0 },
            latency_ms: None,
            usd: None,
            tokens: None,
            note: None,
            at_ms: now_ms(),
        }
    }

    fn add(&self, entry: Entry) {
        if let Some((entries, _)) = &self.writer {
            // After a write has failed nobody reads the queue; that was told.
            let _ = entries.send(entry);
        }
    }
}

/// Writes what comes, until the run has ended or a write fails.
async fn write(ledger: Ledger, mut queue: UnboundedReceiver<Entry>, events: EventSink) {
    let mut entries = Vec::new();
    while queue.recv_many(&mut entries, BATCH).await > 0 {
        let (ledger, batch) = (ledger.clone(), std::mem::take(&mut entries));
        let failed = match spawn_blocking(move || ledger.append(&batch)).await {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        return warn(&events, &failed);
    }
}

fn warn(events: &EventSink, why: &str) {
    events.send(Event::Warning { message: format!("this run is not recorded, or not all of it: {why}") });
}
