//! Scores experts for tasks: those it knows, and their order.

mod measure;

use std::{
    collections::HashMap,
    ops::Range,
    sync::{Arc, OnceLock},
};

use qsef_core::ExpertProfile;

pub(crate) use measure::history_terms;
use measure::{Reading, Scored};

use crate::{
    distance::{Concept, GraphWeights, Metric, SemanticGraph, Spread},
    history::History,
    index::Index,
    lexical::{Lexicon, profile_text},
    matrix::{Matrix, Rows, largest, unit},
    score::{Score, efficiency},
    task::Task,
    terms::Weights,
    text::{pairs, terms},
};

/// Candidates that are scored in full where there are too many experts to score all.
const CANDIDATES: usize = 48;

#[derive(Debug, Clone)]
struct Entry {
    id: String,
    /// Its rows in the examples.
    examples: Range<usize>,
    /// `1 / (1 + b)` for a model of `b·10⁹` parameters: one of 1 bears half of a task's complexity, larger ones less. 0 for
    /// code, which bears what it is for.
    load: f64,
    concepts: Vec<Concept>,
    /// Its number in the history.
    number: Option<usize>,
}

/// Scores experts for tasks: the paper's efficiency quantifier (sections 4.5 and 6.4.2).
#[derive(Clone)]
pub struct Scorer {
    weights: Weights,
    metric: Metric,
    entries: Vec<Entry>,
    places: HashMap<String, usize>,
    /// Half the sum of the unit vectors of description and name: its product with a task's is the mean of both cosines.
    profiles: Matrix,
    /// Those of all experts, one expert's after the other's: a decision reads them all.
    examples: Matrix,
    lexicon: Lexicon,
    phrases: Lexicon,
    index: OnceLock<Option<Index>>,
    spread: Option<Spread>,
    centres: Matrix,
    graph: Option<(Arc<dyn SemanticGraph>, GraphWeights)>,
    history: Option<History>,
}

impl std::fmt::Debug for Scorer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scorer").field("weights", &self.weights).field("experts", &self.entries.len()).finish()
    }
}

/// An expert by its place in the scorer, with its efficiency.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranked {
    /// Its place: [`Scorer::id`] gives its id.
    pub place: usize,
    /// Transmission efficiency, in (0, 1].
    pub te: f64,
}

impl Scorer {
    /// A scorer without experts.
    pub fn new(weights: Weights) -> Self {
        Self {
            weights,
            metric: Metric::default(),
            entries: Vec::new(),
            places: HashMap::new(),
            profiles: Matrix::default(),
            examples: Matrix::default(),
            lexicon: Lexicon::default(),
            phrases: Lexicon::default(),
            index: OnceLock::new(),
            spread: None,
            centres: Matrix::default(),
            graph: None,
            history: None,
        }
    }

    /// Compares vectors by another metric than the cosine.
    pub fn with_metric(mut self, metric: Metric) -> Self {
        self.metric = metric;
        self
    }

    /// Adds distance and coverage in a semantic graph, for experts that are added from now on.
    pub fn with_graph(mut self, graph: Arc<dyn SemanticGraph>, weights: GraphWeights) -> Self {
        self.graph = Some((graph, weights));
        self
    }

    /// Adds distance and coverage in a semantic graph for experts that are there already, in place of another graph; `None`
    /// takes it away. Experts without a profile among `profiles` name no concepts.
    pub fn set_graph<'a>(
        &mut self,
        graph: Option<(Arc<dyn SemanticGraph>, GraphWeights)>,
        profiles: impl IntoIterator<Item = &'a ExpertProfile>,
    ) {
        self.entries.iter_mut().for_each(|entry| entry.concepts.clear());
        if let Some((graph, _)) = &graph {
            for profile in profiles {
                let place = self.places.get(&profile.id).copied();
                if let Some(entry) = place.and_then(|place| self.entries.get_mut(place)) {
                    entry.concepts = graph.concepts(&profile_text(profile));
                }
            }
        }
        self.graph = graph;
    }

    /// The coefficients.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// Replaces the coefficients.
    pub fn set_weights(&mut self, weights: Weights) {
        self.weights = weights;
    }

    /// Adds an expert with the vectors of its [`crate::anchor_texts`]. No other expert's terms need new training. An id
    /// that is there already is replaced.
    pub fn add(&mut self, profile: &ExpertProfile, anchors: Vec<Vec<f32>>) {
        self.remove(&profile.id);
        let dimensions = anchors.first().map_or(0, Vec::len);
        if self.entries.is_empty() || self.profiles.columns() == 0 {
            // Those that came before without vectors are unrelated to everything.
            let mut none = Matrix::new(dimensions);
            self.entries.iter().for_each(|_| none.push([]));
            (self.examples, self.centres, self.profiles) = (Matrix::new(dimensions), none.clone(), none);
        }
        let mut anchors = anchors.into_iter().map(|v| unit(&v));
        let description = anchors.next().unwrap_or_default();
        let name = anchors.next().unwrap_or_else(|| description.clone());
        let start = self.examples.len();
        anchors.for_each(|example| self.examples.push(example));
        let examples = start..self.examples.len();
        self.profiles.push(description.iter().zip(&name).map(|(a, b)| (a + b) / 2.0));
        self.centres.push(self.centre(&examples));
        let text = profile_text(profile);
        self.lexicon.add(text.lines().flat_map(terms));
        self.phrases.add(text.lines().flat_map(pairs));
        let concepts = self.graph.as_ref().map(|(g, _)| g.concepts(&text)).unwrap_or_default();
        let number = self.history.as_ref().and_then(|h| h.number(&profile.id));
        let load = profile.params_b.map_or(0.0, |b| 1.0 / (1.0 + b.max(0.0)));
        self.entries.push(Entry { id: profile.id.clone(), examples, load, concepts, number });
        let place = self.entries.len() - 1;
        self.places.insert(profile.id.clone(), place);
        match self.index.get_mut() {
            Some(Some(index)) => index.insert(place as u32, self.profiles.row(place)),
            _ => self.index = OnceLock::new(),
        }
    }

    /// Removes an expert; false where there is none of that id.
    pub fn remove(&mut self, id: &str) -> bool {
        let Some(place) = self.places.remove(id) else { return false };
        let Entry { examples, .. } = self.entries.remove(place);
        for entry in self.entries.iter_mut().skip(place) {
            entry.examples = entry.examples.start - examples.len()..entry.examples.end - examples.len();
        }
        self.places.values_mut().filter(|p| **p > place).for_each(|p| *p -= 1);
        self.examples.remove(examples);
        self.profiles.remove(place..place + 1);
        self.centres.remove(place..place + 1);
        self.lexicon.remove(place);
        self.phrases.remove(place);
        self.index = OnceLock::new();
        true
    }

    /// The id of the expert at a place.
    pub fn id(&self, place: usize) -> Option<&str> {
        self.entries.get(place).map(|e| e.id.as_str())
    }

    /// Number of experts.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no expert.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Learns how much the examples of one expert differ among themselves, and adds the distance to the centre of the
    /// examples in these units. It takes as many examples in all as the vectors have dimensions; false where there are
    /// too few. Experts that are added later use the same units.
    pub fn learn_spread(&mut self) -> bool {
        let groups: Vec<Rows<'_>> = self.entries.iter().map(|e| self.examples.part(e.examples.clone())).collect();
        self.spread = Spread::learn(&groups, self.profiles.columns());
        let mut centres = Matrix::new(self.profiles.columns());
        for entry in &self.entries {
            centres.push(self.centre(&entry.examples));
        }
        self.centres = centres;
        self.spread.is_some()
    }

    fn centre(&self, examples: &Range<usize>) -> Vec<f32> {
        self.spread.as_ref().map(|s| s.centre(&self.examples.part(examples.clone()))).unwrap_or_default()
    }

    pub(crate) fn set_history(&mut self, history: Option<History>) {
        for entry in &mut self.entries {
            entry.number = history.as_ref().and_then(|h| h.number(&entry.id));
        }
        self.history = history;
    }

    /// Tasks of the past that the scorer knows.
    pub fn history(&self) -> usize {
        self.history.as_ref().map_or(0, History::tasks)
    }

    pub(crate) fn place(&self, id: &str) -> Option<usize> {
        self.places.get(id).copied()
    }

    /// The places worth scoring.
    fn candidates(&self, reading: &Reading<'_>) -> Vec<usize> {
        let Some(index) = self.index.get_or_init(|| Index::build(&self.profiles)) else {
            return (0..self.entries.len()).collect();
        };
        let near = index.candidates(&reading.query, CANDIDATES).into_iter();
        let words = reading.words.iter().map(|[_, head]| *head).zip(0..);
        let mut places: Vec<usize> = largest(near, CANDIDATES).map(|p| p as usize).collect();
        let shares_words = |place: &usize| reading.words.get(*place).is_some_and(|[_, head]| *head > 0.0);
        places.extend(largest(words, CANDIDATES).map(|p| p as usize).filter(shares_words));
        places.extend(reading.task.covering().filter_map(|id| self.place(id)));
        places.sort_unstable();
        places.dedup();
        places
    }

    /// Every expert's efficiency, best first, ties in the order of their ids. Where there are more than about a thousand
    /// experts, only those whose profiles are near the task, or share its words, are scored.
    pub fn rank(&self, task: &Task, vectors: &[Vec<f32>]) -> Vec<Ranked> {
        let reading = self.read(task, vectors);
        let mut ranked: Vec<Ranked> = self
            .candidates(&reading)
            .into_iter()
            .filter_map(|place| {
                let scored = self.scored(&reading, place)?;
                Some(Ranked { place, te: efficiency(scored.coefficients.dot(&scored.values)) })
            })
            .collect();
        // Positive numbers are in the order of their bits, which are compared without a branch.
        ranked.sort_unstable_by_key(|r| !r.te.to_bits());
        for tied in ranked.chunk_by_mut(|a, b| a.te == b.te).filter(|tied| tied.len() > 1) {
            tied.sort_unstable_by(|a, b| self.id(a.place).cmp(&self.id(b.place)));
        }
        ranked
    }

    /// Scores every expert, best first, as [`Self::rank`] does, with the parts of each score. `vectors` are those of
    /// [`Task::texts`].
    pub fn score(&self, task: &Task, vectors: &[Vec<f32>]) -> Vec<Score> {
        let reading = self.read(task, vectors);
        let mut scores: Vec<Score> = self
            .candidates(&reading)
            .into_iter()
            .filter_map(|place| {
                let Scored { values, coefficients, known } = self.scored(&reading, place)?;
                let missing = self.missing(&reading, place);
                let [coefficients, profile] =
                    [coefficients, &self.weights.profile].map(|c| c.without_missing(&missing));
                Some(Score::new(self.id(place)?, &values, &coefficients, &profile, known))
            })
            .collect();
        scores.sort_by(|a, b| b.te.total_cmp(&a.te).then_with(|| a.expert.cmp(&b.expert)));
        scores
    }
}
