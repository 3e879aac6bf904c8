use std::collections::BTreeMap;

use qsef_core::{Error, Result, SubtaskId};
use rusqlite::{Connection, ErrorCode, OptionalExtension, TransactionBehavior, params};

use super::{
    Decision, Ledger, Outcome, OutcomeKind,
    rows::{Entry, StepRow, now_ms},
};

/// A trace begins with its first row.
const NEW_TRACE: &str = "INSERT INTO traces (trace_id, request, at_ms) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";

impl Ledger {
    /// Adds decisions, all or none.
    ///
    /// # Errors
    /// [`Error::Input`] for numbers that are not finite, and [`Error::Io`] where the ledger cannot be written.
    pub fn record(&self, decisions: &[Decision]) -> Result<()> {
        self.transaction(|connection| decisions.iter().try_for_each(|d| self.add_decision(connection, d)))
    }

    /// Adds outcomes of recorded decisions, all or none.
    ///
    /// # Errors
    /// [`Error::Input`] for an outcome of what the ledger does not have and for a score outside [0, 1], and [`Error::Io`]
    /// where the ledger cannot be written.
    pub fn add_outcomes(&self, outcomes: &[Outcome]) -> Result<()> {
        self.transaction(|connection| outcomes.iter().try_for_each(|o| self.add_outcome(connection, o)))
    }

    /// Adds rows of any kind in their order, all or none.
    pub(crate) fn append(&self, entries: &[Entry]) -> Result<()> {
        self.transaction(|connection| {
            entries.iter().try_for_each(|entry| match entry {
                Entry::Decision(decision) => self.add_decision(connection, decision),
                Entry::Outcome(outcome) => self.add_outcome(connection, outcome),
                Entry::Step(step) => self.add_step(connection, step),
            })
        })
    }

    /// Adds a person's score, in [0, 1], of a subtask, or without one of every subtask that ran to its end: a rating of
    /// the whole answer is none of what is not in it. Each goes to the expert that did the subtask in the end; the subtasks
    /// with these experts are returned.
    ///
    /// # Errors
    /// [`Error::Input`] for an unknown trace or subtask, for a trace in which nothing ran to its end, and for a score
    /// outside [0, 1]; [`Error::Io`] where the ledger cannot be written.
    pub fn rate(
        &self,
        trace_id: &str,
        subtask: Option<SubtaskId>,
        score: f64,
        note: Option<&str>,
    ) -> Result<Vec<(SubtaskId, String)>> {
        self.transaction(|connection| {
            let recorded = self.recorded(connection, trace_id)?;
            // The last decision of a subtask is that of the expert which did it.
            let last: BTreeMap<SubtaskId, _> = recorded.iter().map(|r| (r.decision.subtask, r)).collect();
            let finished = |id: SubtaskId| {
                last.get(&id).is_some_and(|r| r.outcomes.iter().any(|o| o.kind == OutcomeKind::Finished))
            };
            let rated: Vec<_> = last.keys().copied().filter(|id| subtask.map_or(finished(*id), |s| s == *id)).collect();
            if rated.is_empty() {
                return Err(Error::Input(match subtask {
                    Some(id) => self.no_such_subtask(trace_id, id, last.keys()),
                    None => format!("no subtask of the trace `{trace_id}` ran to its end; name the subtask to rate"),
                }));
            }
            let rated: Vec<_> = rated.iter().filter_map(|id| last.get(id)).map(|r| &r.decision).collect();
            for decision in &rated {
                let outcome = Outcome {
                    trace_id: trace_id.to_owned(),
                    subtask: decision.subtask,
                    expert: decision.expert.clone(),
                    kind: OutcomeKind::User,
                    score,
                    latency_ms: None,
                    usd: None,
                    tokens: None,
                    note: note.map(str::to_owned),
                    at_ms: now_ms(),
                };
                self.add_outcome(connection, &outcome)?;
            }
            Ok(rated.iter().map(|d| (d.subtask, d.expert.clone())).collect())
        })
    }

    /// Does `work` in a transaction that is undone where it fails.
    fn transaction<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let mut connection = self.connection();
        // Immediate: a transaction that reads first and writes later could find that another wrote in between.
        let begun = connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let transaction = begun.map_err(|e| self.broken(e))?;
        let done = work(&transaction)?;
        transaction.commit().map_err(|e| self.broken(e))?;
        Ok(done)
    }

    fn add_step(&self, connection: &Connection, step: &StepRow) -> Result<()> {
        let trace = params![step.trace_id, step.request, integer(step.at_ms)];
        let row = params![step.trace_id, integer(step.number), step.step, integer(step.at_ms)];
        let added = connection.execute(NEW_TRACE, trace).and_then(|_| {
            connection.execute(
                "INSERT INTO steps (trace, number, step, at_ms) SELECT id, ?2, ?3, ?4 FROM traces WHERE trace_id = ?1",
                row,
            )
        });
        match added {
            Ok(_) => Ok(()),
            Err(e) if e.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => Err(Error::Input(format!(
                "another process goes on with the run `{}`; `qsef trace show {}` shows how far it is",
                step.trace_id, step.trace_id
            ))),
            Err(e) => Err(self.broken(e)),
        }
    }

    fn add_decision(&self, connection: &Connection, decision: &Decision) -> Result<()> {
        decision.check()?;
        let trace = params![decision.trace_id, decision.request, integer(decision.at_ms)];
        let alternatives = serde_json::to_string(&decision.alternatives).map_err(|e| Error::Internal(e.to_string()))?;
        let bytes = |vector: &Vec<f32>| vector.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
        let row = params![
            decision.trace_id,
            decision.subtask as i64,
            decision.task,
            decision.expert,
            decision.te,
            decision.terms.to_string(),
            alternatives,
            decision.embedder,
            decision.expected_usd,
            integer(decision.at_ms),
            decision.vector.as_ref().map(bytes),
        ];
        let added = connection.execute(NEW_TRACE, trace).and_then(|_| {
            connection.execute(
                "INSERT INTO decisions
                     (trace, subtask, task, expert, te, terms, alternatives, embedder, expected_usd, at_ms, vector)
                 SELECT id, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11 FROM traces WHERE trace_id = ?1",
                row,
            )
        });
        added.map(|_| ()).map_err(|e| self.broken(e))
    }

    fn add_outcome(&self, connection: &Connection, outcome: &Outcome) -> Result<()> {
        outcome.check()?;
        let decision = connection
            .query_row(
                "SELECT d.id FROM decisions d JOIN traces t ON t.id = d.trace
                 WHERE t.trace_id = ?1 AND d.subtask = ?2 AND d.expert = ?3 ORDER BY d.id DESC LIMIT 1",
                params![outcome.trace_id, outcome.subtask as i64, outcome.expert],
                |row| row.get::<_, i64>(0),
            )
            .optional()
            .map_err(|e| self.broken(e))?;
        let Some(decision) = decision else { return Err(self.undecided(connection, outcome)) };
        let row = params![
            decision,
            outcome.kind.name(),
            outcome.score,
            outcome.latency_ms.map(integer),
            outcome.usd,
            outcome.tokens.map(integer),
            outcome.note,
            integer(outcome.at_ms),
        ];
        let added = connection.execute(
            "INSERT INTO outcomes (decision, kind, score, latency_ms, usd, tokens, note, at_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            row,
        );
        added.map(|_| ()).map_err(|e| self.broken(e))
    }

    /// Why there is no decision that an outcome could belong to.
    fn undecided(&self, connection: &Connection, outcome: &Outcome) -> Error {
        let (trace, subtask) = (&outcome.trace_id, outcome.subtask);
        let recorded = match self.recorded(connection, trace) {
            Ok(recorded) => recorded,
            Err(error) => return error,
        };
        let known: std::collections::BTreeSet<_> = recorded.iter().map(|r| r.decision.subtask).collect();
        Error::Input(if known.contains(&subtask) {
            format!(
                "subtask {subtask} of the trace `{trace}` was not given to `{}`; `qsef trace show {trace}` shows to whom",
                outcome.expert
            )
        } else {
            self.no_such_subtask(trace, subtask, known.iter())
        })
    }

    fn no_such_subtask<'a>(&self, trace: &str, id: SubtaskId, known: impl Iterator<Item = &'a SubtaskId>) -> String {
        let known: Vec<String> = known.map(ToString::to_string).collect();
        let known = known.join(", ");
        format!("the trace `{trace}` has no subtask {id}, only {known}; `qsef trace show {trace}` shows them")
    }
}

/// SQLite's integers are signed.
fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
