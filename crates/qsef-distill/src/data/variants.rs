//! Other wordings of the rows to learn from.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use qsef_core::{Error, Result};
use qsef_eval::read_jsonl;
use serde::Deserialize;

use super::DataSet;

/// A text that may stand in for others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// The text.
    pub text: String,
    /// For which.
    pub of: VariantOf,
}

/// What a variant is one of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VariantOf {
    /// All texts of a class.
    Class(usize),
    /// The text of the row with this id.
    Row(String),
}

/// A row of a class, or one that the curriculum generator wrote.
#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    label: Option<String>,
    #[serde(default)]
    item: Option<String>,
    #[serde(default)]
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    content: String,
}

pub(super) fn read(data: &DataSet, path: &Path) -> Result<Vec<Variant>> {
    let classes: HashMap<&str, usize> = data.labels.iter().enumerate().map(|(i, label)| (label.as_str(), i)).collect();
    let ids: HashSet<&str> = data.train.ids.iter().flatten().map(String::as_str).collect();
    let mut variants = Vec::new();
    for (number, line) in read_jsonl::<Line>(path)? {
        let bad = |field: &str, message: String| Error::File {
            path: path.into(),
            line: Some(number),
            field: Some(field.into()),
            message,
        };
        let Line { text, label, item, messages } = line;
        let of = match (label, item) {
            (Some(label), _) => {
                let missing = || bad("label", format!("`{label}` is no class of the training rows"));
                VariantOf::Class(*classes.get(label.as_str()).ok_or_else(missing)?)
            }
            (None, Some(item)) if ids.contains(item.as_str()) => VariantOf::Row(item),
            (None, Some(item)) => return Err(bad("item", format!("no training row has the id `{item}`"))),
            (None, None) => return Err(bad("label", "a row has a `label`, or the `item` that it is a tier of".into())),
        };
        let text = text.or_else(|| messages.into_iter().next_back().map(|last| last.content));
        let text = text.filter(|text| !text.trim().is_empty());
        let empty = || bad("text", "a row has a `text`, or `messages` that end with it".into());
        variants.push(Variant { text: text.ok_or_else(empty)?, of });
    }
    Ok(variants)
}
