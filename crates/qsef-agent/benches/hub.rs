//! `cargo bench -p qsef-agent --bench hub`: what the hub adds to each subtask. Experts and planner answer at once, so all
//! that is measured is the hub: reading the request, the plan, scores, assignment, steps, events.

#![allow(clippy::unwrap_used, reason = "as in a test, a failure is to be loud")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use qsef_agent::{Hub, Ledger, Registry, RunOptions};
use qsef_core::{
    AnyEmbedder, AnyExpert, AnyModel, Expert, ExpertCall, ExpertProfile, Outcome, Payload, Result,
    test_util::{LetterEmbedder, ScriptedModel},
};
use tokio::runtime::Runtime;

struct Instant(ExpertProfile);

impl Expert for Instant {
    fn profile(&self) -> &ExpertProfile {
        &self.0
    }
    async fn run(&self, call: ExpertCall) -> Result<Outcome> {
        Ok(Payload::text(call.task).into())
    }
}

const VERBS: [&str; 16] = [
    "paint", "count", "sing", "weld", "carve", "bake", "mend", "plant", "print", "drill", "polish", "weave", "pack",
    "film", "steam", "tune",
];

/// A hub of 16 experts, and a request for `subtasks` of them, each of which uses the one before it.
async fn hub(subtasks: usize) -> (Hub, String) {
    let experts = VERBS.map(|verb| AnyExpert::new(Instant(ExpertProfile::new(verb, format!("does {verb} work")))));
    let registry = Registry::new(AnyEmbedder::new(LetterEmbedder), experts.into(), None).await.unwrap();
    let tasks = VERBS.iter().take(subtasks).enumerate();
    let tasks = tasks.map(|(i, verb)| format!("{verb} {} now", if i == 0 { "work" } else { "work of it" }));
    let tasks: Vec<String> = tasks.collect();
    let row =
        |(i, task): (usize, &String)| serde_json::json!({"task": task, "uses": if i == 0 { vec![] } else { vec![i] }});
    let plan = serde_json::json!({"steps": tasks.iter().enumerate().map(row).collect::<Vec<_>>()}).to_string();
    let model = AnyModel::new(ScriptedModel::new(move |_| Ok(plan.clone())).forgetful());
    (Hub::new(model, registry), tasks.join("; "))
}

fn bench(c: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let dir = tempfile::tempdir().unwrap();
    for stored in [false, true] {
        let mut group = c.benchmark_group(if stored { "run, stored" } else { "run" });
        for subtasks in [1, 4, 16] {
            let (mut hub, request) = runtime.block_on(hub(subtasks));
            if stored {
                hub = hub.with_ledger(Ledger::open(dir.path().join(format!("{subtasks}.sqlite3"))));
            }
            let report = runtime.block_on(hub.run(&request, RunOptions::default())).unwrap();
            assert!(report.succeeded() && report.subtasks.len() == subtasks, "{report:?}");
            group.throughput(Throughput::Elements(subtasks as u64));
            group.bench_function(BenchmarkId::from_parameter(subtasks), |b| {
                b.iter(|| runtime.block_on(hub.run(&request, RunOptions::default())).unwrap());
            });
        }
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
