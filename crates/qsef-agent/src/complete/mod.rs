//! Completion of plans: steps that a request needs and does not name. What an expert needs and nobody before it gives becomes
//! a subtask, from the experts' types and from what earlier requests needed.
//!
//! Each request for one thing is unfolded into the look-ups behind it (one call of the model), and experts are chosen for
//! all of them at once: the likeliest chain in which each is fed by the one before (`path`). Where two experts are close, the
//! model makes one constrained choice. What is still unmet is searched in the type graph, and a plan that stays unmet is
//! refused. Requests for experts without such needs cost nothing.

mod check;
mod choose;
mod draft;
mod graph;
mod history;
mod path;
mod types;
mod unfold;
mod words;

use std::collections::BTreeSet;

pub use check::{Fault, check};
use draft::{Draft, Node};
pub use graph::{Link, TypeGraph};
pub use history::{Past, Transitions};
pub use path::Prices;
use path::{Place, Weighing};
use qsef_core::{AnyExpert, AnyModel, Result, Subtask, SubtaskId, Usage};
pub use types::Kind;
use unfold::{LookUp, look_up, unfold, without_names};

use crate::{Assignment, Planned, Registry, registry::Scored};

/// Experts whose chains differ by no more than this, in ln TE, are told apart by the model.
const CLOSE: f64 = 0.3;

/// The most experts in one choice.
const CHOICES: usize = 4;

/// The most choices for one request: each costs a call.
const MOST_CHOICES: usize = 2;

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
        let groups = groups(&planned.plan.subtasks, &assignments, graph);
        if !self.enabled || groups.is_empty() {
            return Ok((planned, assignments));
        }
        let mut draft = Draft::new(&planned.plan, assignments);
        for group in groups {
            let members: Vec<&Subtask> = planned.plan.subtasks.iter().filter(|s| group.contains(&s.id)).collect();
            let whole = members.len() == planned.plan.subtasks.len();
            let tasks: Vec<&str> = members.iter().map(|s| s.task.as_str()).collect();
            let text = if whole { request.trim().to_owned() } else { tasks.join(", then ") };
            let (nodes, usage) = self.chain(&text, tasks.last().copied().unwrap_or_default(), registry).await?;
            planned.usage += usage;
            let added: Vec<&str> = nodes.iter().rev().skip(1).rev().map(|n| n.task.as_str()).collect();
            if !added.is_empty() {
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

    /// The chain of experts behind a text that asks for one thing, with what feeds what. The last does the task itself.
    async fn chain(&self, text: &str, task: &str, registry: &Registry) -> Result<(Vec<Node>, Usage)> {
        let graph = registry.types();
        let (look_ups, mut usage) = match &self.model {
            Some(model) => unfold(model, graph, text).await?,
            None => (vec![look_up(text, None, graph)], Usage::default()),
        };
        let (plain, _) = without_names(text, graph);
        let texts: Vec<&str> = look_ups.iter().map(|l| l.plain.as_str()).chain([plain.as_str()]).collect();
        let mut scored = registry.scored(&texts).await?;
        let of_request = scored.pop().unwrap_or_default();
        let ln = |scored: &Scored| -> Vec<f64> {
            (0..graph.len()).map(|e| scored.te(graph.id(e)).map_or(-10.0, f64::ln)).collect()
        };
        let scores: Vec<Vec<f64>> = scored.iter().map(ln).collect();
        let request = ln(&of_request);
        let recalled = match &of_request.vector {
            Some(_) if self.transitions.is_empty() => None,
            Some(vector) => Some(self.transitions.recall(vector, |id| graph.place(id))),
            None => None,
        };
        let weighing = Weighing {
            graph,
            look_ups: &look_ups,
            scores: &scores,
            request: &request,
            recalled: recalled.as_ref(),
            prices: self.prices,
        };
        let mut chain = weighing.best();
        if let Some(model) = self.model.as_ref().filter(|_| self.confirms) {
            usage += confirm(model, text, &weighing, &mut chain, registry).await?;
        }
        let fed_by = feeders(&weighing, &mut chain);
        let nodes = chain.iter().zip(fed_by).map(|(place, uses)| Node {
            task: look_ups.get(place.look_up).map_or_else(String::new, |l| l.what.clone()),
            expert: graph.id(place.expert).to_owned(),
            scored: scored.get(place.look_up).cloned().unwrap_or_default(),
            uses,
        });
        let mut nodes: Vec<Node> = nodes.collect();
        let named = look_ups.iter().any(|l| l.named) || without_names(text, graph).1;
        meet(&mut nodes, graph, &of_request, text, named);
        if let Some(last) = nodes.last_mut() {
            last.task = task.to_owned();
        }
        Ok((nodes, usage))
    }
}

/// Subtasks that may be parts of chains, those together that use each other's outputs.
fn groups(subtasks: &[Subtask], assignments: &[Assignment], graph: &TypeGraph) -> Vec<BTreeSet<SubtaskId>> {
    let linked = |id: SubtaskId| {
        let scores = assignments.iter().find(|a| a.id == id).into_iter();
        let experts = scores.flat_map(|a| {
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

/// Lets the model choose where experts are close, the closest first.
async fn confirm(
    model: &AnyModel,
    request: &str,
    weighing: &Weighing<'_>,
    chain: &mut [Place],
    registry: &Registry,
) -> Result<Usage> {
    let mut usage = Usage::default();
    let mut asked = 0;
    for at in (0..chain.len()).rev() {
        let rivals = weighing.rivals(chain, at, CLOSE, CHOICES);
        if rivals.len() < 2 || asked == MOST_CHOICES {
            continue;
        }
        asked += 1;
        let experts: Vec<&AnyExpert> = rivals.iter().filter_map(|e| registry.get(weighing.graph.id(*e))).collect();
        let profiles: Vec<_> = experts.iter().map(|e| e.profile()).collect();
        let Some(place) = chain.get_mut(at) else { continue };
        let what = weighing.look_ups.get(place.look_up).map_or("", |l: &LookUp| l.what.as_str());
        let (chosen, used) = choose::choose(model, request, what, &profiles).await?;
        usage += used;
        if let Some(expert) = chosen.and_then(|c| rivals.get(c)) {
            place.expert = *expert;
        }
    }
    Ok(usage)
}

/// What feeds each place of a chain: the nearest place before it that can, and those that would feed nothing else. A place
/// that feeds nothing is of no use to the request and leaves the chain.
fn feeders(weighing: &Weighing<'_>, chain: &mut Vec<Place>) -> Vec<BTreeSet<usize>> {
    let feeds = |from: usize, to: usize, chain: &[Place]| {
        chain.get(from).zip(chain.get(to)).is_some_and(|(from, to)| weighing.feeds(*from, *to))
    };
    let mut at = chain.len();
    while at > 1 {
        at -= 1;
        if !(at..chain.len()).any(|to| feeds(at - 1, to, chain)) {
            chain.remove(at - 1);
        }
    }
    let nearest = |to: usize| (0..to).rev().find(|from| feeds(*from, to, chain));
    let mut uses: Vec<BTreeSet<usize>> = (0..chain.len()).map(|to| nearest(to).into_iter().collect()).collect();
    for from in 0..chain.len().saturating_sub(1) {
        let used = uses.iter().any(|u| u.contains(&from));
        let taker = (from + 1..chain.len()).find(|to| !used && feeds(from, *to, chain));
        if let Some(uses) = taker.and_then(|to| uses.get_mut(to)) {
            uses.insert(from);
        }
    }
    uses
}

/// Puts providers before the nodes that need something which no node before them gives.
fn meet(nodes: &mut Vec<Node>, graph: &TypeGraph, request: &Scored, text: &str, named: bool) {
    let mut at = 0;
    while let Some(node) = nodes.get(at) {
        let unmet = graph.place(&node.expert).filter(|e| graph.is_dependent(*e) && node.uses.is_empty());
        // What finds by name serves a request that names something, what lists serves one that does not.
        let cost = |e: usize| {
            let unlike = -request.te(graph.id(e)).map_or(-10.0, f64::ln);
            unlike + if !graph.is_dependent(e) && graph.finds(e) != named { 1.5 } else { 0.0 }
        };
        let providers = unmet.and_then(|e| Some((e, graph.providers(e, &cost)?)));
        let Some((expert, providers)) = providers else {
            at += 1;
            continue;
        };
        let count = providers.len();
        for later in nodes.iter_mut().skip(at) {
            later.uses = later.uses.iter().map(|u| if *u >= at { u + count } else { *u }).collect();
        }
        let needs = graph.needs(expert);
        let new = providers.into_iter().enumerate().map(|(i, provider)| Node {
            task: format!("find the {needs} for: {text}"),
            expert: graph.id(provider).to_owned(),
            scored: request.clone(),
            uses: (i > 0).then_some(at + i - 1).into_iter().collect(),
        });
        let new: Vec<Node> = new.collect();
        nodes.splice(at..at, new);
        at += count;
        if let Some(node) = nodes.get_mut(at) {
            node.uses.insert(at - 1);
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests;
