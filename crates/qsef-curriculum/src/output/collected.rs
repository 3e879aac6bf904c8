//! What came of the items: texts wait on the disk, figures in memory.

use std::{collections::BTreeMap, path::Path};

use qsef_core::Result;

use super::{Cost, ItemInfo, StepCost, counts::reason_kind, rows::is_whole, spool::Spool};
use crate::{
    item::{Pair, Rejected, Row, Step, TeacherRow},
    tiers::Outcome,
};

/// A row's place in the order of training.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Place {
    /// The row's id, `ITEM/TIER`.
    pub id: String,
    /// The item's id.
    pub item: String,
    /// The stage, 1 the first to train on.
    pub stage: u32,
    /// How hard the row is, ≥ 0.
    pub difficulty: f64,
    /// The share of draws that it should have, with mean 1.
    pub weight: f64,
    /// The row's number among those that came.
    number: usize,
}

/// What came of the items of a job, until [`super::write`] makes a folder of it. Memory does not grow with the texts: they are in
/// files without names, which are gone when this is dropped or the process ends.
#[derive(Debug)]
pub struct Collected {
    rows: Spool<Row>,
    places: Vec<Place>,
    pub(super) pairs: Spool<Pair>,
    pub(super) rejected: Spool<Rejected>,
    pub(super) teacher: Spool<TeacherRow>,
    pub(super) items: Vec<ItemInfo>,
    pub(super) cost: Cost,
    pub(super) tally: Tally,
}

/// How many there are of what.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub tiers: BTreeMap<String, usize>,
    pub languages: BTreeMap<&'static str, usize>,
    /// Rows by their source and its licence, empty where none is named.
    pub sources: BTreeMap<(String, String), usize>,
    /// What was left out, by step and kind of reason.
    pub left_out: BTreeMap<(Step, String), usize>,
    /// Answers of a teacher that cannot be trained on.
    pub teacher_left_out: usize,
}

impl Tally {
    /// Rows of a tier.
    pub fn of_tier(&self, name: &str) -> usize {
        self.tiers.get(name).copied().unwrap_or_default()
    }
}

impl Collected {
    /// Nothing yet; what comes waits in `dir`, which has to be there.
    ///
    /// # Errors
    /// [`qsef_core::Error::Io`] for a folder that cannot be written in.
    pub fn new(dir: &Path) -> Result<Self> {
        Ok(Self {
            rows: Spool::new(dir)?,
            places: Vec::new(),
            pairs: Spool::new(dir)?,
            rejected: Spool::new(dir)?,
            teacher: Spool::new(dir)?,
            items: Vec::new(),
            cost: Cost::default(),
            tally: Tally::default(),
        })
    }

    /// Adds what was left out before any tier was written.
    ///
    /// # Errors
    /// [`qsef_core::Error::Io`] where the disk is full.
    pub fn reject(&mut self, left: &Rejected) -> Result<()> {
        *self.tally.left_out.entry((left.step, reason_kind(&left.reason))).or_default() += 1;
        self.rejected.push(left)
    }

    /// Adds what came of one item.
    ///
    /// # Errors
    /// [`qsef_core::Error::Io`] where the disk is full.
    pub fn add(&mut self, outcome: &Outcome) -> Result<()> {
        for row in &outcome.rows {
            self.places.push(Place {
                id: row.id.clone(),
                item: row.item.clone(),
                stage: row.stage,
                difficulty: row.difficulty,
                weight: row.weight,
                number: self.rows.len(),
            });
            *self.tally.tiers.entry(row.tier.clone()).or_default() += 1;
            *self.tally.languages.entry(row.language.code()).or_default() += 1;
            let licence = row.origin.licence.clone().unwrap_or_default();
            *self.tally.sources.entry((row.origin.source.clone(), licence)).or_default() += 1;
            self.rows.push(row)?;
        }
        outcome.pairs.iter().try_for_each(|pair| self.pairs.push(pair))?;
        outcome.rejected.iter().try_for_each(|left| self.reject(left))?;
        for row in &outcome.teacher {
            if is_whole(row) {
                self.teacher.push(row)?;
            } else {
                self.tally.teacher_left_out += 1;
            }
        }
        let info = &outcome.info;
        self.cost.requests += u64::from(info.requests);
        self.cost.prompt_tokens += info.prompt_tokens;
        self.cost.completion_tokens += info.completion_tokens;
        self.cost.usd += info.usd;
        outcome.steps.iter().for_each(|step| spend(&mut self.cost.steps, step));
        self.items.push(info.clone());
        Ok(())
    }

    /// The rows' places, in the order in which the rows came until they are put into another: [`crate::arrange`].
    pub fn places(&mut self) -> &mut [Place] {
        &mut self.places
    }

    pub(super) fn order(&self) -> &[Place] {
        &self.places
    }

    /// The row of a place.
    pub(super) fn row(&self, place: &Place) -> Result<Row> {
        let row = self.rows.get(place.number)?;
        Ok(Row { difficulty: place.difficulty, weight: place.weight, ..row })
    }
}

/// Adds what a step cost, in the order of the steps' names.
fn spend(steps: &mut Vec<StepCost>, more: &StepCost) {
    match steps.binary_search_by(|step| step.name.cmp(&more.name)) {
        Ok(place) => {
            if let Some(step) = steps.get_mut(place) {
                step.requests += more.requests;
                step.prompt_tokens += more.prompt_tokens;
                step.completion_tokens += more.completion_tokens;
            }
        }
        Err(place) => steps.insert(place, more.clone()),
    }
}
