//! How well the complexity measures follow reading levels: the same texts, written for several levels.

use std::{collections::BTreeMap, path::Path};

use qsef_core::{Error, Result};
use qsef_score::complexity::{Complexity, complexity};
use serde::{Deserialize, Serialize};

use crate::read_jsonl;

/// The levels that are known by name, from easy to hard.
const KNOWN: [[&str; 3]; 2] = [["ele", "int", "adv"], ["elementary", "intermediate", "advanced"]];

/// A text at one level; other fields are ignored.
#[derive(Debug, Deserialize)]
struct Row {
    id: String,
    level: String,
    text: String,
}

/// How one measure follows the levels.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measure {
    /// The part of [`Complexity`], or `overall`.
    pub name: String,
    /// Share of the ids whose values strictly increase from level to level, in [0, 1].
    pub strictly_ordered: f64,
    /// Mean value at each level, in the order of the levels, in [0, 1].
    pub means: Vec<f64>,
}

/// The figures of `qsef eval readability`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Ids with a text at every level: the figures are over these.
    pub n: usize,
    /// Ids that lack a level, left out.
    pub incomplete: usize,
    /// The levels, from easy to hard.
    pub levels: Vec<String>,
    /// `C_data` (paper, section 6.2.1).
    pub overall: Measure,
    /// Its parts, and those without weight in it.
    pub parts: Vec<Measure>,
}

/// Measures every text of a file of JSON lines `{"id","level","text"}`. `levels` go from easy to hard; if there are
/// none, they are ele, int, adv, or elementary, intermediate, advanced, as the first row has it.
///
/// # Errors
/// As [`read_jsonl`]; [`Error::File`] for a level that is not listed, for a second text of an id at a level, and for a
/// file without an id that has all levels; [`Error::Input`] for fewer than two levels or one that is listed twice.
pub fn evaluate(path: &Path, levels: &[String]) -> Result<Report> {
    let rows: Vec<(usize, Row)> = read_jsonl(path)?;
    let levels = if levels.is_empty() { known_levels(&rows) } else { levels.to_vec() };
    if levels.len() < 2 || levels.iter().enumerate().any(|(i, l)| levels.iter().skip(i + 1).any(|m| m == l)) {
        return Err(Error::Input("levels are two or more different names, from easy to hard".into()));
    }
    let bad = |line: Option<usize>, field: &str, message: String| {
        let field = Some(field.into());
        Error::File { path: path.into(), line, field, message }
    };
    let mut texts: BTreeMap<String, BTreeMap<usize, Complexity>> = BTreeMap::new();
    for (line, row) in rows {
        let Some(level) = levels.iter().position(|l| *l == row.level) else {
            let message = format!("`{}` is not one of the levels {}", row.level, levels.join(", "));
            return Err(bad(Some(line), "level", message));
        };
        let measured = complexity(&row.text);
        if texts.entry(row.id.clone()).or_default().insert(level, measured).is_some() {
            return Err(bad(Some(line), "level", format!("`{}` has a second text at level `{}`", row.id, row.level)));
        }
    }
    let ids = texts.len();
    let complete: Vec<Vec<Complexity>> = texts
        .into_values()
        .filter(|by_level| by_level.len() == levels.len())
        .map(|by_level| by_level.into_values().collect())
        .collect();
    if complete.is_empty() {
        return Err(bad(None, "level", format!("no id has a text at each of the levels {}", levels.join(", "))));
    }
    let parts = (0..)
        .zip(Complexity::NAMES)
        .map(|(i, name)| measure(name, &complete, levels.len(), |c| c.values().get(i).copied().unwrap_or(0.0)));
    Ok(Report {
        n: complete.len(),
        incomplete: ids - complete.len(),
        overall: measure("overall", &complete, levels.len(), Complexity::overall),
        parts: parts.collect(),
        levels,
    })
}

fn known_levels(rows: &[(usize, Row)]) -> Vec<String> {
    let first = rows.first().map_or("", |(_, row)| row.level.as_str());
    let [short, long] = KNOWN;
    let levels = if long.contains(&first) { long } else { short };
    levels.map(str::to_owned).to_vec()
}

fn measure(name: &str, texts: &[Vec<Complexity>], levels: usize, value: impl Fn(&Complexity) -> f64) -> Measure {
    let values: Vec<Vec<f64>> = texts.iter().map(|by_level| by_level.iter().map(&value).collect()).collect();
    let n = values.len() as f64;
    let ordered = values.iter().filter(|v| v.is_sorted_by(|a, b| a < b)).count();
    let mean = |level: usize| values.iter().filter_map(|v| v.get(level)).sum::<f64>() / n;
    Measure { name: name.into(), strictly_ordered: ordered as f64 / n, means: (0..levels).map(mean).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(rows: &str, levels: &[&str]) -> Result<Report> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, rows).unwrap();
        evaluate(file.path(), &levels.iter().map(|l| l.to_string()).collect::<Vec<_>>())
    }

    const ROWS: &str = r#"{"id":"a","level":"elementary","text":"It is hot.","more":1}
{"id":"a","level":"intermediate","text":"It is hot, and it is dry."}
{"id":"a","level":"advanced","text":"It is hot, dry and windy, because precipitation, which is rare, has not fallen."}
{"id":"b","level":"elementary","text":"Go, dog."}
{"id":"b","level":"intermediate","text":"Go."}
{"id":"b","level":"advanced","text":"Go."}
{"id":"c","level":"advanced","text":"Go."}
"#;

    #[test]
    fn figures_follow_the_definitions() {
        let report = run(ROWS, &[]).unwrap();
        assert_eq!((report.n, report.incomplete), (2, 1));
        assert_eq!(report.levels, ["elementary", "intermediate", "advanced"]);
        assert_eq!(report.parts.iter().map(|m| m.name.as_str()).collect::<Vec<_>>(), Complexity::NAMES);
        assert_eq!(report.overall.strictly_ordered, 0.5);
        let words = report.parts.iter().find(|m| m.name == "sentence_length").unwrap();
        let mean = |a: f64, b: f64| (a / (a + 20.0) + b / (b + 20.0)) / 2.0;
        assert_eq!(words.means, [mean(3.0, 2.0), mean(7.0, 1.0), mean(14.0, 1.0)]);
        // Two levels only, in the other order.
        let rows =
            "{\"id\":\"a\",\"level\":\"y\",\"text\":\"Go now.\"}\n{\"id\":\"a\",\"level\":\"x\",\"text\":\"Go.\"}";
        assert_eq!(run(rows, &["x", "y"]).unwrap().overall.strictly_ordered, 1.0);
        assert_eq!(run(rows, &["y", "x"]).unwrap().overall.strictly_ordered, 0.0);
    }

    #[test]
    fn bad_rows_are_named() {
        let message = |rows: &str, levels: &[&str]| run(rows, levels).unwrap_err().to_string();
        let row = |level: &str| format!("{{\"id\":\"a\",\"level\":\"{level}\",\"text\":\"x\"}}\n");
        let unknown = message(&(row("ele") + &row("hard")), &[]);
        assert!(unknown.contains(":2 (level)") && unknown.contains("`hard`"), "{unknown}");
        let twice = message(&(row("ele") + "\n" + &row("ele")), &[]);
        assert!(twice.contains(":3 (level)") && twice.contains("second"), "{twice}");
        assert!(message("{\"id\":\"a\",\"level\":\"ele\"}", &[]).contains("missing field `text`"));
        assert!(message(&row("ele"), &[]).contains("no id"));
        for levels in [&["ele"][..], &["ele", "ele"]] {
            assert!(matches!(run(&row("ele"), levels), Err(Error::Input(_))));
        }
    }
}
