use qsef_core::{Error, Result, SubtaskId};
use rusqlite::{Connection, Row, params, types::Type};
use serde::de::DeserializeOwned;

use crate::run::Step;

use super::{Decision, HistoryQuery, HistoryRow, Ledger, Outcome, OutcomeKind, Record, Recorded, TraceSummary};

/// Whose word counts for more, first to last: a person's, a judge's, what plainly went wrong, and that nobody objected.
const PRECEDENCE: &str = "CASE kind WHEN 'user' THEN 0 WHEN 'judge' THEN 1 WHEN 'finished' THEN 3 ELSE 2 END";

impl Ledger {
    /// The newest traces, newest first.
    ///
    /// # Errors
    /// [`Error::Io`] where the ledger cannot be read.
    pub fn traces(&self, limit: usize) -> Result<Vec<TraceSummary>> {
        let connection = self.connection();
        let sql =
            "SELECT trace_id, request, at_ms, (SELECT count(DISTINCT subtask) FROM decisions WHERE trace = traces.id)
                   FROM traces ORDER BY id DESC LIMIT ?1";
        self.rows(&connection, sql, params![rows_at_most(limit)], |row| {
            Ok(TraceSummary {
                trace_id: row.get(0)?,
                request: row.get(1)?,
                at_ms: unsigned(row.get(2)?),
                subtasks: subtask_id(row.get(3)?),
            })
        })
    }

    /// The id of the trace that a person means: `last`, an id, or the beginning of one that no other id has, in either
    /// case.
    ///
    /// # Errors
    /// [`Error::Input`] where there is none or more than one; [`Error::Io`] where the ledger cannot be read.
    pub fn resolve(&self, trace: &str) -> Result<String> {
        if trace == "last" {
            let newest = self.traces(1)?.into_iter().next();
            let none = || format!("the ledger {} has no traces yet; `qsef ask` makes one", self.path().display());
            return newest.map(|t| t.trace_id).ok_or_else(|| Error::Input(none()));
        }
        let connection = self.connection();
        let id = |row: &Row<'_>| row.get::<_, String>(0);
        // The exact id first: it may be the beginning of others.
        let exact = self.rows(&connection, "SELECT trace_id FROM traces WHERE trace_id = ?1", params![trace], id)?;
        if let Some(exact) = exact.into_iter().next() {
            return Ok(exact);
        }
        let sql = "SELECT trace_id FROM traces WHERE substr(trace_id, 1, length(?1)) = ?1 COLLATE NOCASE LIMIT 2";
        let mut found = if trace.is_empty() { Vec::new() } else { self.rows(&connection, sql, params![trace], id)? };
        match (found.pop(), found.pop()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(self.no_such_trace(trace)),
            (Some(_), Some(_)) => Err(Error::Input(format!(
                "several traces begin with `{trace}`; give more of the id that you mean: `qsef trace list` shows them"
            ))),
        }
    }

    /// The decisions of a trace with their outcomes, in order of their subtasks, and those of one subtask in order of time.
    ///
    /// # Errors
    /// [`Error::Input`] for an unknown trace; [`Error::Io`] where the ledger cannot be read.
    pub fn decisions_of(&self, trace_id: &str) -> Result<Vec<Recorded>> {
        self.recorded(&self.connection(), trace_id)
    }

    pub(super) fn recorded(&self, connection: &Connection, trace_id: &str) -> Result<Vec<Recorded>> {
        let decisions =
            "SELECT d.id, t.trace_id, t.request, d.subtask, d.task, d.expert, d.te, d.terms, d.alternatives,
                                d.embedder, d.vector, d.expected_usd, d.at_ms
                         FROM decisions d JOIN traces t ON t.id = d.trace
                         WHERE t.trace_id = ?1 ORDER BY d.subtask, d.id";
        let decisions = self.rows(connection, decisions, params![trace_id], |row| {
            let decision = Decision {
                trace_id: row.get(1)?,
                request: row.get(2)?,
                subtask: subtask_id(row.get(3)?),
                task: row.get(4)?,
                expert: row.get(5)?,
                te: row.get(6)?,
                terms: json(row, 7)?,
                alternatives: json(row, 8)?,
                embedder: row.get(9)?,
                vector: vector(row, 10)?,
                expected_usd: row.get(11)?,
                at_ms: unsigned(row.get(12)?),
            };
            Ok((row.get::<_, i64>(0)?, decision))
        })?;
        if decisions.is_empty() {
            return Err(self.no_such_trace(trace_id));
        }
        let outcomes = "SELECT kind, score, latency_ms, usd, tokens, note, at_ms
                        FROM outcomes WHERE decision = ?1 ORDER BY id";
        let with_outcomes = |(id, decision): (i64, Decision)| {
            let outcomes = self.rows(connection, outcomes, params![id], |row| {
                Ok(Outcome {
                    trace_id: decision.trace_id.clone(),
                    subtask: decision.subtask,
                    expert: decision.expert.clone(),
                    kind: kind(row, 0)?,
                    score: row.get(1)?,
                    latency_ms: row.get::<_, Option<i64>>(2)?.map(unsigned),
                    usd: row.get(3)?,
                    tokens: row.get::<_, Option<i64>>(4)?.map(unsigned),
                    note: row.get(5)?,
                    at_ms: unsigned(row.get(6)?),
                })
            })?;
            Ok(Recorded { decision, outcomes })
        };
        decisions.into_iter().map(with_outcomes).collect()
    }

    /// The steps of a run, oldest first, each with its time in milliseconds since 1970 UTC. None for a trace of a version
    /// that kept none.
    ///
    /// # Errors
    /// [`Error::Input`] for an unknown trace; [`Error::Io`] where the ledger cannot be read, or holds a step that this version
    /// does not know.
    pub fn steps_of(&self, trace_id: &str) -> Result<Vec<(u64, Step)>> {
        let connection = self.connection();
        let known =
            self.rows(&connection, "SELECT 1 FROM traces WHERE trace_id = ?1", params![trace_id], |_| Ok(()))?;
        if known.is_empty() {
            return Err(self.no_such_trace(trace_id));
        }
        let sql = "SELECT s.at_ms, s.step FROM steps s JOIN traces t ON t.id = s.trace
                   WHERE t.trace_id = ?1 ORDER BY s.number";
        self.rows(&connection, sql, params![trace_id], |row| Ok((unsigned(row.get(0)?), json(row, 1)?)))
    }

    /// What was learnt: a row for each decision that has an outcome, newest first. Where outcomes differ, a person's word
    /// counts before a judge's, that before a failure of any kind, that before a plain end; of equals the newest. Time and
    /// money are the newest that are known, whoever scored.
    ///
    /// # Errors
    /// [`Error::Io`] where the ledger cannot be read.
    pub fn history(&self, query: &HistoryQuery) -> Result<Vec<HistoryRow>> {
        let known = |column: &str| {
            format!(
                "(SELECT {column} FROM outcomes
                  WHERE decision = d.id AND {column} IS NOT NULL ORDER BY id DESC LIMIT 1)"
            )
        };
        let sql = format!(
            "SELECT d.task, d.vector, d.expert, d.te, d.terms, o.kind, o.score, {latency}, {usd}, {tokens}, d.at_ms
             FROM decisions d JOIN outcomes o ON o.id =
                 (SELECT id FROM outcomes WHERE decision = d.id ORDER BY {PRECEDENCE}, id DESC LIMIT 1)
             WHERE d.embedder = ?1 AND d.at_ms >= ?2 ORDER BY d.id DESC LIMIT ?3",
            latency = known("latency_ms"),
            usd = known("usd"),
            tokens = known("tokens"),
        );
        let since = i64::try_from(query.since_ms).unwrap_or(i64::MAX);
        let connection = self.connection();
        self.rows(&connection, &sql, params![query.embedder, since, rows_at_most(query.limit)], |row| {
            let kind = kind(row, 5)?;
            Ok(HistoryRow {
                task: row.get(0)?,
                vector: vector(row, 1)?,
                expert: row.get(2)?,
                te: row.get(3)?,
                terms: json(row, 4)?,
                score: row.get(6)?,
                weight: kind.weight(),
                latency_ms: row.get::<_, Option<i64>>(7)?.map(unsigned),
                usd: row.get(8)?,
                tokens: row.get::<_, Option<i64>>(9)?.map(unsigned),
                at_ms: unsigned(row.get(10)?),
            })
        })
    }

    /// How an expert did in all; `None` where it has no outcome yet. Which of several outcomes counts is as in
    /// [`Ledger::history`].
    ///
    /// # Errors
    /// [`Error::Io`] where the ledger cannot be read.
    pub fn record_of(&self, expert: &str) -> Result<Option<Record>> {
        let known = |column: &str| format!("(SELECT avg({column}) FROM outcomes WHERE decision = d.id)");
        let sql = format!(
            "SELECT count(*), avg(o.score), avg({latency}), avg({usd})
             FROM decisions d JOIN outcomes o ON o.id =
                 (SELECT id FROM outcomes WHERE decision = d.id ORDER BY {PRECEDENCE}, id DESC LIMIT 1)
             WHERE d.expert = ?1",
            latency = known("latency_ms"),
            usd = known("usd"),
        );
        let connection = self.connection();
        let records = self.rows(&connection, &sql, params![expert], |row| {
            let Some(score) = row.get::<_, Option<f64>>(1)? else { return Ok(None) };
            let outcomes = unsigned(row.get(0)?);
            Ok(Some(Record { outcomes, score, latency_ms: row.get(2)?, usd: row.get(3)? }))
        })?;
        Ok(records.into_iter().next().flatten())
    }

    /// The newest requests with the experts of their subtasks in order, newest first; those of which a subtask went wrong are
    /// left out.
    ///
    /// # Errors
    /// [`Error::Io`] where the ledger cannot be read.
    pub fn requests(&self, limit: usize) -> Result<Vec<(String, Vec<String>)>> {
        // Of several decisions on a subtask the newest holds.
        let sql = "SELECT t.id, t.request, d.expert FROM decisions d JOIN traces t ON t.id = d.trace
                   WHERE t.id IN (SELECT id FROM traces ORDER BY id DESC LIMIT ?1)
                     AND d.id = (SELECT max(id) FROM decisions WHERE trace = d.trace AND subtask = d.subtask)
                     AND NOT EXISTS (SELECT 1 FROM outcomes o JOIN decisions e ON e.id = o.decision
                                     WHERE e.trace = t.id AND o.score < 0.5)
                   ORDER BY t.id DESC, d.subtask";
        let connection = self.connection();
        let rows = self.rows(&connection, sql, params![rows_at_most(limit)], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?))
        })?;
        let mut requests: Vec<(i64, String, Vec<String>)> = Vec::new();
        for (trace, request, expert) in rows {
            match requests.last_mut() {
                Some((last, _, experts)) if *last == trace => experts.push(expert),
                _ => requests.push((trace, request, vec![expert])),
            }
        }
        Ok(requests.into_iter().map(|(_, request, experts)| (request, experts)).collect())
    }

    fn rows<T>(
        &self,
        connection: &Connection,
        sql: &str,
        parameters: &[&dyn rusqlite::ToSql],
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        let mut statement = connection.prepare(sql).map_err(|e| self.broken(e))?;
        let rows = statement.query_map(parameters, read).and_then(Iterator::collect);
        rows.map_err(|e| self.broken(e))
    }
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn subtask_id(number: i64) -> SubtaskId {
    SubtaskId::try_from(number).unwrap_or(0)
}

fn rows_at_most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// A value that this program did not write.
fn strange(column: usize, of: Type, why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, of, why.into())
}

fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    serde_json::from_str(&row.get::<_, String>(column)?).map_err(|e| strange(column, Type::Text, e))
}

fn kind(row: &Row<'_>, column: usize) -> rusqlite::Result<OutcomeKind> {
    let name: String = row.get(column)?;
    OutcomeKind::from_name(&name).ok_or_else(|| strange(column, Type::Text, format!("there is no outcome `{name}`")))
}

/// Little-endian 32-bit floats.
fn vector(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Vec<f32>>> {
    let Some(bytes) = row.get::<_, Option<Vec<u8>>>(column)? else { return Ok(None) };
    let (floats, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(strange(column, Type::Blob, format!("a vector of {} bytes", bytes.len())));
    }
    Ok(Some(floats.iter().map(|four| f32::from_le_bytes(*four)).collect()))
}
