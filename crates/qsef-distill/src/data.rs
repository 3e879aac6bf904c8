//! Rows to learn from.

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
};

use qsef_core::{Error, Result};
use qsef_eval::read_jsonl;
use serde::Deserialize;

use crate::random::{rng, shuffled};

/// The label of texts that belong to no class.
const OUT_OF_SCOPE: &str = "oos";

/// One row of a file.
#[derive(Debug, Clone, Deserialize)]
struct Line {
    text: String,
    label: String,
    #[serde(default)]
    split: Option<String>,
    /// How hard the text is, 1 the easiest, in files of the curriculum generator.
    #[serde(default)]
    tier: Option<u32>,
}

/// Texts with their classes.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    /// The texts.
    pub texts: Vec<String>,
    /// Each text's class.
    pub labels: Vec<usize>,
    /// Each text's tier, where the file says it.
    pub tiers: Vec<Option<u32>>,
}

impl Rows {
    /// Texts in it.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// The texts as slices.
    pub fn texts(&self) -> Vec<&str> {
        self.texts.iter().map(String::as_str).collect()
    }

    /// A share of each class, at least one text of it, chosen by the seed; they stay in their order.
    #[must_use]
    pub fn share(&self, share: f64, seed: u64) -> Self {
        if share >= 1.0 {
            return self.clone();
        }
        let mut classes: HashMap<usize, usize> = HashMap::new();
        self.labels.iter().for_each(|label| *classes.entry(*label).or_default() += 1);
        let mut left: HashMap<usize, usize> = classes
            .into_iter()
            .map(|(label, count)| (label, ((count as f64 * share).round() as usize).max(1)))
            .collect();
        let mut kept = BTreeSet::new();
        for place in shuffled(&mut rng(seed, "share", 0), self.len()) {
            let count = self.labels.get(place).and_then(|label| left.get_mut(label));
            if let Some(count) = count.filter(|count| **count > 0) {
                *count -= 1;
                kept.insert(place);
            }
        }
        let mut rows = Self::default();
        for place in kept {
            if let (Some(text), Some(label)) = (self.texts.get(place), self.labels.get(place)) {
                rows.texts.push(text.clone());
                rows.labels.push(*label);
                rows.tiers.push(self.tiers.get(place).copied().flatten());
            }
        }
        rows
    }
}

/// Rows to learn from, to choose by and to test on, with the classes' names in alphabetical order.
#[derive(Debug, Clone, Default)]
pub struct DataSet {
    /// The classes' names.
    pub labels: Vec<String>,
    /// To learn from.
    pub train: Rows,
    /// To choose by.
    pub valid: Rows,
    /// To test on, once.
    pub test: Rows,
}

/// Rows of a split: of a file that names splits only those of this one. Texts that belong to no class are left out.
fn lines(path: &Path, split: &str) -> Result<Vec<(usize, Line)>> {
    let mut lines: Vec<(usize, Line)> = read_jsonl(path)?;
    if lines.iter().any(|(_, line)| line.split.is_some()) {
        lines.retain(|(_, line)| line.split.as_deref() == Some(split));
    }
    lines.retain(|(_, line)| line.label != OUT_OF_SCOPE);
    if lines.is_empty() {
        let message = format!("there is no row of the split `{split}` with a label");
        return Err(Error::File { path: path.into(), line: None, field: Some("split".into()), message });
    }
    Ok(lines)
}

fn rows(path: &Path, lines: Vec<(usize, Line)>, places: &HashMap<&str, usize>) -> Result<Rows> {
    let mut rows = Rows::default();
    for (number, line) in lines {
        let bad = |field: &str, message: String| Error::File {
            path: path.into(),
            line: Some(number),
            field: Some(field.into()),
            message,
        };
        if line.text.trim().is_empty() {
            return Err(bad("text", "must not be empty".into()));
        }
        let label = places.get(line.label.as_str());
        let missing = || bad("label", format!("`{}` is no class of the training rows", line.label));
        rows.labels.push(*label.ok_or_else(missing)?);
        rows.texts.push(line.text);
        rows.tiers.push(line.tier);
    }
    Ok(rows)
}

impl DataSet {
    /// Reads intent rows `{"text","label","split"?}`: of files that name splits, `train` of the first, `val` of the second, `test` of the
    /// third.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::File`] for a row that does not read, a label that the training rows do not have, a class that the
    /// validation rows do not have, fewer than two classes.
    pub fn read(train: &Path, valid: &Path, test: &Path) -> Result<Self> {
        let learn = lines(train, "train")?;
        let labels: Vec<String> =
            learn.iter().map(|(_, line)| line.label.clone()).collect::<BTreeSet<_>>().into_iter().collect();
        let bad = |path: &Path, message: String| Error::File {
            path: path.into(),
            line: None,
            field: Some("label".into()),
            message,
        };
        if labels.len() < 2 {
            return Err(bad(train, format!("there is one class, `{}`; at least two are needed", labels.join(""))));
        }
        let places: HashMap<&str, usize> = labels.iter().enumerate().map(|(i, label)| (label.as_str(), i)).collect();
        let set = |path: &Path, lines| rows(path, lines, &places);
        let (learn, valid_rows, test_rows) =
            (set(train, learn)?, set(valid, lines(valid, "val")?)?, set(test, lines(test, "test")?)?);
        let seen: BTreeSet<usize> = valid_rows.labels.iter().copied().collect();
        if let Some(label) = (0..labels.len()).find(|i| !seen.contains(i)).and_then(|i| labels.get(i)) {
            return Err(bad(valid, format!("the class `{label}` has no row to validate on")));
        }
        Ok(Self { train: learn, valid: valid_rows, test: test_rows, labels })
    }

    /// Reads more rows of the same classes, such as simplified ones.
    ///
    /// # Errors
    /// As [`DataSet::read`].
    pub fn read_more(&self, path: &Path) -> Result<Rows> {
        let places: HashMap<&str, usize> =
            self.labels.iter().enumerate().map(|(i, label)| (label.as_str(), i)).collect();
        rows(path, lines(path, "train")?, &places)
    }
}
