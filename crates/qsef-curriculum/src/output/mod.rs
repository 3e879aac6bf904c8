//! The folder of a curriculum: the rows as trainers read them, a card, and a page of figures.
//!
//! What is written depends on the job alone: no time stamps, and no order of hashes.

mod card;
mod counts;
mod files;
mod info;
mod parquet;
mod report;
mod rows;
mod summary;
#[cfg(test)]
mod tests;
mod training;

use std::path::Path;

use qsef_core::{Error, Result};
use serde_json::{Value, json};

pub use summary::{Cost, ItemInfo, Job, StepCost, Summary, TierInfo, TierPoint};

use crate::item::{Pair, Rejected, Row, TeacherRow};

/// Files that only some jobs have; those that an earlier job left behind are taken away.
const OPTIONAL: [&str; 4] = [rows::PREFERENCES, rows::RANKING, rows::TEACHER, rows::RESAMPLED];

/// One stage and its rows.
struct Stage<'a> {
    /// 1 the first to train on.
    number: u32,
    name: String,
    rows: Vec<&'a Row>,
}

impl Stage<'_> {
    /// Its configuration's name, and its files' without the ending.
    fn file(&self) -> String {
        format!("stage-{}", self.number)
    }
}

/// All that a folder is made of.
struct Content<'a> {
    job: &'a Job<'a>,
    rows: Vec<&'a Row>,
    stages: Vec<Stage<'a>>,
    pairs: &'a [Pair],
    rejected: &'a [Rejected],
    teacher: rows::Teacher<'a>,
    summary: Summary,
    counts: Value,
}

/// Writes the folder, and makes it where there is none: `rows` sorted in curriculum order (by stage, then by difficulty), and
/// what else came of the job.
///
/// All files are written beside their places first and moved there when all are on the disk, `manifest.json` last: a folder with a
/// manifest is whole.
///
/// # Errors
/// [`Error::Io`]; [`Error::Input`] where rows are not sorted by stage, or their stage is 0; [`Error::Internal`] where what is
/// written cannot be encoded.
pub fn write(
    dir: &Path,
    job: &Job<'_>,
    rows: &[Row],
    pairs: &[Pair],
    rejected: &[Rejected],
    teacher: &[TeacherRow],
) -> Result<Summary> {
    let stages = stages(job, rows)?;
    let teacher = rows::Teacher::new(teacher);
    let summary = Summary::new(job, rows.len());
    let counts = counts::counts(job, rows, &stages, pairs, rejected, &teacher);
    let rows = rows.iter().collect();
    let content = Content { job, rows, stages, pairs, rejected, teacher, summary, counts };
    let mut folder = files::Folder::open(dir)?;
    content.data(&mut folder)?;
    folder.text("dataset_info.json", &pretty(&info::dataset_info(&content))?)?;
    folder.text("README.md", &card::card(&content))?;
    folder.text("training.md", &training::training(&content))?;
    folder.text("report.html", &report::page(&content))?;
    let manifest = content.manifest(&folder)?;
    folder.finish(&pretty(&manifest)?, is_stale)?;
    Ok(content.summary)
}

/// Whether a file that this job did not write is an earlier job's.
fn is_stale(name: &str) -> bool {
    let stage = name.strip_prefix("stage-").and_then(|rest| rest.split_once('.'));
    let is_stage =
        stage.is_some_and(|(number, ending)| number.parse::<u32>().is_ok() && matches!(ending, "jsonl" | "parquet"));
    is_stage || OPTIONAL.contains(&name)
}

fn stages<'a>(job: &Job<'_>, rows: &'a [Row]) -> Result<Vec<Stage<'a>>> {
    if rows.iter().any(|row| row.stage == 0) || !rows.is_sorted_by_key(|row| row.stage) {
        return Err(Error::Input("the rows of a curriculum have to be sorted by stage, from 1 on".into()));
    }
    let named = u32::try_from(job.stages.len()).unwrap_or(u32::MAX);
    let count = named.max(rows.last().map_or(0, |row| row.stage));
    let stage = |number: u32| Stage {
        number,
        name: job.stages.get(number as usize - 1).cloned().unwrap_or_else(|| format!("stage {number}")),
        rows: rows.iter().filter(|row| row.stage == number).collect(),
    };
    Ok((1..=count).map(stage).collect())
}

impl Content<'_> {
    /// The rows, in their files.
    fn data(&self, folder: &mut files::Folder) -> Result<()> {
        folder.lines("train.jsonl", self.rows.iter().map(|row| rows::line(row)))?;
        folder.add("train.parquet", |part| parquet::write(part, &self.rows))?;
        for stage in &self.stages {
            folder.lines(&format!("{}.jsonl", stage.file()), stage.rows.iter().map(|row| rows::line(row)))?;
            folder.add(&format!("{}.parquet", stage.file()), |part| parquet::write(part, &stage.rows))?;
        }
        if self.job.resample && !self.rows.is_empty() {
            let drawn = rows::resampled(&self.rows, self.job.seed);
            folder.lines(rows::RESAMPLED, drawn.into_iter().map(rows::line))?;
        }
        if !self.pairs.is_empty() {
            folder.lines(rows::PREFERENCES, self.pairs.iter().map(rows::preference))?;
            folder.lines(rows::RANKING, self.pairs.iter().filter_map(rows::ranking))?;
        }
        if !self.teacher.rows.is_empty() {
            folder.lines(rows::TEACHER, self.teacher.rows.iter().map(|row| rows::teacher(row)))?;
        }
        folder.lines("rejected.jsonl", self.rejected.iter().map(rows::value))
    }

    /// The job's own entries, then `counts` and `files`.
    fn manifest(&self, folder: &files::Folder) -> Result<Value> {
        let mut manifest = self.job.manifest.clone();
        let Some(entries) = manifest.as_object_mut() else {
            return Err(Error::Internal("the manifest of a curriculum has to be a JSON object".into()));
        };
        entries.insert("counts".into(), self.counts.clone());
        let files: serde_json::Map<String, Value> = folder
            .files()
            .map(|(name, file)| (name.to_owned(), json!({"bytes": file.bytes, "sha256": file.sha256})))
            .collect();
        entries.insert("files".into(), Value::Object(files));
        Ok(manifest)
    }
}

fn pretty(value: &Value) -> Result<String> {
    let text = serde_json::to_string_pretty(value).map_err(|e| Error::Internal(e.to_string()))?;
    Ok(text + "\n")
}
