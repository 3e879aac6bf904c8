use std::{
    cell::RefCell,
    fmt::Write as _,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use candle_core::{Device, Result as Candle};
use qsef_core::{AnyEmbedder, Error, Result, test_util::LetterEmbedder};

use super::*;
use crate::{
    config::Config,
    data::{DataSet, Task},
    export::{Export, Profile, export},
    model::{Classifier, EncoderConfig, write_model},
    teacher::write_logits,
};

const WORDS: [[&str; 6]; 3] = [
    ["pay", "bill", "money", "account", "bank", "invoice"],
    ["rain", "snow", "sun", "wind", "cloud", "storm"],
    ["song", "music", "band", "dance", "play", "tune"],
];

fn tokenizer() -> String {
    let mut vocabulary: Vec<String> = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"].map(str::to_owned).into();
    vocabulary.extend(WORDS.concat().into_iter().map(str::to_owned));
    vocabulary.extend(('a'..='z').flat_map(|c| [c.to_string(), format!("##{c}")]));
    let vocabulary: serde_json::Map<String, serde_json::Value> =
        vocabulary.into_iter().enumerate().map(|(i, token)| (token, i.into())).collect();
    let special = |id: u32, token: &str| serde_json::json!({"id": id, "content": token, "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false});
    serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [special(0, "[PAD]"), special(1, "[UNK]"), special(2, "[CLS]"), special(3, "[SEP]")],
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
            "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]}, "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]}}},
        "decoder": null,
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100, "vocab": vocabulary},
    })
    .to_string()
}

/// A directory with rows, a model to start from, and a configuration.
struct Place {
    dir: tempfile::TempDir,
}

/// Rows whose parts are what is paid and what the weather is.
fn marked() -> String {
    let mut rows = String::new();
    for (split, count) in [("train", 90), ("val", 30), ("test", 30)] {
        for i in 0..count {
            let word = |class: usize, k: usize| WORDS[class][(i + k * (1 + i / 6)) % 6];
            let bill = if i % 2 == 0 { word(0, 0).to_owned() } else { format!("{} {}", word(0, 1), word(0, 2)) };
            let before = ["is ", "a "][i % 3 / 2];
            let text = format!("{before}{bill} in {} u", word(1, 1));
            let second = before.len() + bill.len() + 4;
            let mut spans = vec![
                serde_json::json!({"start": before.len(), "end": before.len() + bill.len(), "label": "bill"}),
                serde_json::json!({"start": second, "end": second + word(1, 1).len(), "label": "sky"}),
            ];
            if i % 5 == 0 {
                spans.reverse();
            }
            writeln!(rows, "{}", serde_json::json!({"text": text, "spans": spans, "split": split})).unwrap();
        }
    }
    rows
}

impl Place {
    fn new(teacher: &str, modes: &str) -> Self {
        let place = Self { dir: tempfile::tempdir().unwrap() };
        let base = place.path("base");
        std::fs::create_dir_all(&base).unwrap();
        std::fs::write(base.join("tokenizer.json"), tokenizer()).unwrap();
        let whole = crate::text::Words::load(&base.join("tokenizer.json"), 16).unwrap();
        let shape = EncoderConfig::new(whole.vocabulary(), 2, 16, 4, 16);
        write_model(&base, &Classifier::random(&shape, 3, 5, &Device::Cpu).unwrap(), &[]).unwrap();
        let mut rows = String::new();
        for (split, count) in [("train", 60), ("val", 30), ("test", 30)] {
            for i in 0..count {
                let class = i % 3;
                let word = |k: usize| WORDS[class][(i / 3 + k * (1 + i / 9)) % 6];
                let label = ["money", "weather", "sound"][class];
                writeln!(
                    rows,
                    r#"{{"text":"please {} {} and {}","label":"{label}","split":"{split}"}}"#,
                    word(0),
                    word(1),
                    word(2)
                )
                .unwrap();
            }
            writeln!(rows, r#"{{"text":"something else","label":"oos","split":"{split}"}}"#).unwrap();
        }
        std::fs::write(place.path("rows.jsonl"), rows).unwrap();
        let config = format!(
            "data = \"rows.jsonl\"\nvalid = \"rows.jsonl\"\ntest = \"rows.jsonl\"\nout = \"out\"\nsteps = 60\nseeds = [1, 2]\nmodes = {modes}\n\
             max_tokens = 16\n{teacher}\n[student]\nlayers = 1\nhidden = 8\nheads = 2\ntokenizer = \"base/.\"\n[augment]\nneighbours = 1\n\
             [train]\nbatch = 12\nrate = 0.01\nvalidate_every = 20\ncheckpoint_every = 10\n"
        );
        std::fs::write(place.path("run.toml"), config).unwrap();
        place
    }

    /// As [`Place::new`], where parts of texts are found.
    fn of_parts(teacher: &str, modes: &str) -> Self {
        let place = Self::new(teacher, modes);
        std::fs::write(place.path("rows.jsonl"), marked()).unwrap();
        let config = std::fs::read_to_string(place.path("run.toml")).unwrap();
        let config = config.replace("steps = 60", "steps = 200");
        std::fs::write(place.path("run.toml"), format!("task = \"extract\"\n{config}")).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs the grid; it is cancelled where `stop` says so of an event.
    fn run(&self, stop: impl Fn(&Event) -> bool) -> (Result<Results>, Vec<String>) {
        self.run_asking(&|_, _, _, _| Err(Error::Internal("no model".into())), stop)
    }

    /// The same with a language model.
    fn run_asking(&self, ask: &Ask<'_>, stop: impl Fn(&Event) -> bool) -> (Result<Results>, Vec<String>) {
        let config = Config::load(&self.path("run.toml")).unwrap();
        let (cancel, seen) = (AtomicBool::new(false), RefCell::new(Vec::new()));
        let host = Host {
            resolve: &|name: &Path| Ok(self.dir.path().join(name)),
            ask,
            on: &|event: &Event| {
                seen.borrow_mut().push(event.what.clone());
                if stop(event) {
                    cancel.store(true, Ordering::Relaxed);
                }
            },
            cancel: &cancel,
        };
        let results = run(&config, &host);
        (results, seen.into_inner())
    }
}

const ENCODER: &str = "[teacher]\nkind = \"encoder\"\nbase = \"base/.\"\n[teacher.train]\nsteps = 150\nbatch = 12\nrate = 0.01\nvalidate_every = 50";

#[test]
fn a_grid_trains_tests_and_compares() {
    let place = Place::new(ENCODER, r#"["none", "kd", "qsef-kd+semantic"]"#);
    let (results, _) = place.run(|_| false);
    let results = results.unwrap();
    assert_eq!(results.runs.len(), 6);
    assert!(results.teacher.as_ref().unwrap().accuracy.unwrap() > 0.9, "{:?}", results.teacher);
    assert!(results.summary.iter().all(|row| row.n == 2 && row.mean > 0.6), "{:?}", results.summary);
    assert_eq!(
        results.paired.iter().map(|p| (p.a.as_str(), p.b.as_str())).collect::<Vec<_>>(),
        [("kd", "none"), ("qsef-kd+semantic", "none"), ("qsef-kd+semantic", "kd")]
    );
    let run = results.runs.iter().find(|run| run.mode == "qsef-kd+semantic").unwrap();
    assert!(run.distance.is_some() && run.cka.is_some());
    let report = std::fs::read_to_string(place.path("out/report.html")).unwrap();
    assert!(report.contains("<svg") && report.contains("Terms of the loss: qsef-kd+semantic"));
    let log = std::fs::read_to_string(place.path("out/runs/kd-1/log.jsonl")).unwrap();
    let last: serde_json::Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    assert_eq!((last["step"].as_u64(), last["terms"][0][0].as_str()), (Some(60), Some("task")));
    // What is done is not done again.
    let (again, seen) = place.run(|_| false);
    let again = again.unwrap();
    assert!(!seen.iter().any(|what| what.contains("seed")), "{seen:?}");
    let figures = |r: &Results| r.runs.iter().map(|run| (run.mode.clone(), run.seed, run.accuracy)).collect::<Vec<_>>();
    assert_eq!(figures(&again), figures(&results));
}

#[test]
fn what_is_cancelled_goes_on_to_the_same_figures() {
    let (whole, parts) = (Place::new(ENCODER, r#"["kd"]"#), Place::new(ENCODER, r#"["kd"]"#));
    let (straight, _) = whole.run(|_| false);
    for stop in [("teacher", 70), ("2/2 kd seed 2", 30)] {
        let (cancelled, _) = parts.run(|event| event.what == stop.0 && event.done == stop.1);
        assert!(matches!(cancelled, Err(Error::Cancelled)));
    }
    let (rest, _) = parts.run(|_| false);
    let figures = |r: Result<Results>| {
        r.unwrap().runs.into_iter().map(|run| (run.accuracy, run.valid, run.brier)).collect::<Vec<_>>()
    };
    assert_eq!(figures(rest), figures(straight));
}

#[test]
fn logits_from_a_file_and_mistakes_in_them() {
    let place = Place::new("[teacher]\nkind = \"logits\"\nfile = \"logits.jsonl\"", r#"["kd-task"]"#);
    let missing = place.run(|_| false).0.unwrap_err().to_string();
    assert!(missing.contains("logits.jsonl"), "{missing}");
    say(&place, "logits.jsonl", ["money", "sound", "weather"], |_| true);
    let results = place.run(|_| false).0.unwrap();
    assert!(results.summary[0].mean > 0.6, "{:?}", results.summary);
    say(&place, "logits.jsonl", ["money", "sound", "x"], |_| true);
    let error = place.run(|_| false).0.unwrap_err().to_string();
    assert!(error.contains("it lacks 1 of them and has 1 others, such as `weather`"), "{error}");
}

/// Writes a teacher's logits for the rows of a place: it is sure of the classes that it knows, and knows nothing of the others.
fn say(place: &Place, file: &str, labels: [&str; 3], knows: impl Fn(&str) -> bool) {
    let rows = std::fs::read_to_string(place.path("rows.jsonl")).unwrap();
    let rows: Vec<serde_json::Value> = rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let texts: Vec<&str> = rows.iter().map(|row| row["text"].as_str().unwrap()).collect();
    let of = |row: &serde_json::Value, label: &str| if row["label"] == label && knows(label) { 3.0 } else { 0.0 };
    let logits: Vec<Vec<f32>> = rows.iter().map(|row| labels.map(|label| of(row, label)).to_vec()).collect();
    write_logits(&place.path(file), &labels.map(str::to_owned), &texts, &logits, 2).unwrap();
}

#[test]
fn an_ensemble_knows_what_its_members_know() {
    let member = |file: &str| format!("[[teacher.members]]\nkind = \"logits\"\nfile = \"{file}\"\n");
    let teacher = format!("[teacher]\nkind = \"ensemble\"\n{}{}", member("a.jsonl"), member("b.jsonl"));
    let place = Place::new(&teacher, r#"["kd-task"]"#);
    let labels = ["money", "sound", "weather"];
    say(&place, "a.jsonl", labels, |label| label == "money");
    say(&place, "b.jsonl", labels, |label| label != "money");
    let results = place.run(|_| false).0.unwrap();
    let teacher = results.teacher.as_ref().unwrap();
    assert_eq!((teacher.kind.as_str(), teacher.train, teacher.valid), ("ensemble", Some(1.0), None));
    assert!(results.summary[0].mean > 0.6, "{:?}", results.summary);

    // Of encoders the validation rows are judged, too; their inner states are those of the first.
    let encoder = |seed: u64| {
        ENCODER
            .replace("[teacher", "[teacher.members")
            .replacen("[teacher.members]", "[[teacher.members]]", 1)
            .replace("base/.\"", &format!("base/.\"\nseed = {seed}"))
    };
    let teacher = format!("[teacher]\nkind = \"ensemble\"\n{}\n{}", encoder(1), encoder(2));
    let place = Place::new(&teacher, r#"["qsef-kd"]"#);
    let results = place.run(|_| false).0.unwrap();
    let teacher = results.teacher.as_ref().unwrap();
    assert!(teacher.valid.unwrap() > 0.9 && teacher.accuracy.is_none(), "{teacher:?}");
    let one: (String, TeacherResult) =
        serde_json::from_str(&std::fs::read_to_string(place.path("out/teacher/member-1/teacher.json")).unwrap())
            .unwrap();
    assert_eq!(teacher.params, one.1.params.map(|n| 2 * n));
    assert!(teacher.told("accuracy").contains("% on the validation rows"), "{}", teacher.told("accuracy"));
}

#[test]
fn a_model_is_asked_once_for_each_text_whatever_happens() {
    let place = Place::new("[teacher]\nkind = \"model\"\nmodel = \"m\"", r#"["kd-task"]"#);
    let class = |text: &str| WORDS.iter().position(|words| words.iter().any(|word| text.contains(word))).unwrap_or(0);
    let asked = RefCell::new(Vec::new());
    let ask = |most: usize| {
        let (asked, class) = (&asked, &class);
        move |_: &str, labels: &[String], texts: &[String], said: &mut Said<'_>| {
            for (i, text) in texts.iter().enumerate() {
                if i == most {
                    return Err(Error::Internal("it is gone".into()));
                }
                asked.borrow_mut().push(text.clone());
                let right = ["money", "weather", "sound"][class(text)];
                said(labels.iter().map(|label| if label == right { -0.1 } else { -3.0 }).collect())?;
            }
            Ok(())
        }
    };
    assert!(place.run_asking(&ask(7), |_| false).0.is_err());
    let first = place.run_asking(&ask(usize::MAX), |_| false).0.unwrap();
    let each: std::collections::HashSet<_> = asked.borrow().iter().cloned().collect();
    assert_eq!((asked.borrow().len(), first.teacher.unwrap().train), (each.len(), Some(1.0)));
    // What is known is not asked again, and what was trained on it stands.
    let (again, seen) = place.run_asking(&ask(0), |_| false);
    assert!(again.is_ok() && seen.is_empty(), "{seen:?}");
    // Another teacher's students are other students.
    std::fs::remove_dir_all(place.path("out/teacher")).unwrap();
    let other = |_: &str, labels: &[String], texts: &[String], said: &mut Said<'_>| {
        texts.iter().try_for_each(|text| {
            let right = ["money", "weather", "sound"][class(text)];
            said(labels.iter().map(|label| if label == right { -0.2 } else { -2.0 }).collect())
        })
    };
    let (_, seen) = place.run_asking(&other, |_| false);
    assert!(seen.iter().any(|what| what.contains("kd-task seed 2")), "{seen:?}");
}

/// Changes a file of a place.
fn change(place: &Place, file: &str, from: &str, to: &str) {
    let text = std::fs::read_to_string(place.path(file)).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(place.path(file), text.replacen(from, to, 1)).unwrap();
}

#[test]
fn what_depends_on_what_has_changed_is_made_anew() {
    let place = Place::new(ENCODER, r#"["none", "kd"]"#);
    let made = |place: &Place| {
        let (results, seen) = place.run(|_| false);
        let seen: std::collections::BTreeSet<String> = seen.into_iter().collect();
        (results.unwrap(), seen.into_iter().collect::<Vec<_>>().join(", "))
    };
    made(&place);
    assert_eq!(made(&place).1, "");
    // A label is mended, no text is another: the teacher is, and what it says is.
    change(&place, "rows.jsonl", "\"label\":\"weather\"", "\"label\":\"sound\"");
    assert_eq!(
        made(&place).1,
        "1/4 none seed 1, 2/4 kd seed 1, 3/4 none seed 2, 4/4 kd seed 2, teacher, teacher reads"
    );
    // Other steps have a log of their own.
    change(&place, "run.toml", "rate = 0.01\nvalidate_every = 20", "rate = 0.02\nvalidate_every = 20");
    assert_eq!(made(&place).1, "1/4 none seed 1, 2/4 kd seed 1, 3/4 none seed 2, 4/4 kd seed 2");
    let log = std::fs::read_to_string(place.path("out/runs/kd-1/log.jsonl")).unwrap();
    assert_eq!(log.matches("\"step\":10,").count(), 1, "{log}");
    // A run that is no more in the grid becomes no expert, nor does one whose labels are called otherwise.
    let wanted = |mode: &str| Export {
        id: "topics".into(),
        description: "Tells the topic.".into(),
        mode: Some(mode.into()),
        ..Export::default()
    };
    let exported = |mode: &str| {
        let config = Config::load(&place.path("run.toml")).unwrap();
        let embedder = AnyEmbedder::new(LetterEmbedder);
        futures::executor::block_on(export(&config, wanted(mode), &embedder, &place.path("experts")))
    };
    assert!(exported("kd").is_ok() && exported("kd").is_ok());
    assert_eq!(std::fs::read_dir(place.path("experts")).unwrap().count(), 1);
    change(&place, "run.toml", "\"none\", \"kd\"", "\"none\"");
    assert_eq!(made(&place).1, "");
    assert!(exported("kd").unwrap_err().to_string().contains("no such run"));
    let rows = std::fs::read_to_string(place.path("rows.jsonl")).unwrap();
    std::fs::write(place.path("rows.jsonl"), rows.replace("\"weather\"", "\"weather_now\"")).unwrap();
    assert!(exported("none").unwrap_err().to_string().contains("other labels"));
    assert!(made(&place).1.contains("none seed 1"));
    assert!(exported("none").is_ok());
}

#[test]
fn tiers_of_a_curriculum_are_variants_of_their_rows() {
    let place = Place::new("", r#"["none+augment"]"#);
    change(&place, "run.toml", "neighbours = 1", "neighbours = 0\nrules = false\nfiles = [\"tiers.jsonl\"]");
    change(&place, "rows.jsonl", "{\"text\"", "{\"id\":\"first\",\"text\"");
    let tier =
        r#"{"item":"first","messages":[{"role":"user","content":"?"},{"role":"assistant","content":"pay quux"}]}"#;
    std::fs::write(place.path("tiers.jsonl"), tier).unwrap();
    place.run(|_| false).0.unwrap();
    // Its words are the student's.
    let tokenizer = std::fs::read_to_string(place.path("out/runs/none+augment-1/tokenizer.json")).unwrap();
    assert!(tokenizer.contains("\"##x\""));
    std::fs::write(place.path("tiers.jsonl"), tier.replace("first", "second")).unwrap();
    let error = place.run(|_| false).0.unwrap_err().to_string();
    assert!(error.contains("tiers.jsonl:1 (item)"), "{error}");
}

#[test]
fn layers_that_are_not_there_are_refused_before_anything_is_trained() {
    for (layers, what) in [("[[2, 1]]", "the student's layer 2"), ("[[0, 0], [1, 3]]", "the teacher's layer 3")] {
        let place = Place::new(ENCODER, r#"["kd+align"]"#);
        let config = std::fs::read_to_string(place.path("run.toml")).unwrap() + &format!("[loss]\nlayers = {layers}\n");
        std::fs::write(place.path("run.toml"), config).unwrap();
        let (result, seen) = place.run(|_| false);
        let error = result.unwrap_err().to_string();
        assert!(error.contains("run.toml (layers)") && error.contains(what) && seen.is_empty(), "{error}: {seen:?}");
    }
}

#[test]
fn mistakes_in_rows_have_a_line() {
    for (row, what) in [
        (r#"{"text":"a song","label":"sport","split":"val"}"#, "rows.jsonl:124 (label): `sport` is no class"),
        (r#"{"text":"","label":"money"}"#, "rows.jsonl"),
        (r#"{"text":"x"}"#, "rows.jsonl:124"),
    ] {
        let place = Place::new("", r#"["none"]"#);
        let mut rows = std::fs::read_to_string(place.path("rows.jsonl")).unwrap();
        rows += row;
        std::fs::write(place.path("rows.jsonl"), rows).unwrap();
        match place.run(|_| false).0 {
            Err(error) => assert!(error.to_string().contains(what), "{row}: {error}"),
            // A row of no split is none of a file with splits.
            Ok(_) => assert!(row.contains("\"text\":\"\""), "{row}"),
        }
    }
    let place = Place::new("", r#"["none"]"#);
    std::fs::write(place.path("rows.jsonl"), r#"{"text":"a song","label":"sound"}"#).unwrap();
    let error = place.run(|_| false).0.unwrap_err().to_string();
    assert!(error.contains("one class, `sound`"), "{error}");
}

#[test]
fn a_student_becomes_an_expert() {
    let place = Place::new("", r#"["none"]"#);
    let results = place.run(|_| false).0.unwrap();
    let config = Config::load(&place.path("run.toml")).unwrap();
    let wanted = Export { id: "topics".into(), description: "Tells the topic.".into(), ..Export::default() };
    let embedder = AnyEmbedder::new(LetterEmbedder);
    let into = place.path("experts");
    let exported = futures::executor::block_on(export(&config, wanted.clone(), &embedder, &into)).unwrap();
    let best = results.runs.iter().map(|run| run.valid).fold(0.0, f64::max);
    assert!(results.runs.iter().any(|run| run.seed == exported.seed && run.valid == best));
    let profile = Profile::read(&exported.dir).unwrap();
    assert_eq!((profile.expert.id.as_str(), profile.expert.examples.len()), ("topics", 3));
    assert_eq!(
        (profile.domain.centroid.len(), profile.coverage.texts, profile.coverage.classes),
        (embedder.dimensions(), 60, 3)
    );
    // The encoder that runs says what the one that was trained says.
    let runs = qsef_candle::classifier::CandleClassifier::load("topics", &exported.dir).unwrap();
    let (shape, tensors) = crate::model::read_weights(&exported.dir).unwrap();
    let trained = Classifier::of_tensors(&shape, &tensors, 3, 0, &Device::Cpu).unwrap();
    let words = crate::text::Words::load(&exported.dir.join("tokenizer.json"), 16).unwrap();
    for text in ["please pay bill and money", "snow and a storm zzz", "tune"] {
        let tokens = words.encode(text).unwrap();
        let probabilities = || -> Candle<Vec<f32>> {
            let batch = crate::batch::Batch::new([tokens.as_slice()]);
            let (logits, _) = trained.forward(&batch, Default::default())?;
            crate::loss::log_softmax(&logits)?.exp()?.flatten_all()?.to_vec1()
        };
        let (of_trained, found) = (probabilities().unwrap(), runs.classify(text).unwrap());
        for (a, b) in of_trained.iter().zip(&found.probabilities) {
            assert!((a - b).abs() < 1e-4, "{text}: {of_trained:?} and {:?}", found.probabilities);
        }
    }
    let bad = Export { id: "../up".into(), ..wanted.clone() };
    let error = futures::executor::block_on(export(&config, bad, &embedder, &into)).unwrap_err().to_string();
    assert!(error.contains("is no id"));
    let none = Export { mode: Some("kd".into()), ..wanted };
    let error = futures::executor::block_on(export(&config, none, &embedder, &into)).unwrap_err().to_string();
    assert!(error.contains("no such run"), "{error}");
}

#[test]
fn a_student_that_finds_parts_becomes_an_expert() {
    let place = Place::of_parts(ENCODER, r#"["none", "qsef-kd"]"#);
    let results = place.run(|_| false).0.unwrap();
    assert_eq!(results.measure, "span F1");
    assert!(results.teacher.as_ref().unwrap().accuracy.unwrap() > 0.9, "{:?}", results.teacher);
    assert!(results.summary.iter().all(|row| row.n == 2 && row.mean > 0.6), "{:?}", results.summary);
    for run in &results.runs {
        assert!(run.accuracy <= run.span_f1.unwrap() + 0.1 && run.macro_f1 > 0.5, "{run:?}");
    }
    // What the teacher said of words is kept as it was.
    let (again, seen) = place.run(|_| false);
    let teacher = |r: &Results| r.teacher.as_ref().map(|t| (t.train, t.accuracy));
    assert_eq!(teacher(&again.unwrap()), teacher(&results));
    assert!(!seen.iter().any(|what| what == "teacher reads"), "{seen:?}");

    let config = Config::load(&place.path("run.toml")).unwrap();
    let wanted = Export { id: "bills".into(), description: "Finds bills.".into(), ..Export::default() };
    let embedder = AnyEmbedder::new(LetterEmbedder);
    let exported = futures::executor::block_on(export(&config, wanted, &embedder, &place.path("experts"))).unwrap();
    let profile = Profile::read(&exported.dir).unwrap();
    assert_eq!((profile.task, profile.coverage.classes), (Task::Extract, 2));
    assert!(exported.span_f1.is_some() && profile.measured.span_f1 == exported.span_f1);
    assert!(!profile.expert.examples.is_empty());

    // The tagger that runs finds what the model that was trained finds.
    let tagger = qsef_candle::classifier::CandleTagger::load("bills", &exported.dir).unwrap();
    let data = DataSet::read(config.task, &config.data, &config.valid, &config.test).unwrap();
    let right = data.test.texts.iter().zip(&data.test.spans).filter(|(text, spans)| {
        let found: Vec<_> = tagger.extract(text).unwrap().spans.into_iter().map(|found| found.span).collect();
        found == **spans
    });
    assert_eq!(right.count() as f64 / data.test.len() as f64, exported.accuracy);
    // A text that one window does not hold, each of which has the same tokens.
    let words = crate::text::Words::load(&exported.dir.join("tokenizer.json"), 16).unwrap();
    let mut one = data.test.texts[0].clone();
    while words.encode(&one).unwrap().len() < 16 {
        one += " u";
    }
    let found = |text: &str| tagger.extract(text).unwrap().spans.into_iter().map(|found| found.span);
    let once: Vec<_> = found(&one).collect();
    let shifted = (0..3).flat_map(|i| once.iter().map(move |span| (i, span)));
    let shifted: Vec<_> = shifted
        .map(|(i, span)| {
            let by = i * (one.len() + 1);
            qsef_candle::tags::Span { bytes: span.bytes.start + by..span.bytes.end + by, label: span.label }
        })
        .collect();
    assert!(!once.is_empty());
    assert_eq!(found(&[one.as_str(); 3].join(" ")).collect::<Vec<_>>(), shifted);
}

#[test]
fn what_cannot_teach_parts_and_texts_that_are_too_long_are_refused() {
    let place = Place::of_parts("[teacher]\nkind = \"logits\"\nfile = \"logits.jsonl\"", r#"["kd"]"#);
    let error = Config::load(&place.path("run.toml")).unwrap_err().to_string();
    assert!(error.contains("(kind): only encoders"), "{error}");
    let place = Place::of_parts("", r#"["none"]"#);
    let long = format!(r#"{{"text":"{}","spans":[],"split":"train"}}"#, "pay ".repeat(20));
    std::fs::write(place.path("rows.jsonl"), marked() + &long).unwrap();
    let error = place.run(|_| false).0.unwrap_err().to_string();
    assert!(error.contains("more than `max_tokens` = 16 tokens"), "{error}");
}
