use std::{
    io::{BufRead, BufReader},
    path::Path,
};

use qsef_core::{Error, Result};
use serde::de::DeserializeOwned;

/// Reads a file of JSON lines, each row with its line counted from 1; blank lines are skipped.
///
/// # Errors
/// [`Error::Io`] when the file cannot be read; [`Error::File`] with the line for one that does not read as a `T`, and
/// for a file without rows.
pub fn read_jsonl<T: DeserializeOwned>(path: &Path) -> Result<Vec<(usize, T)>> {
    let bad = |line: Option<usize>, message: String| Error::File { path: path.into(), line, field: None, message };
    let file = std::fs::File::open(path).map_err(|e| Error::io("open", path, e))?;
    let mut rows = Vec::new();
    for (number, line) in (1..).zip(BufReader::new(file).lines()) {
        let line = line.map_err(|e| match e.kind() {
            std::io::ErrorKind::InvalidData => bad(Some(number), "not UTF-8 text".into()),
            _ => Error::io("read", path, e),
        })?;
        if !line.trim().is_empty() {
            rows.push((number, serde_json::from_str(&line).map_err(|e| bad(Some(number), e.to_string()))?));
        }
    }
    if rows.is_empty() {
        return Err(bad(None, "the file has no rows".into()));
    }
    Ok(rows)
}
