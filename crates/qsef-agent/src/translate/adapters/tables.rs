use qsef_core::{Format, Payload};
use serde_json::{Map, Value};

use super::{blocks, csv, markdown, scalar_text, text_of};
use crate::translate::graph::Made;

pub(super) const NULLS: &str = "cells without a value are empty";

/// Header, rows as text, and whether there are nulls.
type Cells = (Vec<String>, Vec<Vec<String>>, bool);

/// The cells of a table; why not, where the value is none.
pub(crate) fn cells(value: &Value) -> Result<Cells, String> {
    let rows = value.as_array().ok_or("a table is an array of rows")?;
    let (mut header, mut cells, mut nulls): (Vec<String>, _, _) = (Vec::new(), Vec::with_capacity(rows.len()), false);
    for (index, row) in rows.iter().enumerate() {
        let row = row.as_object().ok_or("a row of a table is an object")?;
        if index == 0 {
            header = row.keys().cloned().collect();
        }
        if header.is_empty() || !row.keys().eq(&header) {
            return Err("the rows have different columns".into());
        }
        nulls |= row.values().any(Value::is_null);
        let texts: Option<Vec<String>> = row.values().map(scalar_text).collect();
        cells.push(texts.ok_or("a cell of a table has no parts")?);
    }
    Ok((header, cells, nulls))
}

fn table(rows: Vec<Value>) -> Made {
    Payload { format: Format::Table, ..Payload::json(Value::Array(rows)) }.into()
}

pub(super) fn to_json(payload: &Payload, _: &Format) -> Result<Made, String> {
    Ok(Payload::json(payload.value.clone()).into())
}

/// An array of flat objects with the same keys, or one such object.
pub(super) fn from_json(payload: &Payload, _: &Format) -> Result<Made, String> {
    let rows = match &payload.value {
        Value::Object(_) => vec![payload.value.clone()],
        Value::Array(rows) => rows.clone(),
        _ => return Err("it is not a table".into()),
    };
    let made = table(rows);
    cells(&made.payload.value)?;
    Ok(made)
}

/// Structures that are no table, made into one: the only list of an object, plain values as a column, fields of fields as
/// columns, lists in a cell as JSON, missing fields as empty cells. What was done is noted.
pub(super) fn from_nested(payload: &Payload, _: &Format) -> Result<Made, String> {
    let mut notes = Vec::new();
    let mut value = &payload.value;
    if let Value::Object(fields) = value
        && let (1, Some((name, Value::Array(rows)))) = (fields.len(), fields.iter().next())
        && !rows.is_empty()
    {
        notes.push(format!("the table is what the field `{name}` held"));
        value = fields.values().next().unwrap_or(value);
    }
    let items = match value {
        Value::Array(items) if !items.is_empty() => items.as_slice(),
        Value::Object(fields) if !fields.is_empty() => std::slice::from_ref(value),
        _ => return Err("it is not a table".into()),
    };
    let mut rows: Vec<Map<String, Value>> = Vec::with_capacity(items.len());
    for item in items {
        let mut row = Map::new();
        match item {
            Value::Object(fields) => flatten("", fields, &mut row)?,
            Value::Array(_) => return Err("a list of lists is not a table".into()),
            plain => {
                row.insert("value".into(), plain.clone());
            }
        }
        rows.push(row);
    }
    if items.iter().any(|item| !item.is_object()) {
        notes.push("plain values stand in the column `value`".into());
    }
    if items.iter().filter_map(Value::as_object).flat_map(Map::values).any(|v| v.is_object() || v.is_array()) {
        notes.push(
            "what was nested is spread over columns with dots in their names, lists stand in cells as JSON".into(),
        );
    }
    let mut columns: Vec<String> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for key in rows.iter().flat_map(Map::keys) {
        if seen.insert(key.clone()) {
            columns.push(key.clone());
        }
    }
    // Rows times columns must stay in proportion to what came: objects without a common key would square it.
    if columns.len() > 256 || columns.is_empty() {
        return Err("its objects have no columns in common".into());
    }
    if rows.iter().any(|row| row.len() < columns.len()) {
        notes.push("fields that a row did not have are empty".into());
    }
    let full = rows
        .into_iter()
        .map(|mut row| Value::Object(columns.iter().map(|c| (c.clone(), row.remove(c).unwrap_or_default())).collect()));
    let made = table(full.collect());
    Ok(Made { notes, ..made })
}

/// The nesting of JSON that was parsed is limited, that of a value made in code is not.
fn flatten(prefix: &str, fields: &Map<String, Value>, row: &mut Map<String, Value>) -> Result<(), String> {
    for (key, value) in fields {
        let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            Value::Object(inner) if !inner.is_empty() && prefix.len() < 256 => flatten(&name, inner, row)?,
            other => {
                let cell = if other.is_array() || other.is_object() {
                    Value::String(other.to_string())
                } else {
                    other.clone()
                };
                if row.insert(name, cell).is_some() {
                    return Err("two of its fields would be the same column".into());
                }
            }
        }
    }
    Ok(())
}

/// A text that is a Markdown table, CSV or tab-separated values.
pub(super) fn from_text(payload: &Payload, _: &Format) -> Result<Made, String> {
    whole(text_of(payload)?)
}

pub(crate) fn whole(text: &str) -> Result<Made, String> {
    if markdown::find(text).is_empty() { delimited(text) } else { markdown::whole(text) }
}

/// Prose has commas too, so a text counts as CSV only with several columns and rows and a header that is no clause.
fn delimited(text: &str) -> Result<Made, String> {
    let header = text.lines().next().unwrap_or_default();
    let prose = regex!(r"[,;\t] |[.!?:,。：]\s*$").is_match(header);
    let parsed = csv::parse_any(text.trim_end())?;
    if prose || parsed.0.len() < 2 || parsed.1.is_empty() {
        return Err("it does not look like CSV".into());
    }
    Ok(csv::table(&parsed))
}

/// The one table that stands in a text, as Markdown or in a fence of CSV.
pub(super) fn in_text(payload: &Payload, _: &Format) -> Result<Made, String> {
    let text = text_of(payload)?;
    let found = markdown::find(text);
    let fenced: Vec<_> = blocks::of(text).into_iter().filter(|b| ["csv", "tsv"].contains(&&*b.language)).collect();
    match (found.as_slice(), fenced.as_slice()) {
        ([table], []) => markdown::parse(table),
        ([], [block]) => delimited(&block.code),
        ([], []) => Err("there is no table in it".into()),
        _ => Err("there are several tables in it".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nested_json_becomes_a_table_only_with_a_note() {
        let nested = Payload::json(json!({"cities": [{"n": "A", "at": {"x": 1, "y": [2]}}, {"n": "B"}]}));
        assert!(from_json(&nested, &Format::Table).is_err());
        let made = from_nested(&nested, &Format::Table).unwrap();
        let expected = json!([{"n": "A", "at.x": 1, "at.y": "[2]"}, {"n": "B", "at.x": null, "at.y": null}]);
        assert_eq!(made.payload.value, expected);
        assert_eq!(made.notes.len(), 3, "{:?}", made.notes);
        for bad in [json!([]), json!(3), json!([[1]]), json!({"a": {"b": 1}, "a.b": 2})] {
            assert!(from_nested(&Payload::json(bad.clone()), &Format::Table).is_err(), "{bad}");
        }
    }

    #[test]
    fn prose_with_commas_is_not_a_table() {
        let read = |text: &str| from_text(&Payload::text(text), &Format::Table).map(|m| m.payload.value);
        assert_eq!(read("id;v\n007;1,5\n"), Ok(json!([{"id": "007", "v": "1,5"}])));
        assert!(read("Hello, Ann\nBye, Bob").is_err() && read("a,b\n1").is_err() && read("a,a\n1,2").is_err());
        assert!(read("").is_err() && read("one line").is_err());
    }
}
