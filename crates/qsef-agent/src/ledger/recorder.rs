use qsef_core::{Error, Event, EventSink, Result, SubtaskId};
use serde_json::Value;
use tokio::{
    sync::{
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
        oneshot,
    },
    task::{JoinHandle, spawn_blocking},
};

use super::{
    Decision, Ledger, Outcome, OutcomeKind,
    rows::{Entry, StepRow, now_ms},
};
use crate::run::{Candidate, Ended, FaultKind, Run, Step, Work};

/// How many of the experts that were not chosen a decision keeps.
const ALTERNATIVES: usize = 3;

/// The most characters of an error that are kept.
const NOTE_CHARS: usize = 500;

/// Writes a run to the ledger while it goes on. The run waits for each of its steps: what follows from one is done only when
/// it is on the disk, together with what it decided and how it turned out.
pub(crate) struct Recorder {
    trace_id: String,
    request: String,
    embedder: String,
    /// Steps written so far.
    steps: u64,
    /// None where nothing is to be recorded.
    writer: Option<(UnboundedSender<Batch>, JoinHandle<()>)>,
}

/// Rows of one transaction, and who waits for it.
type Batch = (Vec<Entry>, oneshot::Sender<Result<()>>);

impl Recorder {
    /// Begins a run's record, or goes on with it after `steps` steps. A ledger that could not be opened is told once, as a
    /// warning.
    pub fn begin(
        ledger: Option<&Result<Ledger, String>>,
        (trace_id, request, embedder): (&str, &str, &str),
        steps: u64,
        events: &EventSink,
    ) -> Self {
        let writer = match ledger {
            None => None,
            Some(Err(why)) => {
                warn(events, why);
                None
            }
            Some(Ok(ledger)) => {
                let (rows, queue) = unbounded_channel();
                Some((rows, tokio::spawn(write(ledger.clone(), queue, events.clone()))))
            }
        };
        let (trace_id, request, embedder) = (trace_id.to_owned(), request.to_owned(), embedder.to_owned());
        Self { trace_id, request, embedder, steps, writer }
    }

    /// The rows of a step that is to be applied to a run: the step itself, and how the calls that it ends turned out.
    ///
    /// # Errors
    /// [`Error::Internal`] for a step that cannot be serialised.
    pub fn rows(&mut self, run: &Run, step: &Step) -> Result<Vec<Entry>> {
        self.steps += 1;
        if self.writer.is_none() {
            return Ok(Vec::new());
        }
        let mut rows = vec![Entry::Step(StepRow {
            trace_id: self.trace_id.clone(),
            request: self.request.clone(),
            number: self.steps,
            step: serde_json::to_string(step).map_err(|e| Error::Internal(e.to_string()))?,
            at_ms: now_ms(),
        })];
        match step {
            Step::Ended { id, expert, elapsed_ms, result, .. } => {
                rows.extend(self.ended(*id, expert, *elapsed_ms, result))
            }
            // It stops while something is under way only at its deadline.
            Step::Stopped { .. } => {
                for work in run.work.values() {
                    let outcome = |e: &Candidate| self.outcome(work.subtask.id, &e.expert, OutcomeKind::TimedOut);
                    rows.extend(work.at_work().map(outcome).map(Entry::Outcome));
                }
            }
            _ => {}
        }
        Ok(rows)
    }

    /// Who has a subtask, or who has it together, with the embedding of its task.
    pub fn decided(&self, work: &Work, vector: Option<&Vec<f32>>) -> Vec<Entry> {
        if self.writer.is_none() {
            return Vec::new();
        }
        let alone = work.expert().filter(|_| work.members.is_empty());
        let experts = alone.into_iter().chain(work.members.iter().map(|m| &m.candidate));
        let decision = |expert: &Candidate| {
            let score = work.scores.iter().find(|s| s.expert == expert.expert);
            let others = work.scores.iter().filter(|s| s.expert != expert.expert).take(ALTERNATIVES);
            Entry::Decision(Decision {
                trace_id: self.trace_id.clone(),
                subtask: work.subtask.id,
                request: self.request.clone(),
                task: work.subtask.task.clone(),
                expert: expert.expert.clone(),
                te: expert.te,
                terms: serde_json::to_value(score).unwrap_or(Value::Null),
                alternatives: others.map(|s| (s.expert.clone(), s.te)).collect(),
                embedder: self.embedder.clone(),
                vector: vector.cloned(),
                expected_usd: expert.usd,
                at_ms: now_ms(),
            })
        };
        experts.map(decision).collect()
    }

    /// Writes rows in one transaction, and waits until they are on the disk. A ledger that cannot be written stops no run.
    ///
    /// # Errors
    /// [`Error::Input`] where another process has gone on with the run.
    pub async fn write(&self, rows: Vec<Entry>) -> Result<()> {
        let Some((batches, _)) = &self.writer else { return Ok(()) };
        let (ack, written) = oneshot::channel();
        match batches.send((rows, ack)) {
            Ok(()) => written.await.unwrap_or(Ok(())),
            // A write has failed, and that was told.
            Err(_) => Ok(()),
        }
    }

    /// Waits until all is written.
    pub async fn end(self) {
        if let Some((batches, writing)) = self.writer {
            drop(batches);
            // It ends by itself, and tells what went wrong.
            let _ = writing.await;
        }
    }

    fn ended(&self, id: SubtaskId, expert: &str, elapsed_ms: u64, result: &Ended) -> Option<Entry> {
        let (kind, note) = match result {
            Ended::Done(_) => (OutcomeKind::Finished, None),
            Ended::Failed(fault) => (
                match fault.kind {
                    FaultKind::Declined => OutcomeKind::Declined,
                    FaultKind::Invalid => OutcomeKind::Invalid,
                    FaultKind::TimedOut => OutcomeKind::TimedOut,
                    // Says nothing about the expert.
                    FaultKind::Vetoed => return None,
                    FaultKind::Unavailable | FaultKind::Failed => OutcomeKind::Failed,
                },
                Some(fault.message.chars().take(NOTE_CHARS).collect()),
            ),
        };
        let cost = if let Ended::Done(made) = result { Some(made.cost) } else { None };
        Some(Entry::Outcome(Outcome {
            latency_ms: Some(elapsed_ms),
            usd: cost.map(|c| c.usd).filter(|usd| usd.is_finite()),
            tokens: cost.map(|c| c.usage.prompt_tokens + c.usage.completion_tokens),
            note,
            ..self.outcome(id, expert, kind)
        }))
    }

    fn outcome(&self, subtask: SubtaskId, expert: &str, kind: OutcomeKind) -> Outcome {
        Outcome {
            trace_id: self.trace_id.clone(),
            subtask,
            expert: expert.to_owned(),
            kind,
            score: if kind == OutcomeKind::Finished { 1.0 } else { 0.0 },
            latency_ms: None,
            usd: None,
            tokens: None,
            note: None,
            at_ms: now_ms(),
        }
    }
}

/// Writes what comes, until the run has ended or a write fails.
async fn write(ledger: Ledger, mut queue: UnboundedReceiver<Batch>, events: EventSink) {
    while let Some((rows, ack)) = queue.recv().await {
        let ledger = ledger.clone();
        let written = spawn_blocking(move || ledger.append(&rows)).await;
        match written.unwrap_or_else(|e| Err(Error::Internal(e.to_string()))) {
            // The run may be gone.
            Ok(()) => drop(ack.send(Ok(()))),
            // Another process has gone on with the run: that ends this one.
            Err(error @ Error::Input(_)) => return drop(ack.send(Err(error))),
            Err(error) => return warn(&events, &error.to_string()),
        }
    }
}

fn warn(events: &EventSink, why: &str) {
    events.send(Event::Warning { message: format!("this run is not recorded, or not all of it: {why}") });
}
