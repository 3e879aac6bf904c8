//! The folder of a curriculum: the rows as trainers read them, a card, and a page of figures.
//!
//! What is written depends on the job alone: no time stamps, and no order of hashes.

mod card;
mod collected;
mod counts;
mod files;
mod info;
mod parquet;
mod report;
mod rows;
mod spool;
mod summary;
mod table;
#[cfg(test)]
mod tests;
mod training;

use std::path::Path;

use qsef_core::{Error, Result};
use serde_json::{Value, json};

pub use collected::{Collected, Place};
use summary::Cost;
pub use summary::{ItemInfo, Job, StepCost, Summary, TierInfo, TierPoint};

/// Files that only some jobs have; those that an earlier job left behind are taken away.
const OPTIONAL: [&str; 4] = [rows::PREFERENCES, rows::RANKING, rows::TEACHER, rows::RESAMPLED];

/// One stage and its rows.
struct Stage<'a> {
    /// 1 the first to train on.
    number: u32,
    name: String,
    places: &'a [Place],
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
    collected: &'a Collected,
    stages: Vec<Stage<'a>>,
    summary: Summary,
    counts: Value,
}

/// Writes the folder, and makes it where there is none, of what came of the items, its places sorted in curriculum order (by stage,
/// then by difficulty).
///
/// All files are written beside their places first and moved there when all are on the disk, `manifest.json` last: a folder with a
/// manifest is whole.
///
/// # Errors
/// [`Error::Io`]; [`Error::Input`] where rows are not sorted by stage, or their stage is 0; [`Error::Internal`] where what is
/// written cannot be encoded.
pub fn write(dir: &Path, job: &Job<'_>, collected: &Collected) -> Result<Summary> {
    let stages = stages(job, collected.order())?;
    let summary = Summary::new(collected);
    let counts = counts::counts(job, collected, &stages, &summary);
    let content = Content { job, collected, stages, summary, counts };
    let mut folder = files::Folder::open(dir)?;
    content.data(&mut folder)?;
    folder.text("dataset_info.json", &pretty(&info::dataset_info(&content))?)?;
    folder.text("README.md", &card::card(&content))?;
    folder.text("training.md", &training::training(&content))?;
    folder.text("report.html", &report::page(&content)?)?;
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

fn stages<'a>(job: &Job<'_>, places: &'a [Place]) -> Result<Vec<Stage<'a>>> {
    if places.iter().any(|place| place.stage == 0) || !places.is_sorted_by_key(|place| place.stage) {
        return Err(Error::Input("the rows of a curriculum have to be sorted by stage, from 1 on".into()));
    }
    let named = u32::try_from(job.stages.len()).unwrap_or(u32::MAX);
    let count = named.max(places.last().map_or(0, |place| place.stage));
    let stage = |number: u32| {
        let to = |stage: u32| places.partition_point(|place| place.stage < stage);
        let places = places.get(to(number)..to(number + 1)).unwrap_or_default();
        let name = job.stages.get(number as usize - 1).cloned().unwrap_or_else(|| format!("stage {number}"));
        Stage { number, name, places }
    };
    Ok((1..=count).map(stage).collect())
}

impl Content<'_> {
    /// The rows, in their files.
    fn data(&self, folder: &mut files::Folder) -> Result<()> {
        let Self { collected, stages, job, .. } = self;
        table::write(folder, stages, collected)?;
        if job.resample && !collected.order().is_empty() {
            let drawn = rows::resampled(collected.order(), job.seed);
            folder.lines(rows::RESAMPLED, drawn.into_iter().map(|place| Ok(rows::line(&collected.row(place)?))))?;
        }
        if !collected.pairs.is_empty() {
            folder.lines(rows::PREFERENCES, collected.pairs.iter().map(|pair| Ok(rows::preference(&pair?))))?;
            let ranking = collected.pairs.iter().filter_map(|pair| pair.map(|pair| rows::ranking(&pair)).transpose());
            folder.lines(rows::RANKING, ranking)?;
        }
        if !collected.teacher.is_empty() {
            folder.lines(rows::TEACHER, collected.teacher.iter().map(|row| Ok(rows::teacher(&row?))))?;
        }
        folder.lines("rejected.jsonl", collected.rejected.iter())
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
