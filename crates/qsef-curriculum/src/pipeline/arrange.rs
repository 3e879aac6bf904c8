//! The order of training: stages, and in each rising difficulty; and how often a row should be drawn.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader},
    path::Path,
};

use qsef_core::{Error, Result};
use serde::Deserialize;

use crate::output::Place;

/// Units of difficulty over which a row's weight grows by a factor e, as `qsef_score::SamplingOptions` has it.
const TEMPERATURE: f64 = 1.0;
/// No row weighs more than e to this times the mean: a few broken rows must not be all that is seen.
const MOST: f64 = 2.0;
/// A share of right answers is moved this far from 0 and 1.
const SURE: f64 = 0.02;

/// How a student does: what it sends back to the generator.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StudentProgress {
    /// Difficulty by row or item: the loss in nats, or `−ln` of the share of right answers.
    by_id: HashMap<String, f64>,
}

#[derive(Deserialize)]
struct Line {
    id: String,
    #[serde(default)]
    loss: Option<f64>,
    #[serde(default)]
    correct: Option<Correct>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Correct {
    Is(bool),
    Share(f64),
}

impl StudentProgress {
    /// Reads JSON lines `{"id","loss"}` or `{"id","correct"}`: `id` is a row's (`ITEM/TIER`) or an item's, `loss` ≥ 0 in nats,
    /// `correct` true, false or a share in [0, 1]. The last line of an id counts.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::File`] with line and field.
    pub fn read(path: &Path) -> Result<Self> {
        let file = std::fs::File::open(path).map_err(|e| Error::io("open", path, e))?;
        let mut by_id = HashMap::new();
        for (number, line) in (1..).zip(BufReader::new(file).lines()) {
            let bad = |field: Option<&str>, message: String| Error::File {
                path: path.into(),
                line: Some(number),
                field: field.map(str::to_owned),
                message,
            };
            let line = line.map_err(|e| Error::io("read", path, e))?;
            if line.trim().is_empty() {
                continue;
            }
            let line: Line = serde_json::from_str(&line).map_err(|e| bad(None, e.to_string()))?;
            let difficulty = match (line.loss, line.correct) {
                (Some(loss), _) if loss.is_finite() && loss >= 0.0 => loss,
                (Some(loss), _) => return Err(bad(Some("loss"), format!("{loss} is not a number ≥ 0"))),
                (None, Some(Correct::Is(is))) => -(if is { 1.0 - SURE } else { SURE }).ln(),
                (None, Some(Correct::Share(share))) if (0.0..=1.0).contains(&share) => {
                    -share.clamp(SURE, 1.0 - SURE).ln()
                }
                (None, Some(Correct::Share(share))) => {
                    return Err(bad(Some("correct"), format!("{share} is not in [0, 1]")));
                }
                (None, None) => return Err(bad(Some("loss"), "a row has `loss` or `correct`".into())),
            };
            by_id.insert(line.id, difficulty);
        }
        Ok(Self { by_id })
    }

    fn of(&self, place: &Place) -> Option<f64> {
        self.by_id.get(&place.id).or_else(|| self.by_id.get(&place.item)).copied()
    }
}

/// Puts rows in the order of training: by stage, in each from easy to hard, ties by id. With a student's progress its difficulties
/// take the place of `−ln TE`. Each row's weight is `exp(difficulty / T)`, with mean 1 (paper, sections 4.3.2 and 6.2; as
/// `qsef_score::resisting`).
pub fn arrange(places: &mut [Place], progress: Option<&StudentProgress>) {
    for place in places.iter_mut() {
        if let Some(difficulty) = progress.and_then(|progress| progress.of(place)) {
            place.difficulty = difficulty;
        }
    }
    let count = places.len().max(1) as f64;
    let mean = places.iter().map(|place| place.difficulty).sum::<f64>() / count;
    for place in places.iter_mut() {
        place.weight = ((place.difficulty - mean) / TEMPERATURE).min(MOST).exp();
    }
    let mean = places.iter().map(|place| place.weight).sum::<f64>() / count;
    for place in places.iter_mut() {
        place.weight /= mean.max(f64::MIN_POSITIVE);
    }
    places.sort_by(|a, b| {
        a.stage.cmp(&b.stage).then(a.difficulty.total_cmp(&b.difficulty)).then_with(|| a.id.cmp(&b.id))
    });
}
