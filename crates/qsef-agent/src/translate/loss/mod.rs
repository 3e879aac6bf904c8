//! What a translation must not lose: numbers, units, names, code and negations.

mod facts;
mod names;

use qsef_core::{Format, Modality, Payload};
use serde_json::Value;

use super::{
    adapters::{csv, json, tables, yaml},
    graph::Made,
};
use facts::Facts;
pub(crate) use facts::quantities;

/// What the source of a translation has and its result lacks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Loss {
    /// Numbers, dates, units, names and code, as the source writes them; "a negation" where the result negates less.
    pub missing: Vec<String>,
    /// Whether negations are among them.
    pub negation: bool,
}

impl Loss {
    /// Whether nothing is missing.
    pub fn is_none(&self) -> bool {
        self.missing.is_empty()
    }
}

/// Which numbers, dates, units, names, code and negations of a source its translation lacks, English and Chinese. Numbers
/// count as written (1.50 is not 1.5), dates by the day that they mean. Names are read from the surface: capitals,
/// identifiers, quotation marks, and in Chinese the endings of places and institutions and the titles of persons, so that one
/// without such a mark is not seen.
pub fn survives(source: &Payload, target: &Payload) -> Loss {
    if source.modality != Modality::Text || target.modality != Modality::Text {
        return Loss::default();
    }
    let (from, to) = (content(source), content(target));
    if to.contains(&from) && !matches!(source.format, Format::Code(_)) {
        return Loss::default();
    }
    let code = matches!(source.format, Format::Code(_)).then_some(from.as_str());
    Facts::of(&from, code).missing_in(&Facts::of(&to, None), &to)
}

/// Numbers and dates of the target that the source does not have.
pub(crate) fn invented(source: &Payload, target: &Payload) -> Vec<String> {
    let (from, to) = (content(source), content(target));
    Facts::of(&to, None).new_numbers(&Facts::of(&from, None))
}

/// What a payload says: keys once, then the values in order, without the marks of its format.
fn content(payload: &Payload) -> String {
    let text = payload.value.as_str().unwrap_or_default();
    let parsed = match payload.format {
        Format::Yaml => yaml::parse(text).ok(),
        Format::Csv => csv::parse_any(text).ok().map(|(header, rows)| {
            let all = std::iter::once(&header).chain(&rows).flat_map(|row| row.iter());
            all.map(|cell| Value::String(cell.to_owned())).collect()
        }),
        Format::MarkdownTable => rows(tables::whole(text)),
        Format::Text if text.trim_start().starts_with(['{', '[']) => json::parse(text).ok(),
        Format::Text if text.contains('\n') => rows(tables::whole(text)),
        _ => None,
    };
    match parsed.as_ref().unwrap_or(&payload.value) {
        Value::String(text) => text.clone(),
        structure => {
            let (mut keys, mut values) = (Vec::new(), String::new());
            collect(structure, &mut keys, &mut values, 0);
            let mut seen = std::collections::HashSet::new();
            keys.retain(|key| seen.insert(*key));
            if keys.is_empty() { values } else { format!("{}\n{values}", keys.join("\n")) }
        }
    }
}

/// The rows of a table; none where there are none, because its header stands in them.
fn rows(table: Result<Made, String>) -> Option<Value> {
    table.ok().map(|made| made.payload.value).filter(|rows| rows.as_array().is_some_and(|rows| !rows.is_empty()))
}

fn collect<'a>(value: &'a Value, keys: &mut Vec<&'a str>, out: &mut String, depth: usize) {
    // Values made in code may be nested without bound; adapters refuse what is as deep as this.
    if depth > 200 {
        return;
    }
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                keys.push(key);
                collect(value, keys, out, depth + 1);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, keys, out, depth + 1)),
        Value::String(text) => {
            out.push_str(text);
            out.push('\n');
        }
        Value::Null => {}
        other => {
            out.push_str(&other.to_string());
            out.push('\n');
        }
    }
}

#[cfg(test)]
mod tests;
