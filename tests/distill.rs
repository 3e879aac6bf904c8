//! `qsef distill` from rows to an expert that a registry picks up while it is in use: with the real tokenizer and embedder, on few rows.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // helpers of tests are test code

use std::{fmt::Write, path::Path};

use assert_cmd::cargo::cargo_bin_cmd;
use qsef::{
    AnyExpert, Budget, DistilledFolder, ExpertCall, ExpertProfile, Models, Outcome, Part, Payload, Plan, Registry,
    experts::FnExpert,
};
use serde_json::Value;

const CLASSES: [(&str, [&str; 6]); 3] = [
    ("pay_bill", ["bill", "invoice", "payment", "rent", "fee", "debt"]),
    ("weather", ["rain", "snow", "sun", "wind", "storm", "cloud"]),
    ("play_music", ["song", "album", "playlist", "band", "tune", "concert"]),
];

/// Rows and a configuration in a directory.
fn prepare(dir: &Path, modes: &str) {
    let mut rows = String::new();
    for (split, count) in [("train", 120), ("val", 30), ("test", 60)] {
        for i in 0..count {
            let (label, words) = CLASSES[i % 3];
            let (one, other) = (words[i / 3 % 6], words[(i / 3 + 1 + i / 18) % 6]);
            let asked = ["please tell me of the", "what about the", "i want to know of"][i / 7 % 3];
            writeln!(rows, r#"{{"text":"{asked} {one} and the {other}","label":"{label}","split":"{split}"}}"#)
                .unwrap();
        }
    }
    std::fs::write(dir.join("rows.jsonl"), rows).unwrap();
    let config = format!(
        "data = \"rows.jsonl\"\nvalid = \"rows.jsonl\"\ntest = \"rows.jsonl\"\nout = \"out\"\nsteps = 40\nseeds = [1, 2]\n\
         modes = [{modes}]\n[student]\nlayers = 1\nhidden = 32\nheads = 2\n[train]\nbatch = 24\nrate = 0.01\nvalidate_every = 20\n"
    );
    std::fs::write(dir.join("run.toml"), config).unwrap();
}

/// Rows whose parts are bills and days, and a configuration in a directory.
fn prepare_parts(dir: &Path) {
    let (bills, days) = (CLASSES[0].1, ["monday", "tuesday", "friday", "next week", "the first of may", "sunday"]);
    let mut rows = String::new();
    for (split, count) in [("train", 180), ("val", 30), ("test", 60)] {
        for i in 0..count {
            let (bill, day) = (bills[i % 6], days[(i / 6 + i / 36) % 6]);
            let (before, between, after) =
                [("Pay the ", " on ", ""), ("what is the ", " of ", ", please?"), ("show my ", " for ", " again")]
                    [i / 2 % 3];
            let at = before.len() + bill.len() + between.len();
            let row = serde_json::json!({
                "text": format!("{before}{bill}{between}{day}{after}"),
                "spans": [
                    {"start": before.len(), "end": before.len() + bill.len(), "label": "bill"},
                    {"start": at, "end": at + day.len(), "label": "day"},
                ],
                "split": split,
            });
            writeln!(rows, "{row}").unwrap();
        }
    }
    std::fs::write(dir.join("rows.jsonl"), rows).unwrap();
    let config = "task = \"extract\"\ndata = \"rows.jsonl\"\nvalid = \"rows.jsonl\"\ntest = \"rows.jsonl\"\nout = \"out\"\nsteps = 120\n\
                  seeds = [1]\nmodes = [\"none\", \"none+augment\"]\n[student]\nlayers = 1\nhidden = 32\nheads = 2\n[train]\nbatch = 24\n\
                  rate = 0.01\nvalidate_every = 40\n";
    std::fs::write(dir.join("run.toml"), config).unwrap();
}

fn qsef(args: &[&str]) -> assert_cmd::Command {
    let mut command = cargo_bin_cmd!("qsef");
    command.args(args);
    command
}

#[test]
fn mistakes_are_one_line_with_the_place() {
    let dir = tempfile::tempdir().unwrap();
    prepare(dir.path(), r#""none", "kd""#);
    let config = dir.path().join("run.toml");
    let ended = qsef(&["distill", "run", "--config", config.to_str().unwrap(), "--json"]).output().unwrap();
    let errors = String::from_utf8(ended.stderr).unwrap();
    assert_eq!((ended.status.code(), ended.stdout.len()), (Some(2), 0), "{errors}");
    assert!(errors.contains("run.toml:7 (modes): the mode `kd` needs a [teacher]"), "{errors}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
}

/// Runs the binary where files cannot grow beyond so many KiB, as on a disk that is full.
#[cfg(unix)]
fn full_disk(kib: u32, args: &[&str]) -> std::process::Output {
    let limited = format!("trap '' XFSZ; ulimit -f {kib}; exec \"$0\" \"$@\"");
    let binary = assert_cmd::cargo::cargo_bin("qsef");
    std::process::Command::new("bash").arg("-c").arg(limited).arg(binary).args(args).output().unwrap()
}

#[cfg(unix)]
#[test]
fn a_full_disk_costs_nothing_that_was_there() {
    let dir = tempfile::tempdir().unwrap();
    prepare(dir.path(), r#""none""#);
    let config = dir.path().join("run.toml");
    let text = std::fs::read_to_string(&config).unwrap() + "checkpoint_every = 10\n";
    std::fs::write(&config, text).unwrap();
    let args = ["distill", "run", "--config", config.to_str().unwrap(), "--json"];
    let ended = full_disk(40, &args);
    let errors = String::from_utf8(ended.stderr).unwrap();
    assert_eq!((ended.status.code(), ended.stdout.len()), (Some(1), 0), "{errors}");
    let last = errors.lines().last().unwrap();
    assert!(last.contains("none-1") && last.contains("too large"), "{errors}");
    let left = std::fs::read_dir(dir.path().join("out/runs/none-1")).unwrap().map(|e| e.unwrap().file_name());
    let left: Vec<_> = left.collect();
    assert!(!left.iter().any(|name| name == "model.safetensors" || name == "checkpoint.safetensors"), "{left:?}");
    // With room again it goes on.
    let ended = qsef(&args).output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}

#[test]
fn a_small_language_model_learns_answers_and_its_file_runs() {
    let dir = tempfile::tempdir().unwrap();
    let rows: String = (0..6)
        .map(|n| {
            let said = serde_json::json!([
                {"role": "user", "content": format!("What colour is the lamp in room {n}?")},
                {"role": "assistant", "content": format!("The lamp in room {n} is ultramarine.")},
            ]);
            serde_json::json!({"id": format!("lamp-{n}"), "messages": said}).to_string() + "\n"
        })
        .collect();
    let data = dir.path().join("rows.jsonl");
    std::fs::write(&data, rows).unwrap();
    let (data, out) = (data.to_str().unwrap(), dir.path().join("tuned"));
    let args = [
        "distill",
        "tune",
        "--data",
        data,
        "--valid",
        data,
        "--out",
        out.to_str().unwrap(),
        "--steps",
        "4",
        "--batch",
        "3",
        "--validate-every",
        "2",
        "--rate",
        "2e-3",
        "--json",
    ];
    let ended = qsef(&args).output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let tuned: Value = serde_json::from_slice(&ended.stdout).unwrap();
    let (before, after) = (tuned["valid_before"].as_f64().unwrap(), tuned["valid"].as_f64().unwrap());
    assert!(after < 0.7 * before, "{tuned}");
    let model = tuned["model"].as_str().unwrap();
    let bench = ["bench", "generate", "--model", model, "--prompt-tokens", "8", "--new-tokens", "4", "--json"];
    assert!(qsef(&bench).output().unwrap().status.success());
    let progress = std::fs::read_to_string(out.join("progress.jsonl")).unwrap();
    assert!(progress.contains("lamp-"), "{progress}");
    let other = qsef(&["distill", "tune", "--data", data, "--out", out.to_str().unwrap()]).output().unwrap();
    let errors = String::from_utf8(other.stderr).unwrap();
    assert!(other.status.code() == Some(2) && errors.contains("choose another directory"), "{errors}");
}

#[tokio::test]
async fn a_student_becomes_an_expert_while_the_registry_is_in_use() {
    let dir = tempfile::tempdir().unwrap();
    prepare(dir.path(), r#""none", "none+augment""#);
    let config = dir.path().join("run.toml");
    let config = config.to_str().unwrap();
    let ended = qsef(&["distill", "run", "--config", config, "--json"]).output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let results: Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert_eq!((results["runs"].as_array().unwrap().len(), results["summary"][0]["mode"].as_str()), (4, Some("none")));
    for field in ["accuracy", "macro_f1", "params", "steps", "seconds"] {
        assert!(results["runs"][0][field].as_f64().unwrap() > 0.0, "{field}");
    }
    assert!(results["summary"][0]["mean"].as_f64().unwrap() > 0.9, "{}", results["summary"]);

    // Somebody answers before.
    let general = FnExpert::new(ExpertProfile::new("general", "Answers anything."), |_| Ok(Payload::text("hm")));
    let embedder = Models::open(|_| {}).unwrap().embedder(qsef::DEFAULT_EMBEDDER).await.unwrap();
    let mut registry = Registry::new(embedder, vec![AnyExpert::new(general)], Some("general")).await.unwrap();
    let experts = dir.path().join("experts");
    let mut folder = DistilledFolder::new(&experts);
    assert!(folder.refresh(&mut registry).await.unwrap().is_empty());
    let request = "what about the snow and the wind";
    let assigned = registry.assign(&Plan::single(request), &Budget::default()).await.unwrap().remove(0);
    assert_eq!(assigned.expert, "general");

    let into = experts.to_str().unwrap();
    let export = |id: &str, about: &str| {
        let args =
            ["distill", "export", "--config", config, "--id", id, "--description", about, "--into", into, "--json"];
        let ended = qsef(&args).output().unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        serde_json::from_slice::<Value>(&ended.stdout).unwrap()
    };
    let exported = export("topics", "Tells what a request is about: bills, weather or music.");
    assert!(exported["latency_ms"].as_f64().unwrap() > 0.0, "{exported}");
    assert!(folder.refresh(&mut registry).await.unwrap().is_empty());
    let assigned = registry.assign(&Plan::single(request), &Budget::default()).await.unwrap().remove(0);
    assert_eq!(assigned.expert, "topics");
    let run = async |registry: &Registry| registry.get("topics").unwrap().run(ExpertCall::new(request)).await;
    let Outcome { payload, .. } = run(&registry).await.unwrap();
    assert_eq!(payload.to_text(), "weather");
    let declined = registry.get("topics").unwrap().run(ExpertCall::new("quantum chromodynamics")).await;
    assert!(
        declined.is_err() || declined.is_ok_and(|o| CLASSES.iter().any(|(label, _)| *label == o.payload.to_text()))
    );

    // Exported anew, it is replaced; what cannot be read is told once; what goes is gone.
    std::thread::sleep(std::time::Duration::from_millis(20));
    export("topics", "Tells topics.");
    std::fs::create_dir_all(experts.join("broken")).unwrap();
    std::fs::write(experts.join("broken/profile.toml"), "[expert]\nid = 3\n").unwrap();
    let warnings = folder.refresh(&mut registry).await.unwrap();
    assert!(warnings.len() == 1 && warnings[0].contains("profile.toml"), "{warnings:?}");
    assert_eq!(registry.get("topics").unwrap().profile().description, "Tells topics.");
    assert!(folder.refresh(&mut registry).await.unwrap().is_empty());

    // An agent that was opened with it follows it, too, also what was exported before it is asked.
    let mut after = DistilledFolder::before_opening(&experts);
    let distilled = AnyExpert::new(qsef::Distilled::load(&experts.join("topics")).unwrap());
    let embedder = Models::open(|_| {}).unwrap().embedder(qsef::DEFAULT_EMBEDDER).await.unwrap();
    let general = FnExpert::new(ExpertProfile::new("general", "Answers anything."), |_| Ok(Payload::text("hm")));
    let mut opened = Registry::new(embedder, vec![AnyExpert::new(general), distilled], None).await.unwrap();
    assert!(after.refresh(&mut opened).await.unwrap().is_empty());
    let mut after = DistilledFolder::before_opening(&experts);
    std::thread::sleep(std::time::Duration::from_millis(20));
    export("topics", "Tells topics anew.");
    assert!(after.refresh(&mut opened).await.unwrap().is_empty());
    assert_eq!(opened.get("topics").unwrap().profile().description, "Tells topics anew.");

    std::fs::remove_dir_all(experts.join("topics")).unwrap();
    assert!(after.refresh(&mut opened).await.unwrap().is_empty() && opened.get("topics").is_none());
    assert!(folder.refresh(&mut registry).await.unwrap().is_empty());
    assert!(registry.get("topics").is_none());
}

#[tokio::test]
async fn an_expert_that_finds_parts_gives_them_as_json() {
    let dir = tempfile::tempdir().unwrap();
    prepare_parts(dir.path());
    let config = dir.path().join("run.toml");
    let config = config.to_str().unwrap();
    let ended = qsef(&["distill", "run", "--config", config]).output().unwrap();
    let (told, errors) = (String::from_utf8(ended.stdout).unwrap(), String::from_utf8(ended.stderr).unwrap());
    assert!(ended.status.success() && told.contains("span F1"), "{told}{errors}");
    // What is done is not done again.
    let ended = qsef(&["distill", "run", "--config", config, "--json"]).output().unwrap();
    let results: Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert_eq!(results["measure"], "span F1");
    assert!(results["runs"][0]["span_f1"].as_f64().unwrap() > 0.9, "{results}");

    let into = dir.path().join("experts");
    let about = "Finds bills and days in a request.";
    let args = ["distill", "export", "--config", config, "--id", "bills", "--description", about, "--json", "--into"];
    let ended = qsef(&[args.as_slice(), &[into.to_str().unwrap()]].concat()).output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let exported: Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert!(exported["span_f1"].as_f64().unwrap() > 0.9, "{exported}");

    let embedder = Models::open(|_| {}).unwrap().embedder(qsef::DEFAULT_EMBEDDER).await.unwrap();
    let general = FnExpert::new(ExpertProfile::new("general", "Answers anything."), |_| Ok(Payload::text("hm")));
    let mut registry = Registry::new(embedder, vec![AnyExpert::new(general)], Some("general")).await.unwrap();
    assert!(DistilledFolder::new(&into).refresh(&mut registry).await.unwrap().is_empty());
    let expert = registry.get("bills").unwrap();
    let payload = expert.run(ExpertCall::new("Pay the rent on the first of may")).await.unwrap().payload;
    let parts: Vec<Part> = serde_json::from_value(payload.value).unwrap();
    let parts: Vec<_> = parts.iter().map(|p| (p.label.as_str(), p.text.as_str(), p.start, p.end)).collect();
    assert_eq!(parts, [("bill", "rent", 8, 12), ("day", "the first of may", 16, 32)]);
    // Nothing to find is nothing that it covers.
    let covers = |task: &str| expert.covers(task).unwrap();
    assert!(covers("show my invoice for sunday again") > covers("why"), "{} {}", covers("why"), covers("show my fee"));
}
