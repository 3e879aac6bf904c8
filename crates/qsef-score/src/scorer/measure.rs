//! What a scorer sees of a task, and the terms of one expert for it.

use super::{Entry, Scorer};
use crate::{
    distance::{Concept, graph_coverage, graph_distance},
    history::{Estimate, Similar},
    matrix::{Rows, dot, unit},
    score::{Known, efficiency},
    task::Task,
    terms::{MOST_SURPRISAL, Term, Values},
};

/// How much of the lexical coverage the whole task decides; its head decides the rest.
const WHOLE: f64 = 0.6;

/// Examples of an expert that a task is compared with, for `n` examples: more where there are many, so that one odd example
/// does not decide.
fn nearest(n: usize) -> usize {
    ((n as f64).sqrt() / 2.0 + 0.5).max(1.0) as usize
}

/// What of a task is the same for all experts.
pub(crate) struct Reading<'a> {
    pub(super) task: &'a Task,
    /// `C_data`.
    data: f64,
    /// The task without its quotations and its head, averaged: for descriptions.
    pub(super) query: Vec<f32>,
    /// The task without its quotations: for examples.
    plain: Vec<f32>,
    whitened: Option<Vec<f32>>,
    /// How much of the terms of the whole task, and of its head, each expert has.
    pub(super) words: Vec<[f32; 2]>,
    phrases: Vec<[f32; 1]>,
    concepts: Vec<Concept>,
    similar: Option<Similar<'a>>,
    /// The coefficients of an expert that the history knows nothing of.
    newcomer: Values,
}

/// The terms of one expert, with the coefficients that are in force for it.
pub(crate) struct Scored<'a> {
    pub values: Values,
    pub coefficients: &'a Values,
    pub known: Known,
}

impl Scorer {
    /// Reads what is the same for all experts. `vectors` are those of [`Task::texts`]; missing ones count as unrelated to
    /// everything.
    pub(crate) fn read<'a>(&'a self, task: &'a Task, vectors: &[Vec<f32>]) -> Reading<'a> {
        // What is asked for, apart from what it is to be done to: the task without its quotations, and its head.
        let asked: Vec<Vec<f32>> = vectors.iter().skip(1).map(|v| unit(v)).collect();
        let mut query = vec![0f32; self.profiles.columns()];
        for vector in &asked {
            query.iter_mut().zip(vector).for_each(|(q, x)| *q += x / asked.len() as f32);
        }
        let plain = asked.into_iter().next().unwrap_or_default();
        Reading {
            task,
            data: task.complexity().overall(),
            whitened: self.spread.as_ref().map(|s| s.apply(&plain)),
            words: self.lexicon.coverage([&task.terms, &task.head_terms]),
            phrases: self.phrases.coverage([&task.pairs]),
            concepts: self.graph.as_ref().map(|(g, _)| g.concepts(&task.texts().join("\n"))).unwrap_or_default(),
            similar: self.history.as_ref().zip(vectors.first()).map(|(h, v)| h.similar(v, task.complexity())),
            newcomer: self.weights.newcomer(),
            query,
            plain,
        }
    }

    /// The terms of the profile for one expert. A part of `D` that is missing takes the mean of the others, and missing
    /// concepts the value of the words: their weight goes to what is there.
    fn profile_terms(&self, reading: &Reading<'_>, place: usize, entry: &Entry) -> Values {
        let metric = |cosine: f32| self.metric.distance(f64::from(cosine));
        let description = metric(dot(self.profiles.row(place), &reading.query));
        let examples = self.examples.part(entry.examples.clone());
        let examples = (examples.len() > 0).then(|| metric(mean_of_nearest(&examples, &reading.plain)));
        let centre = self
            .spread
            .as_ref()
            .zip(reading.whitened.as_ref())
            .filter(|_| examples.is_some())
            .map(|(spread, task)| spread.distance(task, self.centres.row(place)));
        let graph = self
            .graph
            .as_ref()
            .and_then(|(g, weights)| graph_distance(g.as_ref(), weights, &reading.concepts, &entry.concepts));
        let present = || [Some(description), examples, centre].into_iter().flatten();
        let mean = present().sum::<f64>() / present().count().max(1) as f64;
        // One concept says little: it may be a word of every day. The more of them a task names, the more they count beside its words.
        let named = reading.concepts.len() as f64;
        let beside = |concepts: f64, words: f64| (named * concepts + words) / (named + 1.0);
        let [whole, head] = reading.words.get(place).copied().unwrap_or_default().map(f64::from);
        let [phrases] = reading.phrases.get(place).copied().unwrap_or_default().map(f64::from);
        let covered = reading.task.covered(&entry.id);
        let lexical = 1.0 - (WHOLE * whole + (1.0 - WHOLE) * head).max(covered).clamp(0.0, 1.0);
        Values::from_iter([
            (Term::Description, description),
            (Term::Examples, examples.unwrap_or(mean)),
            (Term::Centre, centre.unwrap_or(mean)),
            (Term::Graph, graph.map_or(mean, |far| beside(far, mean))),
            (Term::Data, reading.data),
            (Term::Size, reading.data * entry.load),
            (Term::Lexical, lexical),
            (Term::Phrases, 1.0 - phrases.max(covered).clamp(0.0, 1.0)),
            (
                Term::Concepts,
                graph_coverage(&reading.concepts, &entry.concepts).map_or(lexical, |c| beside(1.0 - c, lexical)),
            ),
        ])
    }

    /// The terms of the profile that there is nothing to tell of, and that have others' values.
    pub(super) fn missing(&self, reading: &Reading<'_>, place: usize) -> Vec<Term> {
        let Some(entry) = self.entries.get(place) else { return Vec::new() };
        let no_examples = entry.examples.is_empty();
        let no_concepts = reading.concepts.is_empty() || entry.concepts.is_empty();
        let missing = [
            (Term::Examples, no_examples),
            (Term::Centre, no_examples || self.spread.is_none()),
            (Term::Graph, no_concepts),
            (Term::Concepts, no_concepts),
        ];
        missing.into_iter().filter(|(_, missing)| *missing).map(|(term, _)| term).collect()
    }

    /// All terms of one expert.
    pub(crate) fn scored<'a>(&'a self, reading: &'a Reading<'_>, place: usize) -> Option<Scored<'a>> {
        let entry = self.entries.get(place)?;
        let mut values = self.profile_terms(reading, place, entry);
        let Some(similar) = &reading.similar else {
            return Some(Scored { values, coefficients: &self.weights.profile, known: Known::default() });
        };
        if entry.number.is_none() && !similar.is_of_chosen() {
            values.set(Term::Coverage, 1.0);
            return Some(Scored { values, coefficients: &reading.newcomer, known: Known::default() });
        }
        let promise = efficiency(self.weights.profile.dot(&values));
        let estimate = similar.estimate(entry.number, promise);
        history_terms(&mut values, &estimate);
        let known = Known { outcomes: estimate.count, seconds: estimate.seconds };
        Some(Scored { values, coefficients: &self.weights.history, known })
    }
}

/// The terms that an estimate of the history gives.
pub(crate) fn history_terms(values: &mut Values, estimate: &Estimate) {
    let surprisal = |p: f64| (-p.ln() / MOST_SURPRISAL).clamp(0.0, 1.0);
    values.set(Term::Neighbours, surprisal(estimate.neighbours));
    values.set(Term::Trend, surprisal(estimate.trend));
    values.set(Term::Coverage, 5.0 / (5.0 + f64::from(estimate.count)));
    values.set(Term::Latency, estimate.seconds.map_or(0.0, |s| s / (s + 10.0)));
}

/// The mean product with the nearest few examples.
fn mean_of_nearest(examples: &Rows<'_>, query: &[f32]) -> f32 {
    let wanted = nearest(examples.len());
    if wanted == 1 {
        return examples.largest_product(query);
    }
    let mut products = examples.times(query);
    products.select_nth_unstable_by(wanted - 1, |a, b| b.total_cmp(a));
    products.iter().take(wanted).sum::<f32>() / wanted as f32
}
