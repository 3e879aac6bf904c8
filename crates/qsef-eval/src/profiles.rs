use std::{collections::BTreeMap, path::Path};

use qsef_core::{Error, ExpertProfile, Result};
use serde::Deserialize;

use crate::read_jsonl;

/// A row of an experts file.
#[derive(Debug, Clone, Deserialize)]
struct ExpertRow {
    id: String,
    description: String,
    #[serde(default)]
    usd_per_mtok: f64,
    #[serde(default)]
    params_b: Option<f64>,
    #[serde(default)]
    parameters: Option<serde_json::Value>,
    #[serde(default)]
    requires: Vec<String>,
    #[serde(default)]
    provides: Vec<String>,
}

/// Reads the profiles of an experts file.
///
/// # Errors
/// As [`read_jsonl`], and [`Error::File`] for an id that is there twice, and a price or a size below 0.
pub fn read_profiles(path: &Path) -> Result<Vec<ExpertProfile>> {
    let rows: Vec<(usize, ExpertRow)> = read_jsonl(path)?;
    let mut first = BTreeMap::new();
    for (line, row) in &rows {
        let bad = |field: &str, message: String| {
            Err(Error::File { path: path.into(), line: Some(*line), field: Some(field.into()), message })
        };
        if let Some(earlier) = first.insert(&row.id, line) {
            return bad("id", format!("`{}` is used twice: first on line {earlier}", row.id));
        }
        let numbers = [("usd_per_mtok", Some(row.usd_per_mtok)), ("params_b", row.params_b)];
        if let Some((field, Some(x))) = numbers.into_iter().find(|(_, x)| x.is_some_and(|x| x < 0.0)) {
            return bad(field, format!("{x} is below 0"));
        }
    }
    let profiles = rows.into_iter().map(|(_, row)| {
        let mut profile = ExpertProfile::new(row.id, row.description);
        profile.usd_per_mtok = row.usd_per_mtok;
        profile.params_b = row.params_b;
        profile.parameters = row.parameters;
        profile.requires = row.requires;
        profile.provides = row.provides;
        profile
    });
    Ok(profiles.collect())
}
