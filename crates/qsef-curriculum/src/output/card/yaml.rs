//! The card's header. What it says is made of letters, digits and dashes alone, so that nothing in it needs quotes but names of licences.

use std::fmt::Write;

use super::{Config, Licences};
use crate::output::Content;

/// The type of a column.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Plain(&'static str),
    Messages,
    Origin,
    /// A list of lists.
    Matrix(&'static str),
}

const TEXT: Kind = Kind::Plain("string");
const COUNT: Kind = Kind::Plain("int64");
const REAL: Kind = Kind::Plain("float64");
const FLAG: Kind = Kind::Plain("bool");

/// The columns of `train.jsonl`. They are named: a reader that guesses them from the first rows may guess wrong.
pub(super) const ROW: &[(&str, Kind)] = &[
    ("id", TEXT),
    ("item", TEXT),
    ("tier", TEXT),
    ("level", COUNT),
    ("stage", COUNT),
    ("messages", Kind::Messages),
    ("language", TEXT),
    ("kind", TEXT),
    ("origin", Kind::Origin),
    ("complexity", REAL),
    ("resistance", REAL),
    ("distance", REAL),
    ("te", REAL),
    ("richness", REAL),
    ("difficulty", REAL),
    ("weight", REAL),
    ("tokens", COUNT),
    ("frontier", FLAG),
    ("suits", FLAG),
];

/// The columns of `preferences.jsonl`.
pub(super) const PAIR: &[(&str, Kind)] = &[
    ("prompt", Kind::Messages),
    ("chosen", Kind::Messages),
    ("rejected", Kind::Messages),
    ("id", TEXT),
    ("reason", TEXT),
];

/// The columns of `teacher.jsonl`.
pub(super) const TEACHER: &[(&str, Kind)] = &[
    ("id", TEXT),
    ("messages", Kind::Messages),
    ("target_token_ids", Kind::Matrix("int64")),
    ("logprobs", Kind::Matrix("float32")),
];

pub(super) fn header(content: &Content<'_>, configs: &[Config], licences: &Licences) -> String {
    let mut yaml = String::from("---\n");
    let (licence, name) = licences.entry();
    let _ = writeln!(yaml, "license: {licence}");
    if let Some(name) = name {
        // A name has neither quotes nor backslashes.
        let _ = writeln!(yaml, "license_name: \"{name}\"");
    }
    list(&mut yaml, "language", content.collected.tally.languages.keys().copied());
    list(&mut yaml, "task_categories", ["text-generation"]);
    list(&mut yaml, "size_categories", [size(content.summary.tiers)]);
    let dpo = (!content.collected.pairs.is_empty()).then_some("dpo");
    let tags = ["curriculum-learning", "knowledge-distillation", "text-simplification", "synthetic", "qsef"];
    list(&mut yaml, "tags", tags.into_iter().chain(dpo));
    if !configs.is_empty() {
        yaml.push_str("configs:\n");
        for Config { name, file, .. } in configs {
            let _ = writeln!(yaml, "- config_name: {name}\n  data_files:\n  - split: train\n    path: {file}");
        }
        yaml.push_str("dataset_info:\n");
        for Config { name, features, .. } in configs {
            let _ = writeln!(yaml, "- config_name: {name}\n  features:");
            for (column, kind) in *features {
                kind.write(&mut yaml, column);
            }
        }
    }
    yaml.push_str("---\n\n");
    yaml
}

impl Kind {
    fn write(self, yaml: &mut String, column: &str) {
        let fields = |yaml: &mut String, of: &str, names: &[&str]| {
            let _ = writeln!(yaml, "    {of}:");
            for name in names {
                let _ = writeln!(yaml, "    - name: {name}\n      dtype: string");
            }
        };
        let _ = writeln!(yaml, "  - name: {column}");
        match self {
            Self::Plain(dtype) => {
                let _ = writeln!(yaml, "    dtype: {dtype}");
            }
            Self::Messages => fields(yaml, "list", &["role", "content"]),
            Self::Origin => fields(yaml, "struct", &["source", "place", "licence"]),
            Self::Matrix(dtype) => {
                let _ = writeln!(yaml, "    list:\n      list: {dtype}");
            }
        }
    }
}

fn list<'a>(yaml: &mut String, key: &str, entries: impl IntoIterator<Item = &'a str>) {
    let mut entries = entries.into_iter().peekable();
    if entries.peek().is_some() {
        let _ = writeln!(yaml, "{key}:");
    }
    for entry in entries {
        let _ = writeln!(yaml, "- {entry}");
    }
}

/// The hub's name for a number of rows.
fn size(rows: usize) -> &'static str {
    match rows {
        0..1_000 => "n<1K",
        1_000..10_000 => "1K<n<10K",
        10_000..100_000 => "10K<n<100K",
        100_000..1_000_000 => "100K<n<1M",
        1_000_000..10_000_000 => "1M<n<10M",
        _ => "10M<n<100M",
    }
}
