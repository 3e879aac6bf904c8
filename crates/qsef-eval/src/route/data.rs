use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use qsef_core::{Error, ExpertProfile, Result};
use serde::Deserialize;

use crate::{read_jsonl, read_profiles};

/// A request with how every expert did at it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Row {
    pub query: String,
    /// Success of each expert, in [0, 1].
    pub scores: BTreeMap<String, f64>,
    /// What each expert cost, in US dollars.
    #[serde(default)]
    pub costs: BTreeMap<String, f64>,
    /// Its kind, for reports and the baseline `task-bayes` only.
    pub task: Option<String>,
}

/// Experts, and rows to learn from and to test on.
#[derive(Debug, Clone)]
pub struct RouteSet {
    pub(super) experts: Vec<ExpertProfile>,
    pub(super) train: Vec<Row>,
    pub(super) test: Vec<Row>,
}

/// Reads a benchmark. Without a file of experts, they are those of the training rows, with no more than their names. A
/// row need not have a score of every expert; on a test row, a policy chooses among those that have one.
///
/// # Errors
/// As [`read_jsonl`], and [`Error::File`] for a score outside [0, 1], a cost below 0, a row without scores, and an
/// expert that is not in the experts file or, without one, in no training row.
pub fn read(train: &Path, test: &Path, experts: Option<&Path>) -> Result<RouteSet> {
    let mut profiles = experts.map(read_profiles).transpose()?;
    let train = rows(train, |rows| {
        let named = || rows.iter().flat_map(|(_, row)| row.scores.keys());
        let known = profiles.get_or_insert_with(|| {
            named().collect::<BTreeSet<_>>().into_iter().map(|id| ExpertProfile::new(id, "")).collect()
        });
        known.iter().map(|p| p.id.clone()).collect()
    })?;
    let experts = profiles.unwrap_or_default();
    let test = rows(test, |_| experts.iter().map(|p| p.id.clone()).collect())?;
    Ok(RouteSet { experts, train, test })
}

fn rows(path: &Path, known: impl FnOnce(&[(usize, Row)]) -> BTreeSet<String>) -> Result<Vec<Row>> {
    let rows: Vec<(usize, Row)> = read_jsonl(path)?;
    let known = known(&rows);
    for (line, row) in &rows {
        let bad = |field: &str, message: String| {
            Err(Error::File { path: path.into(), line: Some(*line), field: Some(field.into()), message })
        };
        if row.scores.is_empty() {
            return bad("scores", "there is no score".into());
        }
        for (id, score) in &row.scores {
            if !known.contains(id) {
                return bad("scores", format!("`{id}` is no known expert"));
            }
            if !(0.0..=1.0).contains(score) {
                return bad("scores", format!("the score of `{id}` is {score}; it is from 0 to 1"));
            }
        }
        if let Some((id, cost)) = row.costs.iter().find(|(_, c)| !(c.is_finite() && **c >= 0.0)) {
            return bad("costs", format!("the cost of `{id}` is {cost}; it is a number of US dollars, 0 or more"));
        }
    }
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}
