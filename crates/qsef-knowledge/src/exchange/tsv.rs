//! Triples as tab-separated values.

use std::{
    borrow::Cow,
    io::{self, BufRead, Write},
};

use super::{Fault, Row};
use crate::graph::Graph;

pub(super) fn write(graph: &Graph, to: &mut dyn Write) -> io::Result<()> {
    for (subject, relation, object, confidence) in graph.relations() {
        let (subject, relation, object) = (cell(&subject.name), cell(relation), cell(&object.name));
        // As many digits as a confidence has sense.
        writeln!(to, "{subject}\t{relation}\t{object}\t{}", (confidence * 1e4).round() / 1e4)?;
    }
    Ok(())
}

fn cell(text: &str) -> Cow<'_, str> {
    if text.contains(char::is_control) { text.replace(char::is_control, " ").into() } else { text.into() }
}

/// The fields of a line.
const FIELDS: [&str; 4] = ["subject", "relation", "object", "confidence"];

/// Reads rows until `put` does not want more.
pub(super) fn read(from: impl BufRead, mut put: impl FnMut(Row) -> bool) -> Result<(), Fault> {
    for (number, line) in (1..).zip(from.lines()) {
        let fault = |field, message| Fault { line: Some(number), field, message };
        let line = line.map_err(|e| fault(None, e.to_string()))?;
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let cells: Vec<&str> = line.split('\t').map(str::trim).collect();
        let (subject, relation, object, confidence) = match *cells {
            [subject, relation, object] => (subject, relation, object, 1.0),
            [subject, relation, object, confidence] => {
                let value = confidence.parse().ok().filter(|c| (0.0..=1.0).contains(c));
                let value = value
                    .ok_or_else(|| fault(Some("confidence"), format!("`{confidence}` is no number from 0 to 1")))?;
                (subject, relation, object, value)
            }
            _ => {
                let message = format!("{} fields with tabs between; a line has {}", cells.len(), FIELDS.join(", "));
                return Err(fault(None, message));
            }
        };
        if let Some((field, _)) = FIELDS.iter().zip([subject, relation, object]).find(|(_, value)| value.is_empty()) {
            return Err(fault(Some(field), "it is empty".into()));
        }
        if !put(Row { subject: subject.into(), relation: relation.into(), object: object.into(), confidence }) {
            break;
        }
    }
    Ok(())
}
