//! Files of rows.

use std::{collections::HashMap, path::Path};

use qsef_candle::tags::Span;
use qsef_core::{Error, Result};
use qsef_eval::read_jsonl;
use serde::{Deserialize, de::DeserializeOwned};

use super::{Rows, Task};

/// The label of texts that belong to no class.
const OUT_OF_SCOPE: &str = "oos";

/// A row with a class.
#[derive(Deserialize)]
struct Labelled {
    text: String,
    label: String,
    #[serde(default)]
    split: Option<String>,
    #[serde(default)]
    id: Option<String>,
}

/// A row with parts that have labels.
#[derive(Deserialize)]
struct Marked {
    text: String,
    spans: Vec<Mark>,
    #[serde(default)]
    split: Option<String>,
    #[serde(default)]
    id: Option<String>,
}

/// Where a part lies, in characters.
#[derive(Deserialize)]
struct Mark {
    start: usize,
    end: usize,
    label: String,
}

/// What is told of a text.
enum Told {
    Class(String),
    Marks(Vec<Mark>),
}

/// A row of a file.
pub(super) struct Line {
    number: usize,
    text: String,
    told: Told,
    split: Option<String>,
    id: Option<String>,
}

impl Line {
    /// Its labels.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        let (class, marks) = match &self.told {
            Told::Class(label) => (Some(label.as_str()), [].as_slice()),
            Told::Marks(marks) => (None, marks.as_slice()),
        };
        class.into_iter().chain(marks.iter().map(|mark| mark.label.as_str()))
    }
}

fn all<T: DeserializeOwned>(path: &Path, line: impl Fn(usize, T) -> Line) -> Result<Vec<Line>> {
    Ok(read_jsonl(path)?.into_iter().map(|(number, row)| line(number, row)).collect())
}

/// Rows of a split: of a file that names splits only those of this one. Texts that belong to no class are left out.
pub(super) fn read(task: Task, path: &Path, split: &str) -> Result<Vec<Line>> {
    let mut lines = match task {
        Task::Classify => all(path, |number, row: Labelled| {
            let Labelled { text, label, split, id } = row;
            Line { number, text, told: Told::Class(label), split, id }
        }),
        Task::Extract => all(path, |number, row: Marked| {
            let Marked { text, spans, split, id } = row;
            Line { number, text, told: Told::Marks(spans), split, id }
        }),
    }?;
    if lines.iter().any(|line| line.split.is_some()) {
        lines.retain(|line| line.split.as_deref() == Some(split));
    }
    lines.retain(|line| !matches!(&line.told, Told::Class(label) if label == OUT_OF_SCOPE));
    if lines.is_empty() {
        let message = format!("there is no row of the split `{split}` with a label");
        return Err(Error::File { path: path.into(), line: None, field: Some("split".into()), message });
    }
    Ok(lines)
}

/// Rows whose labels are numbers.
pub(super) fn rows(path: &Path, lines: Vec<Line>, places: &HashMap<&str, usize>) -> Result<Rows> {
    let mut rows = Rows::default();
    for Line { number, text, told, id, .. } in lines {
        let bad = |field: &str, message: String| Error::File {
            path: path.into(),
            line: Some(number),
            field: Some(field.into()),
            message,
        };
        if text.trim().is_empty() {
            return Err(bad("text", "must not be empty".into()));
        }
        match told {
            Told::Class(label) => {
                let missing = || bad("label", format!("`{label}` is no class of the training rows"));
                rows.labels.push(*places.get(label.as_str()).ok_or_else(missing)?);
            }
            Told::Marks(marks) => {
                rows.spans.push(spans(&text, marks, places).map_err(|message| bad("spans", message))?);
            }
        }
        rows.texts.push(text);
        rows.ids.push(id);
    }
    Ok(rows)
}

/// Marks as spans in their order; what is wrong with them, in a line.
fn spans(text: &str, marks: Vec<Mark>, places: &HashMap<&str, usize>) -> Result<Vec<Span>, String> {
    // Where each character begins, and where the last one ends.
    let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let mut spans = Vec::with_capacity(marks.len());
    for Mark { start, end, label } in marks {
        let bytes = starts.get(start).zip(starts.get(end)).filter(|_| start < end);
        let Some((from, to)) = bytes else {
            let count = starts.len() - 1;
            return Err(format!(
                "{start}..{end} is no part of a text of {count} characters (`end` is the first after it)"
            ));
        };
        let Some(label) = places.get(label.as_str()) else {
            return Err(format!("`{label}` is no label of the training rows"));
        };
        spans.push(Span { bytes: *from..*to, label: *label });
    }
    spans.sort_by_key(|span| span.bytes.start);
    if let Some([a, b]) = spans.windows(2).find(|pair| matches!(pair, [a, b] if b.bytes.start < a.bytes.end)) {
        let part = |span: &Span| text.get(span.bytes.clone()).unwrap_or_default().to_owned();
        return Err(format!("`{}` and `{}` overlap; each part of a text has one label", part(a), part(b)));
    }
    Ok(spans)
}
