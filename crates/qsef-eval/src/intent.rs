//! How well requests are recognised by intent: every intent is an expert, its training requests are its examples.

use std::{collections::BTreeMap, path::Path, time::Instant};

use qsef_core::{AnyEmbedder, Error, ExpertProfile, Result};
use qsef_score::{
    Example, LearnOptions, Outcome, Scorer, Task, Weights, anchor_texts,
    choose::{Goal, Threshold},
};
use serde::{Deserialize, Serialize};

use crate::{
    embed::{Read, embed, median},
    read_jsonl,
};

/// The label of requests that belong to no intent.
const OUT_OF_SCOPE: &str = "oos";

/// Of how many training requests one is kept from the examples, to learn the coefficients on.
const HELD_OUT: usize = 5;

/// Intents that a held-out request is compared with while learning: the nearest, among which errors happen.
const RIVALS: usize = 20;

/// Share of the out-of-scope validation rows that the threshold rejects, with as few others as possible.
const REJECT: f64 = 0.8;

/// Requests whose embedding is timed.
const TIMED: usize = 100;

#[derive(Debug, Clone, Deserialize)]
struct Row {
    text: String,
    label: String,
    split: Option<String>,
}

/// Requests to learn from, to fit the threshold on, and to test on.
#[derive(Debug, Clone)]
pub struct IntentSet {
    train: Vec<Row>,
    validation: Vec<Row>,
    test: Vec<Row>,
}

/// The figures of `qsef eval intent`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Intents.
    pub intents: usize,
    /// Test requests that belong to an intent.
    pub in_scope: usize,
    /// Test requests that belong to none.
    pub out_of_scope: usize,
    /// Share of the in-scope requests that are accepted and recognised.
    pub accuracy: f64,
    /// Share of the in-scope requests that are recognised if nothing is rejected.
    pub accuracy_forced: f64,
    /// Share of the out-of-scope requests that are rejected; none where there are none.
    pub oos_recall: Option<f64>,
    /// Area under the ROC curve of TE as a sign of being in scope; none where there is one class.
    pub oos_auroc: Option<f64>,
    /// Least TE that is accepted, from the validation rows; none where they do not have both classes.
    pub threshold: Option<f64>,
    /// Median milliseconds per request, embedding included.
    pub ms_per_query: f64,
    /// The same without embedding.
    pub ms_per_decision: f64,
}

/// Reads a benchmark. Rows of the training file with split `val` serve only to fit the threshold, and those with split
/// `test` not at all; of a test file that has rows with split `test`, only those are tested on.
///
/// # Errors
/// As [`read_jsonl`], and [`Error::File`] for a training file with fewer than two intents.
pub fn read(train: &Path, test: &Path) -> Result<IntentSet> {
    let split = |row: &Row, name: &str| row.split.as_deref() == Some(name);
    let rows = |path| Ok::<_, Error>(read_jsonl::<Row>(path)?.into_iter().map(|(_, row)| row).collect::<Vec<_>>());
    let (validation, rest): (Vec<Row>, Vec<Row>) = rows(train)?.into_iter().partition(|r| split(r, "val"));
    let train_rows: Vec<Row> = rest.into_iter().filter(|r| !split(r, "test") && r.label != OUT_OF_SCOPE).collect();
    if train_rows.iter().all(|r| Some(&r.label) == train_rows.first().map(|f| &f.label)) {
        return Err(Error::File {
            path: train.into(),
            line: None,
            field: Some("label".into()),
            message: "there are fewer than two intents to tell apart".into(),
        });
    }
    let mut test = rows(test)?;
    if test.iter().any(|r| split(r, "test")) {
        test.retain(|r| split(r, "test"));
    }
    Ok(IntentSet { train: train_rows, validation, test })
}

/// Evaluates the score as a recogniser of intents. `progress` hears what is being done, how much of it is done, and of how
/// much.
///
/// # Errors
/// The embedder's own.
pub async fn evaluate(
    set: &IntentSet,
    embedder: &AnyEmbedder,
    mut progress: impl FnMut(&str, usize, usize),
) -> Result<Report> {
    let train = embed(embedder, set.train.iter().map(|r| r.text.as_str()), "training requests", &mut progress).await?;
    let validation =
        embed(embedder, set.validation.iter().map(|r| r.text.as_str()), "validation requests", &mut progress).await?;
    let test = embed(embedder, set.test.iter().map(|r| r.text.as_str()), "test requests", &mut progress).await?;
    let mut profiles: BTreeMap<&str, Intent<'_>> = BTreeMap::new();
    for (row, read) in set.train.iter().zip(&train) {
        profiles.entry(&row.label).or_default().rows.push((row, read));
    }
    for (label, intent) in &mut profiles {
        intent.anchors = embedder.embed(anchor_texts(&profile(label))).await?;
    }

    progress("learning", 0, 0);
    let build = |kept: &dyn Fn(usize) -> bool, weights: Weights| {
        let mut scorer = Scorer::new(weights);
        for (label, intent) in &profiles {
            let rows = || intent.rows.iter().enumerate().filter(|(i, _)| kept(*i)).map(|(_, row)| row);
            let examples = rows().map(|(row, _)| row.text.clone());
            let vectors = rows().filter_map(|(_, read)| read.vectors.first().cloned());
            scorer.add(&profile(label).examples(examples), intent.anchors.iter().cloned().chain(vectors).collect());
        }
        scorer.learn_spread();
        scorer
    };
    let mut scorer = build(&|i| i % HELD_OUT != 0, Weights::default());
    let held_out = profiles
        .iter()
        .flat_map(|(label, intent)| intent.rows.iter().step_by(HELD_OUT).map(move |(_, read)| (*label, *read)));
    let examples: Vec<Example> = held_out.map(|(label, read)| example(&scorer, label, read)).collect();
    scorer.learn(&examples, &LearnOptions { history: false, ..LearnOptions::default() })?;
    let scorer = build(&|_| true, *scorer.weights());

    let judge = |what: &str, rows: &[Row], read: &[Read], progress: &mut dyn FnMut(&str, usize, usize)| {
        let judged = rows.iter().zip(read).enumerate().map(|(done, (row, read))| {
            if done % 256 == 0 {
                progress(what, done, rows.len());
            }
            Judged::new(&scorer, row, read)
        });
        judged.collect::<Vec<_>>()
    };
    let validated = judge("validation", &set.validation, &validation, &mut progress);
    let pairs: Vec<(f64, bool)> =
        validated.iter().filter(|j| j.in_scope.is_none_or(|right| right)).map(Judged::pair).collect();
    let both = pairs.iter().any(|p| p.1) && pairs.iter().any(|p| !p.1);
    let threshold = if both { Threshold::fit(&pairs, Goal::RejectRecall(REJECT))? } else { Threshold::ACCEPT_ALL };
    let judged = judge("test", &set.test, &test, &mut progress);
    let mut times = Vec::new();
    for row in set.test.iter().take(TIMED) {
        let began = Instant::now();
        let task = Task::new(&row.text);
        let vectors = embedder.embed(task.texts().into()).await?;
        std::hint::black_box(scorer.rank(&task, &vectors));
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    let (inside, outside): (Vec<&Judged>, Vec<&Judged>) = judged.iter().partition(|j| j.in_scope.is_some());
    let share = |count: usize, of: usize| (of > 0).then(|| count as f64 / of as f64);
    let right = |j: &&&Judged| j.in_scope == Some(true);
    let accepted = |j: &&&Judged| threshold.accepts(j.te);
    Ok(Report {
        intents: profiles.len(),
        in_scope: inside.len(),
        out_of_scope: outside.len(),
        accuracy: share(inside.iter().filter(right).filter(accepted).count(), inside.len()).unwrap_or_default(),
        accuracy_forced: share(inside.iter().filter(right).count(), inside.len()).unwrap_or_default(),
        oos_recall: share(outside.iter().filter(|j| !threshold.accepts(j.te)).count(), outside.len()),
        oos_auroc: auroc(&judged),
        threshold: both.then(|| threshold.value()),
        ms_per_query: median(times),
        ms_per_decision: median(judged.iter().map(|j| j.ms).collect()),
    })
}

fn profile(label: &str) -> ExpertProfile {
    ExpertProfile::new(label, label.replace(['_', '-'], " "))
}

/// A held-out request with its right intent and the rivals of that.
fn example(scorer: &Scorer, label: &str, read: &Read) -> Example {
    let ranked = scorer.rank(&read.task, &read.vectors);
    let rivals = ranked.iter().filter_map(|r| scorer.id(r.place)).filter(|id| *id != label).take(RIVALS);
    let mut outcomes = vec![Outcome::new(label, 1.0)];
    outcomes.extend(rivals.map(|id| Outcome::new(id, 0.0)));
    Example { task: read.task.clone(), vectors: read.vectors.clone(), outcomes }
}

/// An intent: the vectors of its name, and its training requests.
#[derive(Default)]
struct Intent<'a> {
    anchors: Vec<Vec<f32>>,
    rows: Vec<(&'a Row, &'a Read)>,
}

/// What the scorer says of a request.
struct Judged {
    te: f64,
    /// Whether the intent is right; none for a request that is out of scope.
    in_scope: Option<bool>,
    ms: f64,
}

impl Judged {
    fn new(scorer: &Scorer, row: &Row, read: &Read) -> Self {
        let began = Instant::now();
        let task = Task::new(&row.text);
        let best = scorer.rank(&task, &read.vectors).into_iter().next();
        let ms = began.elapsed().as_secs_f64() * 1e3;
        let found = best.and_then(|b| scorer.id(b.place));
        Self {
            te: best.map_or(0.0, |b| b.te),
            in_scope: (row.label != OUT_OF_SCOPE).then(|| found == Some(row.label.as_str())),
            ms,
        }
    }

    fn pair(&self) -> (f64, bool) {
        (self.te, self.in_scope.is_some())
    }
}

/// The probability that a request in scope has a higher TE than one out of scope, ties counting half.
fn auroc(judged: &[Judged]) -> Option<f64> {
    let mut pairs: Vec<(f64, bool)> = judged.iter().map(Judged::pair).collect();
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut below, mut wins, mut inside) = (0f64, 0f64, 0f64);
    for tied in pairs.chunk_by(|a, b| a.0 == b.0) {
        let outside = tied.iter().filter(|p| !p.1).count() as f64;
        let here = tied.len() as f64 - outside;
        wins += here * (below + outside / 2.0);
        below += outside;
        inside += here;
    }
    (below > 0.0 && inside > 0.0).then(|| wins / (below * inside))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auroc_counts_pairs_in_the_right_order() {
        let judged = |te, inside: bool| Judged { te, in_scope: inside.then_some(true), ms: 0.0 };
        let rows = [judged(0.1, false), judged(0.4, true), judged(0.4, false), judged(0.8, true)];
        // Pairs: .4 > .1, .4 = .4, .8 > .1, .8 > .4.
        assert_eq!(auroc(&rows), Some(3.5 / 4.0));
        assert_eq!(auroc(&rows[..1]), None);
    }
}
