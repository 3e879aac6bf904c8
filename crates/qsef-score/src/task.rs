use std::collections::{BTreeMap, BTreeSet};

use qsef_core::ExpertProfile;

use crate::{
    complexity::{Complexity, complexity},
    text::{head, pairs, terms, unquote, words},
};

/// A task as the scorer sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    text: String,
    plain: String,
    head: String,
    pub(crate) terms: BTreeSet<String>,
    pub(crate) head_terms: BTreeSet<String>,
    pub(crate) pairs: BTreeSet<String>,
    complexity: Complexity,
    coverage: BTreeMap<String, f64>,
}

impl Task {
    /// Reads a task's text.
    pub fn new(text: &str) -> Self {
        let plain = unquote(text);
        // A task that is little more than a quotation is judged by the quotation as well.
        let plain = if words(&plain).len() < 3 { text.to_owned() } else { plain };
        let head = head(text);
        Self {
            terms: terms(&plain),
            head_terms: terms(&head),
            pairs: pairs(&plain),
            complexity: complexity(text),
            plain: plain.trim().to_owned(),
            text: text.trim().to_owned(),
            head,
            coverage: BTreeMap::new(),
        }
    }

    /// How many texts [`Task::texts`] gives.
    pub const TEXTS: usize = 3;

    /// Says how much of the task an expert covers by its own word, in [0, 1]; its profile's words may cover more.
    pub fn cover(&mut self, expert: &str, share: f64) {
        self.coverage.insert(expert.to_owned(), share.clamp(0.0, 1.0));
    }

    /// What [`Task::cover`] was told of an expert.
    pub(crate) fn covered(&self, expert: &str) -> f64 {
        self.coverage.get(expert).copied().unwrap_or_default()
    }

    /// The experts that [`Task::cover`] was told of.
    pub(crate) fn covering(&self) -> impl Iterator<Item = &str> {
        self.coverage.iter().filter(|(_, share)| **share > 0.0).map(|(id, _)| id.as_str())
    }

    /// The texts whose vectors the scorer needs, in this order: the task, the task without its quotations, and its head. Some
    /// are often the same.
    pub fn texts(&self) -> [String; Self::TEXTS] {
        [self.text.clone(), self.plain.clone(), self.head.clone()]
    }

    /// How complex its text is.
    pub fn complexity(&self) -> &Complexity {
        &self.complexity
    }
}

/// The texts of a profile whose vectors [`crate::Scorer::add`] needs, in this order: description, name, examples.
pub fn anchor_texts(profile: &ExpertProfile) -> Vec<String> {
    let name = profile.id.replace(['_', '-'], " ");
    [profile.description.clone(), name].into_iter().chain(profile.examples.iter().cloned()).collect()
}
