//! Logits in a file, the largest of each text: JSON lines, first `{"labels":[…]}`, then `{"text","top":[[class, log-probability], …]}` with
//! classes as numbers in that list. What a text's list leaves out shares the rest of the probability.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    path::Path,
};

use qsef_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// The least probability that is left to all other classes.
const LEAST: f32 = 1e-6;

#[derive(Serialize, Deserialize)]
pub(super) struct Head {
    pub labels: Vec<String>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Line {
    pub text: String,
    pub top: Vec<(usize, f32)>,
}

fn log_probabilities(logits: &[f32]) -> Vec<f32> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum = largest + logits.iter().map(|x| (x - largest).exp()).sum::<f32>().ln();
    logits.iter().map(|x| x - sum).collect()
}

/// Writes the `top` largest log-probabilities of each text.
///
/// # Errors
/// [`Error::Io`].
pub fn write_logits(path: &Path, labels: &[String], texts: &[&str], logits: &[Vec<f32>], top: usize) -> Result<()> {
    let mut out = Vec::new();
    let json = |e: serde_json::Error| Error::Internal(e.to_string());
    serde_json::to_writer(&mut out, &Head { labels: labels.to_vec() }).map_err(json)?;
    for (text, logits) in texts.iter().zip(logits) {
        let mut ranked: Vec<(usize, f32)> = log_probabilities(logits).into_iter().enumerate().collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
        ranked.truncate(top);
        out.push(b'\n');
        // Four digits after the point are more than a teacher knows.
        let top = ranked.into_iter().map(|(class, p)| (class, (p * 1e4).round() / 1e4)).collect();
        serde_json::to_writer(&mut out, &Line { text: (*text).to_owned(), top }).map_err(json)?;
    }
    let _ = out.write_all(b"\n");
    crate::files::write(path, &out)
}

/// Reads what [`write_logits`] wrote, for these texts and classes.
///
/// # Errors
/// [`Error::Io`]; [`Error::File`] for classes that differ from the student's, with those that do, for a row that does not read, and for
/// a text that is not in the file.
pub fn read_logits(path: &Path, labels: &[String], texts: &[&str]) -> Result<Vec<Vec<f32>>> {
    let bad = |line: Option<usize>, field: &str, message: String| Error::File {
        path: path.into(),
        line,
        field: Some(field.into()),
        message,
    };
    let file = std::fs::File::open(path).map_err(|e| Error::io("open", path, e))?;
    let mut lines = BufReader::new(file).lines();
    let first = lines.next().transpose().map_err(|e| Error::io("read", path, e))?.unwrap_or_default();
    let head: Head = serde_json::from_str(&first).map_err(|e| bad(Some(1), "labels", e.to_string()))?;
    let missing: Vec<&String> = labels.iter().filter(|label| !head.labels.contains(label)).collect();
    let extra: Vec<&String> = head.labels.iter().filter(|label| !labels.contains(label)).collect();
    if let Some(label) = missing.first().or(extra.first()) {
        let message = format!(
            "the teacher's classes are not the student's: it lacks {} of them and has {} others, such as `{label}`",
            missing.len(),
            extra.len()
        );
        return Err(bad(Some(1), "labels", message));
    }
    // The teacher's number of a class to the student's.
    let places: Vec<usize> =
        head.labels.iter().filter_map(|label| labels.iter().position(|other| other == label)).collect();
    let mut known: HashMap<String, Vec<f32>> = HashMap::new();
    for (number, line) in (2..).zip(lines) {
        let line = line.map_err(|e| Error::io("read", path, e))?;
        if line.trim().is_empty() {
            continue;
        }
        let row: Line = serde_json::from_str(&line).map_err(|e| bad(Some(number), "top", e.to_string()))?;
        let said: f32 = row.top.iter().map(|(_, p)| p.exp()).sum();
        let others = (labels.len() - row.top.len().min(labels.len())).max(1) as f32;
        let mut logits = vec![((1.0 - said).max(LEAST) / others).ln(); labels.len()];
        for (class, p) in row.top {
            let slot = places.get(class).and_then(|place| logits.get_mut(*place));
            let none = || bad(Some(number), "top", format!("there is no class {class}"));
            *slot.ok_or_else(none)? = if p.is_finite() { p } else { LEAST.ln() };
        }
        known.insert(row.text, logits);
    }
    let find = |text: &&str| {
        known.get(*text).cloned().ok_or_else(|| bad(None, "text", format!("there is no row for the text {text:?}")))
    };
    texts.iter().map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_the_rest_is_shared() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("logits.jsonl");
        let labels = ["b", "a", "c"].map(str::to_owned);
        let texts = ["one", "two"];
        write_logits(&path, &labels, &texts, &[vec![3.0, 1.0, 0.0], vec![0.0, 0.0, 5.0]], 2).unwrap();
        // In another order.
        let read = read_logits(&path, &["a", "b", "c"].map(str::to_owned), &["two", "one"]).unwrap();
        let exact = log_probabilities(&[1.0, 3.0, 0.0]);
        read[1].iter().zip(&exact).for_each(|(read, exact)| assert!((read - exact).abs() < 5e-3, "{read} {exact}"));
        let sum: f32 = read[0].iter().map(|x| x.exp()).sum();
        assert!((sum - 1.0).abs() < 1e-3);

        let error = read_logits(&path, &["a", "b"].map(str::to_owned), &texts).unwrap_err().to_string();
        assert!(error.contains("logits.jsonl:1 (labels)") && error.contains("1 others, such as `c`"), "{error}");
        let error = read_logits(&path, &labels, &["three"]).unwrap_err().to_string();
        assert!(error.contains("no row for the text \"three\""), "{error}");
    }
}
