//! The translator: it makes what one expert wrote into what the next one can read, and sees to it that nothing gets lost.
//!
//! Formats are the nodes of a graph (`graph.rs`), its edges are deterministic adapters (`adapters/`) and experts that convert
//! between kinds of signals, each with the loss that it is expected to have. The way with the least loss is tried first; where
//! an adapter cannot do a value, or what it makes lacks something of the source (`loss/`), the next best. Where no way is left,
//! the large model writes the result (`semantic.rs`), and where that fails the check too, the payload is handed over as it is,
//! with a flag.

mod adapters;
mod check;
mod consumer;
mod graph;
mod kind;
mod loss;
mod schema;
mod semantic;
mod walk;

use std::collections::BTreeSet;

use qsef_core::{AnyEmbedder, AnyExpert, AnyModel, Cost, ExpertProfile, Format, HandOff, Means, Modality, Payload};

pub use check::check;
pub use consumer::Consumer;
use graph::{Graph, Takes};
use kind::Kind;
pub use loss::{Loss, survives};
pub(crate) use semantic::same_meaning;

/// From this distance on, prose counts as far from what its consumer is about: the cosine with each of its description and
/// examples is 0 or less. See [`Translator::far`].
pub const FAR: f32 = 0.5;

/// A payload for its consumer, and how it came about.
#[derive(Debug, Clone, PartialEq)]
pub struct Translation {
    /// What is handed over.
    pub payload: Payload,
    /// What was done.
    pub hand_off: HandOff,
}

/// Makes payloads into what their consumers take.
#[derive(Clone)]
pub struct Translator {
    graph: Graph,
    model: Option<AnyModel>,
    embedder: Option<AnyEmbedder>,
    far: f32,
}

impl Default for Translator {
    fn default() -> Self {
        Self::new()
    }
}

impl Translator {
    /// A translator of adapters alone: no model, no cost.
    pub fn new() -> Self {
        Self { graph: Graph::standard(), model: None, embedder: None, far: FAR }
    }

    /// Lets a model translate what the adapters cannot. Each such hand-off costs one or two calls of it.
    pub fn model(mut self, model: AnyModel) -> Self {
        self.model = Some(model);
        self
    }

    /// Measures the meaning of what the model writes against its source, and of prose against its consumer.
    pub fn embedder(mut self, embedder: AnyEmbedder) -> Self {
        self.embedder = Some(embedder);
        self
    }

    /// Sets the semantic distance, in [0, 1], between prose and consumer from which on the model rewrites the prose for it. It
    /// needs a model and an embedder. The default, [`FAR`], lets nearly all prose pass, because a model call costs more than most
    /// experts and most of them do read prose that is about something else.
    pub fn far(mut self, distance: f32) -> Self {
        self.far = distance;
        self
    }

    /// Adds an expert that accepts images or sound and makes text, or what its profile `gives`, of them.
    pub fn converter(mut self, expert: &AnyExpert) -> Self {
        self.graph.add_expert(expert);
        self
    }

    /// The loss that is expected where an output in a format is handed to an expert: 0 where it takes it as it is; `None` where
    /// no way leads to anything that it takes.
    pub fn expected_loss(&self, format: &Format, taker: &ExpertProfile) -> Option<f64> {
        let signal = format.modality();
        let taken =
            signal != Modality::Text || taker.takes.is_empty() || taker.takes.iter().any(|t| check::same(format, t));
        if taken && taker.accepts.contains(&signal) {
            return Some(0.0);
        }
        // Code in one language never becomes code in another.
        let from = Kind::of_format(format)?;
        let goals = Consumer::new(taker).goals().into_iter().map(|(kind, _)| kind);
        let goals: Vec<Kind> = goals.filter(|goal| (from, *goal) != (Kind::Code, Kind::Code)).collect();
        let path = self.graph.cheapest(from, &goals, &BTreeSet::new())?;
        Some(path.into_iter().filter_map(|step| self.graph.get(step)).map(|adapter| adapter.loss).sum())
    }

    /// Makes a payload into what a consumer takes. It always hands something over: the payload as it came, flagged, where nothing
    /// else is left.
    pub async fn translate(&self, payload: &Payload, consumer: &Consumer) -> Translation {
        let Err(unread) = consumer.reads(payload) else {
            return match self.rewritten(payload, consumer).await {
                Some(translation) => translation,
                None => untouched(payload),
            };
        };
        let mut source = as_told(payload);
        consumer.fit(&mut source);
        if consumer.reads(&source).is_ok() {
            let path = Kind::of(&source).map(|kind| kind.name().to_owned()).into_iter().collect();
            let hand_off = HandOff { means: Means::Adapters, path, to: source.format.clone(), ..record(payload) };
            return Translation { payload: source, hand_off };
        }
        let mut attempt = Attempt::default();
        if let Some(done) = self.adapted(&source, consumer, &mut attempt).await {
            return done;
        }
        if let Some(done) = self.by_model(&source, consumer, &mut attempt).await {
            return done;
        }
        let mut notes = vec![format!("it is handed over as it came: {unread}")];
        notes.extend(attempt.of_model);
        notes.extend(attempt.of_adapters);
        let hand_off = HandOff { means: Means::Verbatim, notes, cost: attempt.cost, ..record(payload) };
        Translation { payload: payload.clone(), hand_off }
    }

    /// The translation by the cheapest way that works, if one does.
    async fn adapted(&self, source: &Payload, consumer: &Consumer, attempt: &mut Attempt) -> Option<Translation> {
        let from = Kind::of(source)?;
        let goals = consumer.goals();
        let kinds: Vec<Kind> = goals.iter().map(|(kind, _)| *kind).collect();
        let (mut barred, mut paid) = (BTreeSet::new(), walk::Paid::default());
        while let Some(path) = self.graph.cheapest(from, &kinds, &barred) {
            let walk = walk::Walk { graph: &self.graph, path: &path, goals: &goals };
            match walk.run(source, consumer, &mut paid, &mut attempt.cost).await {
                Ok(mut done) => {
                    done.hand_off.from.clone_from(&source.format);
                    done.hand_off.cost = attempt.cost;
                    return Some(done);
                }
                Err((adapter, reason)) => {
                    barred.insert(adapter);
                    // What a detour through other formats cannot do tells nothing.
                    let ends = self.graph.get(adapter).is_some_and(|a| kinds.contains(&a.to));
                    if (ends || path.len() == 1)
                        && attempt.of_adapters.len() < 4
                        && !attempt.of_adapters.contains(&reason)
                    {
                        attempt.of_adapters.push(reason);
                    }
                }
            }
        }
        None
    }
}

/// Why what was tried so far failed, and what it cost.
#[derive(Default)]
struct Attempt {
    of_adapters: Vec<String>,
    of_model: Vec<String>,
    cost: Cost,
}

/// A payload under the format that its value has: text, or JSON, where its producer's word for it is wrong.
fn as_told(payload: &Payload) -> Payload {
    let format = match &payload.value {
        _ if payload.modality != Modality::Text || check(payload).is_ok() => return payload.clone(),
        serde_json::Value::String(_) => Format::Text,
        _ => Format::Json,
    };
    Payload { format, ..payload.clone() }
}

fn record(payload: &Payload) -> HandOff {
    HandOff {
        from: payload.format.clone(),
        to: payload.format.clone(),
        means: Means::Untouched,
        path: Vec::new(),
        expected_loss: 0.0,
        missing: Vec::new(),
        notes: Vec::new(),
        distance: None,
        cost: Cost::default(),
    }
}

fn untouched(payload: &Payload) -> Translation {
    Translation { payload: payload.clone(), hand_off: record(payload) }
}

#[cfg(test)]
mod tests;
