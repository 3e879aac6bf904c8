//! The chain of experts behind a request for one thing.

use std::collections::BTreeSet;

use qsef_core::{AnyExpert, AnyModel, Result, Usage};

use super::{
    Completer, choose,
    draft::Node,
    graph::TypeGraph,
    path::{Place, Weighing},
    unfold::{LookUp, look_up, unfold, without_names},
};
use crate::{Registry, registry::Scored};

/// Experts whose chains differ by no more than this, in ln TE, are told apart by the model.
const CLOSE: f64 = 0.3;

/// The most experts in one choice.
pub(super) const CHOICES: usize = 4;

/// The most choices for one request: each costs a call.
pub(super) const MOST_CHOICES: usize = 2;

impl Completer {
    /// The chain of experts behind a text that asks for one thing, with what feeds what. The last does the task itself.
    pub(super) async fn chain(&self, text: &str, task: &str, registry: &Registry) -> Result<(Vec<Node>, Usage)> {
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
