//! Routing and intents on small data, and what is said of bad data.

#![allow(clippy::unwrap_used)] // helpers of tests are test code

use std::path::PathBuf;

use qsef_core::{AnyEmbedder, test_util::LetterEmbedder};
use qsef_eval::{intent, route};
use serde_json::json;

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, rows: &[serde_json::Value]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, rows.iter().map(|r| format!("{r}\n")).collect::<String>()).unwrap();
        path
    }
}

fn embedder() -> AnyEmbedder {
    AnyEmbedder::new(LetterEmbedder)
}

/// Requests of two kinds; each expert is good at one. The dear one is no better than the cheap one at its own.
fn rows(from: usize, count: usize) -> Vec<serde_json::Value> {
    let row = |i: usize| match i % 2 {
        0 => json!({"query": format!("zoo quiz {i} zoo"), "scores": {"cheap": 0.0, "dear": 1.0}, "task": "z"}),
        _ => json!({"query": format!("area tree {i}"), "scores": {"cheap": 1.0, "dear": 1.0}, "task": "a"}),
    };
    (from..from + count).map(row).collect()
}

#[tokio::test]
async fn a_fitted_score_knows_where_the_cheap_expert_will_do() {
    let files = Files::new();
    let experts = [
        json!({"id": "cheap", "description": "a model", "usd_per_mtok": 0.1}),
        json!({"id": "dear", "description": "a model", "usd_per_mtok": 1.0}),
    ];
    let (train, test) = (files.write("train", &rows(0, 200)), files.write("test", &rows(1000, 60)));
    let set = route::read(&train, &test, Some(&files.write("experts", &experts))).unwrap();
    let report = route::evaluate(&set, &embedder(), true, |_, _, _| {}).await.unwrap();
    let policy = |name: &str| report.policies.iter().find(|p| p.name == name).unwrap();
    assert_eq!((policy("random").quality, policy("best-single").quality, policy("oracle").quality), (0.75, 1.0, 1.0));
    assert!((policy("oracle").usd_per_mtok - 0.55).abs() < 1e-9);
    assert_eq!(policy("true-task").quality, 1.0);
    let priced = policy("qsef-λ0.1");
    assert_eq!(priced.quality, 1.0, "{report:?}");
    assert!((priced.usd_per_mtok - 0.55).abs() < 1e-9, "{report:?}");
    assert!(report.qsef.brier < 0.05 && report.qsef.base_brier > 0.1 && report.qsef.ece < 0.1, "{:?}", report.qsef);
    // The gap is recovered with half of the requests.
    assert!((report.qsef.apgr.unwrap() - 0.75).abs() < 0.01 && report.qsef.cpt50.unwrap() <= 25.0);
    assert!(report.ablation.iter().any(|a| a.without.needs_history()));
}

#[tokio::test]
async fn intents_are_told_apart_and_others_rejected() {
    let files = Files::new();
    let mut rows = Vec::new();
    for i in 0..40 {
        let split = if i % 4 == 3 { "val" } else { "train" };
        rows.push(json!({"text": format!("zoo quiz {i}"), "label": "zoo", "split": split}));
        rows.push(json!({"text": format!("area tree {i}"), "label": "area", "split": split}));
    }
    rows.extend((0..10).map(|i| json!({"text": format!("my gym {i}"), "label": "oos", "split": "val"})));
    let test = [
        json!({"text": "a quiz in the zoo", "label": "zoo"}),
        json!({"text": "tree area", "label": "area"}),
        json!({"text": "gym my my", "label": "oos"}),
    ];
    let set = intent::read(&files.write("train", &rows), &files.write("test", &test)).unwrap();
    let report = intent::evaluate(&set, &embedder(), |_, _, _| {}).await.unwrap();
    assert_eq!((report.intents, report.in_scope, report.out_of_scope), (2, 2, 1));
    assert_eq!((report.accuracy_forced, report.oos_recall, report.oos_auroc), (1.0, Some(1.0), Some(1.0)));
    assert!(report.threshold.is_some());
}

#[test]
fn bad_rows_are_named() {
    let files = Files::new();
    let good = json!({"query": "q", "scores": {"a": 1.0, "b": 0.0}});
    let test = files.write("good", std::slice::from_ref(&good));
    let cases = [
        (json!({"query": "q", "scores": {}}), "scores"),
        (json!({"query": "q", "scores": {"a": 1.5}}), "from 0 to 1"),
        (json!({"query": "q", "scores": {"a": 1.0}, "costs": {"a": -1.0}}), "costs"),
        (json!({"query": 3, "scores": {"a": 1.0}}), "string"),
    ];
    for (row, said) in cases {
        let bad = files.write("bad", &[good.clone(), row]);
        let message = route::read(&bad, &test, None).unwrap_err().to_string();
        assert!(message.contains("bad:2") && message.contains(said), "{message}");
    }
    let stranger = files.write("stranger", &[json!({"query": "q", "scores": {"c": 1.0}})]);
    let message = route::read(&test, &stranger, None).unwrap_err().to_string();
    assert!(message.contains("stranger:1") && message.contains("`c`"), "{message}");
    let twice = files.write("twice", &[json!({"id": "a", "description": ""}), json!({"id": "a", "description": ""})]);
    assert!(route::read(&test, &test, Some(&twice)).unwrap_err().to_string().contains("twice:2"));
    let one = files.write("one", &[json!({"text": "x", "label": "only"})]);
    assert!(intent::read(&one, &one).unwrap_err().to_string().contains("fewer than two intents"));
}
