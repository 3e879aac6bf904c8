//! The adapters: the edges of the graph of formats.

pub(crate) mod blocks;
pub(crate) mod csv;
pub(crate) mod dates;
pub(crate) mod json;
pub(crate) mod lists;
pub(crate) mod markdown;
pub(crate) mod scalars;
pub(crate) mod tables;
pub(crate) mod yaml;

use qsef_core::Payload;
use serde_json::Value;

use super::{
    graph::{Adapter, Convert, Step, Takes},
    kind::Kind,
};

/// All adapters with the losses that they are expected to have: about 0 where the result says the same to every reader, 0.1
/// where structure becomes text that a reader has to parse, up to 0.2 where text is read by a convention that it need not
/// follow, 0.3 and more where something stays behind.
pub(super) fn all() -> Vec<Adapter> {
    use Kind::*;
    use Takes::{Block, Value, Whole};
    let edges: &[(Kind, Kind, f64, Takes, Convert)] = &[
        (Json, Yaml, 0.02, Whole, yaml::from_json),
        (Yaml, Json, 0.02, Whole, yaml::to_json),
        (Json, Text, 0.1, Whole, json::to_text),
        (Yaml, Text, 0.1, Whole, as_text),
        (Text, Json, 0.05, Whole, json::from_text),
        (Text, Json, 0.2, Whole, yaml::from_text),
        (Text, Json, 0.35, Block, json::in_text),
        (Json, List, 0.02, Whole, lists::from_json),
        (List, Json, 0.0, Whole, lists::to_json),
        (List, Text, 0.02, Whole, lists::to_text),
        (Text, List, 0.15, Whole, lists::from_text),
        (Text, List, 0.35, Block, lists::in_text),
        (Text, List, 0.45, Whole, lists::enumerated),
        (Json, Table, 0.05, Whole, tables::from_json),
        (Json, Table, 0.3, Whole, tables::from_nested),
        (Table, Json, 0.02, Whole, tables::to_json),
        (Table, List, 0.1, Whole, lists::from_json),
        (Table, Csv, 0.02, Whole, csv::write),
        (Csv, Table, 0.02, Whole, csv::read),
        (Csv, Text, 0.1, Whole, as_text),
        (Text, Table, 0.1, Whole, tables::from_text),
        (Text, Table, 0.3, Block, tables::in_text),
        (Table, MarkdownTable, 0.02, Whole, markdown::write),
        (MarkdownTable, Table, 0.02, Whole, markdown::read),
        (MarkdownTable, Text, 0.02, Whole, as_text),
        (Code, Fenced, 0.01, Whole, blocks::fence),
        (Fenced, Code, 0.01, Whole, blocks::unfence),
        (Fenced, Text, 0.01, Whole, as_text),
        (Text, Fenced, 0.01, Whole, blocks::whole),
        (Text, Fenced, 0.3, Block, blocks::in_text),
        (Number, Text, 0.0, Whole, as_text),
        (Number, Json, 0.0, Whole, scalars::number_to_json),
        (Json, Number, 0.02, Whole, scalars::number_of_json),
        (Text, Number, 0.02, Whole, scalars::number_of_text),
        (Text, Number, 0.5, Value, scalars::number_in_text),
        (Boolean, Text, 0.0, Whole, json::to_text),
        (Boolean, Json, 0.0, Whole, lists::to_json),
        (Json, Boolean, 0.02, Whole, scalars::boolean_of_json),
        (Text, Boolean, 0.02, Whole, scalars::boolean_of_text),
        (Text, Boolean, 0.5, Value, scalars::boolean_in_text),
        (Date, Text, 0.0, Whole, as_text),
        (Date, Json, 0.0, Whole, lists::to_json),
        (Json, Date, 0.02, Whole, scalars::date_of_json),
        (Text, Date, 0.02, Whole, dates::of_text),
        (Text, Date, 0.5, Value, dates::in_text),
    ];
    let adapter = |&(from, to, loss, takes, convert)| Adapter { from, to, loss, takes, step: Step::Function(convert) };
    edges.iter().map(adapter).collect()
}

/// What a format that is written as text says, as prose.
fn as_text(payload: &Payload, _: &qsef_core::Format) -> Result<super::graph::Made, String> {
    Ok(Payload::text(text_of(payload)?).into())
}

/// The text of a payload whose value must be one.
fn text_of(payload: &Payload) -> Result<&str, String> {
    payload.value.as_str().ok_or_else(|| "the value is not a text".to_owned())
}

/// A value without parts as text, exactly as written; nothing for null.
fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Null => Some(String::new()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Array(_) | Value::Object(_) => None,
    }
}
