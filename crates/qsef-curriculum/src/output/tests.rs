//! A small folder, and what is in it. `tests/curriculum_formats.py` reads one with the trainers' own readers.

use std::{collections::BTreeMap, path::Path};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::*;
use crate::{
    item::{Kind, Language, Origin, Pair, Rejected, Row, Step, TeacherRow, Turn},
    tiers::Outcome,
};

const TIERS: [(&str, u32, u32); 4] = [("expert", 4, 3), ("practitioner", 3, 2), ("student", 2, 2), ("layperson", 1, 1)];

/// Question, and the answer of each tier.
const TEXTS: [(&str, [&str; 4]); 5] = [
    (
        "What does a capacitor do?",
        [
            "A capacitor stores electrical energy in the field between two conductors, which a dielectric separates.",
            "A capacitor keeps energy in the field between two plates. An insulator is between them.",
            "A capacitor keeps energy between two plates. They do not touch.",
            "It holds charge. It gives it back.",
        ],
    ),
    (
        "什么是光合作用？",
        [
            "光合作用是绿色植物利用叶绿素吸收光能，将二氧化碳和水转化为有机物并释放氧气的过程。",
            "光合作用中，植物吸收光能，把二氧化碳和水变成有机物，放出氧气。",
            "植物用光把水和二氧化碳变成养分，也放出氧气。",
            "植物用阳光做食物。",
        ],
    ),
    (
        "Say it with marks: \"quotes\", \\slashes\\, <b>tags</b>?",
        [
            "Line one,\nline two: a \"quoted\" word \u{2028} and \u{1f600}, which nobody expects in a row.",
            "Line one,\nline two: a \"quoted\" word \u{1f600}.",
            "Line one,\nline two.",
            "One line.",
        ],
    ),
    (
        "Why?",
        ["Because of reasons that are manifold.", "Because of many reasons.", "For many reasons.", "For reasons."],
    ),
    ("為什麼？", ["由於原因甚多，茲不贅述。", "由於原因很多，不再多說。", "原因很多，不說了。", "原因很多。"]),
];

fn language(question: &str) -> Language {
    if question.is_ascii() { Language::En } else { Language::Zh }
}

pub(super) struct Fixture {
    tiers: Vec<TierInfo>,
    stages: Vec<String>,
    rows: Vec<Row>,
    pairs: Vec<Pair>,
    rejected: Vec<Rejected>,
    teacher: Vec<TeacherRow>,
    items: Vec<ItemInfo>,
}

impl Fixture {
    pub(super) fn new() -> Self {
        let tiers = TIERS.map(|(name, level, stage)| TierInfo {
            name: name.into(),
            level,
            stage,
            audience: format!("a reader | <{name}>"),
        });
        let mut rows = Vec::new();
        let mut items = Vec::new();
        for (item, (question, texts)) in TEXTS.iter().enumerate() {
            let mut points = Vec::new();
            for (place, ((name, level, stage), text)) in TIERS.iter().zip(texts).enumerate() {
                let parts = qsef_score::complexity::complexity(text);
                let distance = 0.05 * place as f64;
                let te = (-3.0 * distance - 0.4 * parts.overall()).exp();
                points.push(TierPoint {
                    name: (*name).into(),
                    complexity: parts.overall(),
                    parts: parts.values().to_vec(),
                    distance,
                    resistance: 0.1 + 0.1 * f64::from(*level),
                    te,
                    richness: 1.0 - distance,
                    tokens: text.len() as u64 / 4,
                    frontier: place != 1,
                    suits: place == 2,
                    kept: 1,
                    sentences: 2,
                });
                let system = (item == 3).then(|| Turn { role: "system".into(), content: "Be brief.".into() });
                let said = [Turn::user(*question), Turn::assistant(*text)];
                rows.push(Row {
                    id: format!("item-{item}/{name}"),
                    item: format!("item-{item}"),
                    tier: (*name).into(),
                    level: *level,
                    stage: *stage,
                    messages: system.into_iter().chain(said).collect(),
                    language: language(question),
                    kind: if item == 0 { Kind::Passage } else { Kind::Answer },
                    origin: Origin {
                        source: format!("notes|{item}.md"),
                        place: if item == 0 { String::new() } else { format!(":{item}") },
                        licence: (item % 2 == 1).then(|| "CC-BY-4.0".into()),
                    },
                    complexity: parts.overall(),
                    resistance: 0.1,
                    distance,
                    te,
                    richness: 1.0 - distance,
                    difficulty: -te.ln(),
                    weight: if item == 1 { 5.0 } else { 0.0 },
                    tokens: text.len() as u64 / 4,
                    frontier: place != 1,
                    suits: place == 2,
                });
            }
            items.push(ItemInfo {
                id: format!("item-{item}"),
                accepted: true,
                strictly_ordered: item != 4,
                attempts: 5,
                requests: 7,
                prompt_tokens: 900,
                completion_tokens: 120,
                usd: 0.001,
                language: language(question),
                tiers: points,
            });
        }
        items.push(ItemInfo {
            id: "item-5".into(),
            accepted: false,
            strictly_ordered: false,
            tiers: Vec::new(),
            ..items[0].clone()
        });
        rows.sort_by(|a, b| a.stage.cmp(&b.stage).then(a.difficulty.total_cmp(&b.difficulty)));
        let answer = |text: &str| vec![Turn::assistant(text)];
        let pairs = TEXTS.iter().enumerate().map(|(item, (question, texts))| Pair {
            id: format!("item-{item}/student/1"),
            prompt: vec![Turn::user(*question)],
            chosen: answer(texts[2]),
            rejected: answer(texts[0]),
            reason: "it is no easier than the tier before".into(),
        });
        let teacher = TEXTS.iter().enumerate().map(|(item, (question, texts))| TeacherRow {
            id: format!("item-{item}/expert"),
            messages: vec![Turn::user(*question), Turn::assistant(texts[0])],
            top: (0..6)
                .map(|token| (0..4 + token % 2).map(|rank| (10 * token + rank, -(rank as f32) - 0.25)).collect())
                .collect(),
        });
        let left = |item: &str, tier: Option<&str>, step, reason: &str| Rejected {
            item: item.into(),
            tier: tier.map(Into::into),
            step,
            reason: reason.into(),
            origin: Origin { source: "notes.md".into(), place: ":9".into(), licence: None },
            text: tier.map(|_| "What was <written>.".into()),
        };
        let rejected = vec![
            left("item-5", Some("student"), Step::Tier, "12 of 20 sentences could not be reworded: no <wording>"),
            left("item-6", None, Step::Filter, "it repeats `item-1`"),
            left("item-7", Some("student"), Step::Tier, "1 of 3 sentences could not be reworded: it is long"),
        ];
        Self {
            tiers: tiers.into(),
            stages: ["general", "domain", "specialist"].map(Into::into).into(),
            rows,
            pairs: pairs.collect(),
            rejected,
            teacher: teacher.collect(),
            items,
        }
    }

    fn job(&self) -> Job<'_> {
        Job {
            tiers: &self.tiers,
            stages: &self.stages,
            manifest: json!({"format": 1, "seed": 7, "models": {"writer": "scripted"}}),
            seed: 7,
            resample: true,
        }
    }

    /// All of it as if it had come with the first item.
    fn collected(&self) -> Collected {
        let mut collected = Collected::new(&std::env::temp_dir()).unwrap();
        let step =
            |name: &str| StepCost { name: name.into(), requests: 21, prompt_tokens: 2700, completion_tokens: 360 };
        let mut outcome = Outcome {
            rows: self.rows.clone(),
            pairs: self.pairs.clone(),
            rejected: self.rejected.clone(),
            teacher: self.teacher.clone(),
            info: self.items[0].clone(),
            steps: vec![step("write"), step("judge")],
        };
        for item in &self.items {
            outcome.info = item.clone();
            collected.add(&outcome).unwrap();
            let info = outcome.info;
            outcome = Outcome { rows: vec![], pairs: vec![], rejected: vec![], teacher: vec![], steps: vec![], info };
        }
        collected
    }

    pub(super) fn write(&self, dir: &Path) -> Summary {
        write(dir, &self.job(), &self.collected()).unwrap()
    }
}

fn bytes(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(&path).unwrap()))
        .collect()
}

fn lines(files: &BTreeMap<String, Vec<u8>>, name: &str) -> Vec<Value> {
    let text = std::str::from_utf8(&files[name]).unwrap();
    text.split_terminator('\n').map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn all_files_are_there_and_the_manifest_tells_of_each() {
    let dir = tempfile::tempdir().unwrap();
    let summary = Fixture::new().write(dir.path());
    assert_eq!((summary.items, summary.accepted, summary.rejected, summary.tiers), (6, 5, 1, 20));
    assert!((summary.strictly_ordered - 4.0 / 6.0).abs() < 1e-12);
    let files = bytes(dir.path());
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    let expected = [
        "README.md",
        "dataset_info.json",
        "manifest.json",
        "preferences-llamafactory.jsonl",
        "preferences.jsonl",
        "rejected.jsonl",
        "report.html",
        "resampled.jsonl",
        "stage-1.jsonl",
        "stage-1.parquet",
        "stage-2.jsonl",
        "stage-2.parquet",
        "stage-3.jsonl",
        "stage-3.parquet",
        "teacher.jsonl",
        "train.jsonl",
        "train.parquet",
        "training.md",
    ];
    assert_eq!(names, expected);
    let manifest: Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
    let told = manifest["files"].as_object().unwrap();
    assert_eq!(told.len(), names.len() - 1);
    for (name, file) in told {
        let hash: String = Sha256::digest(&files[name]).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            (file["bytes"].as_u64(), file["sha256"].as_str()),
            (Some(files[name].len() as u64), Some(hash.as_str())),
            "{name}"
        );
    }
    let counts = &manifest["counts"];
    assert_eq!(manifest["seed"], 7);
    assert_eq!(counts["rows_by_stage"], json!({"stage-1": 5, "stage-2": 10, "stage-3": 5}));
    assert_eq!(counts["rows_by_language"], json!({"en": 12, "zh": 8}));
    assert_eq!(counts["left_out"]["by_step"], json!({"filter": 1, "tier": 2}));
    assert_eq!(counts["left_out"]["by_reason"]["… of … sentences could not be reworded"], 2);
    assert_eq!(
        (&counts["pareto"]["student"]["suits"], &counts["pareto"]["practitioner"]["frontier"]),
        (&json!(5), &json!(0))
    );
    assert_eq!(counts["pareto"]["student"]["median_distance"], 0.1);
}

#[test]
fn rows_stay_in_order_and_as_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let fixture = Fixture::new();
    fixture.write(dir.path());
    let files = bytes(dir.path());
    let train = lines(&files, "train.jsonl");
    let stages: Vec<Value> = (1..=3).flat_map(|stage| lines(&files, &format!("stage-{stage}.jsonl"))).collect();
    assert_eq!(train, stages);
    let read: Vec<Row> = train.iter().map(|row| serde_json::from_value(row.clone()).unwrap()).collect();
    for (read, row) in read.iter().zip(&fixture.rows) {
        let licence = Some(row.origin.licence.clone().unwrap_or_default());
        let row = Row { origin: Origin { licence, ..row.origin.clone() }, ..row.clone() };
        // Both are read: the reader may be off by the last bit.
        assert_eq!(read, &serde_json::from_str::<Row>(&serde_json::to_string(&row).unwrap()).unwrap());
    }
    let pair = &lines(&files, "preferences-llamafactory.jsonl")[1];
    assert_eq!(pair["chosen"], json!({"role": "assistant", "content": TEXTS[1].1[2]}));
    let teacher = &lines(&files, "teacher.jsonl")[0];
    let widths =
        |field: &str| teacher[field].as_array().unwrap().iter().map(|top| top.as_array().unwrap().len()).collect();
    let (ids, logprobs): (Vec<usize>, Vec<usize>) = (widths("target_token_ids"), widths("logprobs"));
    assert_eq!((ids, logprobs), (vec![4; 6], vec![4; 6]));
    assert_eq!(teacher["logprobs"][0][1], -1.25);
}

#[test]
fn rows_are_drawn_by_their_weights() {
    let dir = tempfile::tempdir().unwrap();
    Fixture::new().write(dir.path());
    let drawn = lines(&bytes(dir.path()), "resampled.jsonl");
    assert_eq!(drawn.len(), 20);
    assert!(drawn.iter().all(|row| row["item"] == "item-1"));
    assert!(drawn.is_sorted_by_key(|row| row["stage"].as_u64()));
}

#[test]
fn the_same_job_gives_the_same_bytes_and_another_takes_away_what_it_lacks() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut fixture = Fixture::new();
    fixture.write(dir.path());
    fixture.write(other.path());
    assert!(bytes(dir.path()) == bytes(other.path()));
    for stale in ["stage-9.jsonl", "stage-8.parquet.part"] {
        std::fs::write(dir.path().join(stale), "old").unwrap();
    }
    std::fs::write(dir.path().join("mine.txt"), "stays").unwrap();
    fixture.pairs.clear();
    fixture.teacher.truncate(1);
    fixture.teacher[0].top[1].clear();
    fixture.rows.retain(|row| row.stage != 2);
    let job = Job { resample: false, ..fixture.job() };
    write(dir.path(), &job, &fixture.collected()).unwrap();
    let files = bytes(dir.path());
    assert!(files.contains_key("mine.txt") && files["stage-2.jsonl"].is_empty());
    for name in [
        "stage-9.jsonl",
        "stage-8.parquet.part",
        "preferences.jsonl",
        "preferences-llamafactory.jsonl",
        "teacher.jsonl",
        "resampled.jsonl",
    ] {
        assert!(!files.contains_key(name), "{name}");
    }
    let manifest: Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
    assert_eq!((&manifest["counts"]["teacher_left_out"], &manifest["files"]["mine.txt"]), (&json!(1), &Value::Null));
    let text = |name: &str| String::from_utf8(files[name].clone()).unwrap();
    assert!(!text("README.md").contains("stage-2.jsonl") && !text("training.md").contains("DPO"));
    assert!(!text("dataset_info.json").contains("ranking"));
}

#[test]
fn nothing_is_left_of_a_job_that_cannot_be_written() {
    let dir = tempfile::tempdir().unwrap();
    let fixture = Fixture::new();
    let job = Job { manifest: json!([]), ..fixture.job() };
    assert!(write(dir.path(), &job, &fixture.collected()).is_err());
    let mut unsorted = fixture.collected();
    unsorted.places().reverse();
    assert!(write(dir.path(), &fixture.job(), &unsorted).is_err());
    assert!(bytes(dir.path()).is_empty());
    let empty = Collected::new(dir.path()).unwrap();
    assert_eq!(write(dir.path(), &fixture.job(), &empty).unwrap().tiers, 0);
    assert!(bytes(dir.path())["train.jsonl"].is_empty());
}

#[test]
fn pages_escape_what_others_wrote() {
    let dir = tempfile::tempdir().unwrap();
    Fixture::new().write(dir.path());
    let files = bytes(dir.path());
    let text = |name: &str| std::str::from_utf8(&files[name]).unwrap();
    let (card, report) = (text("README.md"), text("report.html"));
    assert!(
        card.starts_with("---\nlicense: other\nlicense_name: \"cc-by-4.0-and-unknown\"\nlanguage:\n- en\n- zh\n"),
        "{card}"
    );
    assert!(
        card.contains("| notes\\|1.md | CC-BY-4.0 | 4 |") && card.contains("a reader \\| &lt;expert&gt;"),
        "{card}"
    );
    assert!(report.contains("no &lt;wording&gt;") && !report.contains("<wording>") && !report.contains("http"));
    for part in [
        "Complexity C_data",
        "Richness and efficiency",
        "Distance by simplification",
        "Tokens by step",
        "item-0/student",
    ] {
        assert!(report.contains(part), "{part}");
    }
    assert!(text("training.md").contains("1 general, 2 domain, 3 specialist"));
}

/// Writes the folder that `tests/curriculum_formats.py` is to read into `QSEF_CURRICULUM_OUT`.
#[test]
#[ignore = "writes a folder for tests/curriculum_formats.py"]
fn a_folder_for_the_trainers() {
    let dir = std::env::var_os("QSEF_CURRICULUM_OUT").expect("set QSEF_CURRICULUM_OUT to a folder");
    Fixture::new().write(Path::new(&dir));
}
