//! How well requests are planned: nodes and edges against gold graphs.

use std::{
    collections::BTreeSet,
    path::Path,
    time::{Duration, Instant},
};

use qsef_agent::{
    Assignment, Hub, Planned, Registry,
    complete::{Completer, Past},
};
use qsef_core::{
    AnyEmbedder, AnyExpert, AnyModel, Budget, Error, Expert, ExpertCall, ExpertProfile, Outcome, Plan, Result,
};
use serde::{Deserialize, Serialize};

use crate::{embed::percentile, read_jsonl, read_profiles};

/// A request with its gold graph.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Case {
    /// A name for reports.
    pub id: String,
    /// The request.
    pub query: String,
    /// The experts that it needs.
    pub nodes: Vec<String>,
    /// Pairs of experts: the first comes before the second.
    pub edges: Vec<(String, String)>,
}

/// An expert that is only planned for, never run.
struct Listed(ExpertProfile);

impl Expert for Listed {
    fn profile(&self) -> &ExpertProfile {
        &self.0
    }
    async fn run(&self, _: ExpertCall) -> Result<Outcome> {
        Err(Error::Expert { expert: self.0.id.clone(), message: "it is listed for planning only".into() })
    }
}

/// Reads the experts of a benchmark.
///
/// # Errors
/// As [`read_profiles`].
pub fn read_experts(path: &Path) -> Result<Vec<AnyExpert>> {
    Ok(read_profiles(path)?.into_iter().map(|profile| AnyExpert::new(Listed(profile))).collect())
}

/// Reads the cases of a benchmark, and checks that their nodes are experts.
///
/// # Errors
/// As [`read_jsonl`], and [`Error::File`] for a node that is no expert.
pub fn read_cases(path: &Path, experts: &[AnyExpert]) -> Result<Vec<Case>> {
    let cases: Vec<(usize, Case)> = read_jsonl(path)?;
    let known: BTreeSet<&str> = experts.iter().map(|e| e.profile().id.as_str()).collect();
    for (line, case) in &cases {
        let ends = case.edges.iter().flat_map(|(a, b)| [("edges", a), ("edges", b)]);
        let named = case.nodes.iter().map(|n| ("nodes", n)).chain(ends);
        if let Some((field, unknown)) = named.into_iter().find(|(_, name)| !known.contains(name.as_str())) {
            let message = format!("`{unknown}` is not in the experts file");
            return Err(Error::File { path: path.into(), line: Some(*line), field: Some(field.into()), message });
        }
    }
    Ok(cases.into_iter().map(|(_, case)| case).collect())
}

/// Reads only the requests of a benchmark, in the order of the file.
///
/// # Errors
/// As [`read_jsonl`].
pub fn read_queries(path: &Path) -> Result<Vec<String>> {
    #[derive(Deserialize)]
    struct Row {
        query: String,
    }
    Ok(read_jsonl::<Row>(path)?.into_iter().map(|(_, row)| row.query).collect())
}

/// What one case came to.
#[derive(Debug, Clone, Serialize)]
pub struct CaseResult {
    /// The case's name.
    pub id: String,
    /// The experts chosen, in the plan's order.
    pub nodes: Vec<String>,
    /// Pairs of them.
    pub edges: Vec<(String, String)>,
    /// The subtasks' texts.
    pub tasks: Vec<String>,
    /// What was repaired.
    pub repairs: Vec<String>,
    /// Why there is no plan.
    pub error: Option<String>,
}

/// The figures of `qsef eval plan`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PlanReport {
    /// Cases.
    pub n: usize,
    /// Share of the chosen experts that are gold.
    pub node_precision: f64,
    /// Share of the gold experts that were chosen.
    pub node_recall: f64,
    /// Their harmonic mean, micro over the cases' sets.
    pub node_f1: f64,
    /// The same of (from, to) pairs, pooled.
    pub edge_f1: f64,
    /// Share of the cases with exactly the gold graph.
    pub exact: f64,
    /// Cases without a plan.
    pub failed: usize,
    /// Chosen names that are no expert's.
    pub hallucinated: usize,
    /// Median seconds per plan.
    pub p50_s: f64,
    /// 95th percentile of seconds per plan.
    pub p95_s: f64,
    /// Mean tokens generated per plan.
    pub tokens_per_plan: f64,
}

/// What is left out of planning, to see what it is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Without {
    /// The model's choice among experts that are close.
    Choice,
    /// All of the model's part in completion: only types and the past complete.
    Unfolding,
    /// Completion.
    Completion,
}

/// How plans are made.
#[derive(Debug, Clone, Default)]
pub struct Setting {
    /// Cases whose graphs are known beforehand, to learn from.
    pub history: Vec<Case>,
    /// What is left out.
    pub without: Option<Without>,
}

/// Plans each case and compares. `progress` is called after each case.
///
/// # Errors
/// Those of building the registry; a case that fails is counted, not an error.
pub async fn evaluate(
    model: AnyModel,
    embedder: AnyEmbedder,
    experts: Vec<AnyExpert>,
    cases: &[Case],
    setting: Setting,
    mut progress: impl FnMut(usize, &CaseResult),
) -> Result<PlanReport> {
    let registry = Registry::new(embedder, experts, None).await?;
    let lmm = Some(model.clone()).filter(|_| setting.without != Some(Without::Unfolding));
    let mut completer = Completer::new(lmm).confirms(setting.without.is_none());
    let past = setting.history.into_iter().map(|c| Past { request: c.query, experts: c.nodes, edges: c.edges });
    completer.learn(&registry, past.collect()).await?;
    let completes = setting.without != Some(Without::Completion);
    let hub = Hub::new(model, registry).with_completer(completer.enabled(completes));
    let mut counts = Counts::default();
    let mut times = Vec::new();
    for (done, case) in (1..).zip(cases) {
        let began = Instant::now();
        let planned = hub.plan(&case.query, &Budget::default()).await;
        times.push(began.elapsed());
        let result = counts.add(case, planned, hub.registry());
        progress(done, &result);
    }
    Ok(counts.report(cases.len(), &times))
}

/// The graph of experts that a plan means: an expert of several subtasks is one node, at its first place.
fn graph(plan: &Plan, assignments: &[Assignment]) -> (Vec<String>, BTreeSet<(String, String)>) {
    let expert = |id: usize| assignments.iter().find(|a| a.id == id).map(|a| a.expert.clone());
    let mut nodes: Vec<String> = Vec::new();
    let mut edges = BTreeSet::new();
    for subtask in &plan.subtasks {
        let Some(to) = expert(subtask.id) else { continue };
        let place = nodes.iter().position(|n| *n == to);
        let froms = subtask.after.iter().filter_map(|a| expert(*a));
        for from in froms {
            let forward = place.is_none_or(|p| nodes.iter().position(|n| *n == from).is_some_and(|f| f < p));
            if from != to && forward {
                edges.insert((from, to.clone()));
            }
        }
        if place.is_none() {
            nodes.push(to);
        }
    }
    (nodes, edges)
}

#[derive(Default)]
struct Tally {
    hit: usize,
    chosen: usize,
    gold: usize,
}

impl Tally {
    fn add<T: Ord>(&mut self, chosen: &BTreeSet<T>, gold: &BTreeSet<T>) {
        self.hit += chosen.intersection(gold).count();
        self.chosen += chosen.len();
        self.gold += gold.len();
    }
    fn precision(&self) -> f64 {
        self.hit as f64 / self.chosen.max(1) as f64
    }
    fn recall(&self) -> f64 {
        self.hit as f64 / self.gold.max(1) as f64
    }
    fn f1(&self) -> f64 {
        2.0 * self.hit as f64 / (self.chosen + self.gold).max(1) as f64
    }
}

#[derive(Default)]
struct Counts {
    nodes: Tally,
    edges: Tally,
    exact: usize,
    failed: usize,
    hallucinated: usize,
    tokens: u64,
}

impl Counts {
    fn add(&mut self, case: &Case, planned: Result<(Planned, Vec<Assignment>)>, registry: &Registry) -> CaseResult {
        let gold_nodes: BTreeSet<String> = case.nodes.iter().cloned().collect();
        let gold_edges: BTreeSet<(String, String)> = case.edges.iter().cloned().collect();
        let mut result = CaseResult {
            id: case.id.clone(),
            nodes: Vec::new(),
            edges: Vec::new(),
            tasks: Vec::new(),
            repairs: Vec::new(),
            error: None,
        };
        let (mut nodes, mut edges) = (Vec::new(), BTreeSet::new());
        match planned {
            Ok((planned, assignments)) => {
                self.tokens += planned.usage.completion_tokens;
                (nodes, edges) = graph(&planned.plan, &assignments);
                result.tasks = planned.plan.subtasks.into_iter().map(|s| s.task).collect();
                result.repairs = planned.repairs;
            }
            Err(error) => {
                self.failed += 1;
                result.error = Some(error.to_string());
            }
        }
        self.hallucinated += nodes.iter().filter(|n| registry.get(n).is_none()).count();
        let node_set: BTreeSet<String> = nodes.iter().cloned().collect();
        self.nodes.add(&node_set, &gold_nodes);
        self.edges.add(&edges, &gold_edges);
        self.exact += usize::from(node_set == gold_nodes && edges == gold_edges);
        result.nodes = nodes;
        result.edges = edges.into_iter().collect();
        result
    }

    fn report(self, n: usize, times: &[Duration]) -> PlanReport {
        let percentile = |share| percentile(times.iter().map(Duration::as_secs_f64).collect(), share);
        PlanReport {
            n,
            node_precision: self.nodes.precision(),
            node_recall: self.nodes.recall(),
            node_f1: self.nodes.f1(),
            edge_f1: self.edges.f1(),
            exact: self.exact as f64 / n.max(1) as f64,
            failed: self.failed,
            hallucinated: self.hallucinated,
            p50_s: percentile(0.5),
            p95_s: percentile(0.95),
            tokens_per_plan: self.tokens as f64 / n.max(1) as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use qsef_core::test_util::{LetterEmbedder, ScriptedModel};

    #[tokio::test]
    async fn figures_follow_the_definitions() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let experts = write(
            "experts.jsonl",
            "{\"id\":\"sum\",\"description\":\"add numbers\"}\n\n{\"id\":\"poem\",\"description\":\"write a poem\"}\n\
             {\"id\":\"zap\",\"description\":\"jump quickly\"}\n",
        );
        let cases = write(
            "cases.jsonl",
            "{\"id\":\"1\",\"query\":\"add numbers, then write a poem\",\"nodes\":[\"sum\",\"poem\"],\"edges\":[[\"sum\",\"poem\"]]}\n\
             {\"id\":\"2\",\"query\":\"write a poem\",\"nodes\":[\"poem\",\"zap\"],\"edges\":[]}\n\
             {\"id\":\"3\",\"query\":\"?!\",\"nodes\":[\"zap\"],\"edges\":[]}\n",
        );
        let experts = read_experts(&experts).unwrap();
        let cases = read_cases(&cases, &experts).unwrap();
        let steps = r#"{"steps":[{"task":"add numbers","uses":[]},{"task":"write a poem","uses":[]}]}"#;
        let model = AnyModel::new(ScriptedModel::answers([steps]));
        let embedder = AnyEmbedder::new(LetterEmbedder);
        let report = evaluate(model, embedder, experts.clone(), &cases, Setting::default(), |_, _| {}).await.unwrap();
        assert_eq!((report.n, report.failed, report.hallucinated), (3, 1, 0));
        // Chosen: {sum, poem}, {poem}, {}; gold: {sum, poem}, {poem, zap}, {zap}.
        assert_eq!(report.node_precision, 1.0);
        assert_eq!(report.node_recall, 3.0 / 5.0);
        assert_eq!(report.node_f1, 6.0 / 8.0);
        assert_eq!(report.edge_f1, 1.0);
        assert_eq!(report.exact, 1.0 / 3.0);

        let broken = write("broken.jsonl", "{\"id\":\"1\"}\n");
        let error = read_cases(&broken, &experts).unwrap_err().to_string();
        assert!(error.contains("broken.jsonl:1") && error.contains("query"), "{error}");
        let unknown =
            write("u.jsonl", "\n{\"id\":\"1\",\"query\":\"x\",\"nodes\":[\"sum\"],\"edges\":[[\"sum\",\"who\"]]}\n");
        let error = read_cases(&unknown, &experts).unwrap_err().to_string();
        assert!(error.contains("u.jsonl:2 (edges)") && error.contains("who"), "{error}");
    }
}
