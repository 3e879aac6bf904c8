//! Completion of plans: steps that a request needs and does not name. What an expert needs and nobody before it gives becomes
//! a subtask, from the experts' types and from what earlier requests needed.
//!
//! Each request for one thing is unfolded into the look-ups behind it (one call of the model), and experts are chosen for
//! all of them at once: the likeliest chain in which each is fed by the one before (`path`). Where two experts are close, the
//! model makes one constrained choice. What is still unmet is searched in the type graph, and a plan that stays unmet is
//! refused. Requests for experts without such needs cost nothing.

mod chain;
mod check;
mod choose;
mod draft;
mod graph;
mod history;
mod outputs;
mod path;
mod types;
mod unfold;
mod words;

use std::collections::BTreeSet;

pub use check::{Fault, check};
use draft::Draft;
pub use graph::{Link, TypeGraph};
pub use history::{Past, Transitions};
pub(crate) use outputs::type_outputs;
pub use path::Prices;
use qsef_core::{AnyModel, Result, Subtask, SubtaskId};
pub use types::Kind;
use unfold::without_names;

use crate::{Assignment, Planned, Registry};

/// Experts of a subtask that are looked at to see whether it may be part of a chain.
const LOOKED_AT: usize = 3;

/// Completes plans.
#[derive(Debug, Clone)]
pub struct Completer {
    model: Option<AnyModel>,
    prices: Prices,
    transitions: Transitions,
    confirms: bool,
    enabled: bool,
}

impl Completer {
    /// A completer that unfolds requests with a model; without one, only the type graph and the past complete.
    pub fn new(model: Option<AnyModel>) -> Self {
        Self { model, prices: Prices::default(), transitions: Transitions::default(), confirms: true, enabled: true }
    }

    /// Sets what a chain pays for what it lacks.
    pub fn prices(mut self, prices: Prices) -> Self {
        self.prices = prices;
        self
    }

    /// Whether the model chooses among experts that are close; else the best score does.
    pub fn confirms(mut self, confirms: bool) -> Self {
        self.confirms = confirms;
        self
    }

    /// Whether plans are completed at all; a plan that is not completed is not checked either.
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.enabled = enabled;
        self
    }

    /// Learns from requests whose experts are known, in place of what was learned before.
    ///
    /// # Errors
    /// The embedder's own.
    pub async fn learn(&mut self, registry: &Registry, past: Vec<Past>) -> Result<()> {
        let texts = past.iter().map(|p| without_names(&p.request, registry.types()).0).collect();
        let vectors = registry.embedder().embed(texts).await?;
        self.transitions = Transitions::default();
        past.into_iter().zip(vectors).for_each(|(past, vector)| self.transitions.add(vector, past));
        Ok(())
    }

    /// What was learned.
    pub fn transitions(&self) -> &Transitions {
        &self.transitions
    }

    /// Completes a plan and checks it: subtasks that no one asked for come before those that need them.
    ///
    /// # Errors
    /// [`qsef_core::Error::Input`] for a plan that needs what no expert gives, with the subtask and the kind; otherwise the
    /// model's and the embedder's own.
    pub async fn complete(
        &self,
        request: &str,
        mut planned: Planned,
        assignments: Vec<Assignment>,
        registry: &Registry,
    ) -> Result<(Planned, Vec<Assignment>)> {
        let graph = registry.types();
        let groups = groups(&planned.plan.subtasks, &assignments, registry);
        if !self.enabled || groups.is_empty() {
            return Ok((planned, assignments));
        }
        let mut draft = Draft::new(&planned.plan, assignments.clone());
        for group in groups {
            let members: Vec<&Subtask> = planned.plan.subtasks.iter().filter(|s| group.contains(&s.id)).collect();
            let whole = members.len() == planned.plan.subtasks.len();
            let tasks: Vec<&str> = members.iter().map(|s| s.task.as_str()).collect();
            let text = if whole { request.trim().to_owned() } else { tasks.join(", then ") };
            let (nodes, usage) = self.chain(&text, tasks.last().copied().unwrap_or_default(), registry).await?;
            planned.usage += usage;
            // What changes the world is done where the request asks for it, and never for the sake of something else.
            let asked = |id: &str| assignments.iter().any(|a| a.expert == id);
            let acts = |id: &str| registry.get(id).is_some_and(|e| e.profile().is_consequential());
            if let Some(node) = nodes.iter().find(|n| acts(&n.expert) && !asked(&n.expert)) {
                planned
                    .repairs
                    .push(format!("not completed: it would take `{}`, which changes something", node.expert));
                continue;
            }
            let added = nodes.split_last().map_or(&[][..], |(_, added)| added);
            if !added.is_empty() {
                let added: Vec<&str> = added.iter().map(|n| n.task.as_str()).collect();
                planned.repairs.push(format!("added what the request needs first: {}", added.join("; ")));
            }
            draft.replace(&group, nodes);
        }
        let (plan, assignments, added) = draft.finish(registry)?;
        if let Some(fault) = check(&plan, &assignments, graph, &added).into_iter().next() {
            return Err(fault.into());
        }
        planned.plan = plan;
        Ok((planned, assignments))
    }
}

/// Subtasks that may be parts of chains, those together that use each other's outputs.
fn groups(subtasks: &[Subtask], assignments: &[Assignment], registry: &Registry) -> Vec<BTreeSet<SubtaskId>> {
    let graph = registry.types();
    // Where no expert fits, those that are least bad need nothing either.
    let fallback = registry.fallback().map(|f| f.profile().id.as_str());
    let linked = |id: SubtaskId| {
        let given = assignments.iter().find(|a| a.id == id && Some(a.expert.as_str()) != fallback);
        let experts = given.into_iter().flat_map(|a| {
            [a.expert.as_str()].into_iter().chain(a.scores.iter().take(LOOKED_AT).map(|s| s.expert.as_str()))
        });
        experts.filter_map(|e| graph.place(e)).any(|e| graph.is_linked(e))
    };
    let mut groups: Vec<BTreeSet<SubtaskId>> = Vec::new();
    for subtask in subtasks.iter().filter(|s| linked(s.id)) {
        let (mut joined, others): (Vec<_>, Vec<_>) = groups.into_iter().partition(|g| !g.is_disjoint(&subtask.uses));
        let mut group: BTreeSet<SubtaskId> = joined.drain(..).flatten().collect();
        group.insert(subtask.id);
        groups = others;
        groups.push(group);
    }
    groups
}

#[cfg(test)]
mod tests;
