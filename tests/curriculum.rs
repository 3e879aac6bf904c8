//! `qsef curriculum generate` as a user has it: with the stub endpoint's rules in a thread of the test, and with a real model.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // helpers of tests are test code

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use assert_cmd::cargo::{cargo_bin, cargo_bin_cmd};
use serde_json::{Value, json};

#[path = "../crates/qsef-curriculum/tests/rules/mod.rs"]
mod rules;

/// What the stub saw: each request's body, once for each time that it came.
#[derive(Default)]
struct Seen {
    bodies: Mutex<Vec<String>>,
    all: AtomicUsize,
}

/// Serves the rules on a free port; the base URL.
fn serve(seen: Arc<Seen>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let seen = seen.clone();
            std::thread::spawn(move || connection(&stream, &seen));
        }
    });
    url
}

fn connection(stream: &TcpStream, seen: &Seen) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let (mut line, mut length) = (String::new(), 0);
        while reader.read_line(&mut line).ok()? > 2 {
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            line.clear();
        }
        if length == 0 {
            return None;
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let body = String::from_utf8(body).ok()?;
        let request: Value = serde_json::from_str(&body).ok()?;
        std::thread::sleep(Duration::from_millis(4));
        let answer = json!({
            "choices": [{"message": {"content": answer(&request)}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 50}
        })
        .to_string();
        seen.all.fetch_add(1, Ordering::SeqCst);
        seen.bodies.lock().unwrap().push(body);
        let mut stream = stream;
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", answer.len());
        stream.write_all((head + &answer).as_bytes()).ok()?;
    }
}

fn answer(request: &Value) -> String {
    let user = request["messages"].as_array().unwrap().last().unwrap()["content"].as_str().unwrap();
    let properties = &request["response_format"]["json_schema"]["schema"]["properties"];
    rules::answer(properties.as_object().unwrap(), user).to_string()
}

/// Passages that differ in a number and in words.
fn passages(count: usize) -> String {
    let animals = ["ferrets", "otters", "badgers", "weasels", "martens", "beavers", "voles", "shrews"];
    let places = ["valley", "forest", "harbour", "meadow", "canyon", "marsh", "orchard", "delta", "plateau"];
    let mut text = String::new();
    for n in 0..count {
        let (animal, place) = (animals[n % 8], places[n % 9]);
        let passage = format!(
            "Although the {animal} of the {place}, which biologists have observed for {} years, ordinarily sleep during the greater part \
             of the afternoon, they become extraordinarily active as soon as the temperature decreases towards the evening. Observers \
             counted {} burrows, considerably more than the {place} was previously believed to contain, and they documented {} \
             individuals whose behaviour differed substantially from that of neighbouring populations.",
            n + 13,
            n + 1000,
            2 * n + 5001
        );
        let _ = writeln!(text, "{}", json!({"id": format!("p{n}"), "text": passage}));
    }
    text
}

fn qsef(home: &Path, url: &str) -> Command {
    let mut command = Command::new(cargo_bin("qsef"));
    command.env("QSEF_HOME", home).env("OPENAI_BASE_URL", url).env("OPENAI_API_KEY", "none");
    command
}

fn generate(home: &Path, url: &str, input: &Path, out: &Path, more: &[&str]) -> Command {
    let mut command = qsef(home, url);
    command.args(["curriculum", "generate", "--json", "--model", "openai:stub", "--embedder", "none", "--input"]);
    command.arg(input).arg("--out").arg(out).args(more);
    command
}

/// All files of a folder but those that only this machine needs.
fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn a_job_that_is_killed_again_and_again_ends_with_the_same_files_and_pays_once() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("texts.jsonl");
    fs::write(&input, passages(500)).unwrap();
    let whole = Arc::new(Seen::default());
    let url = serve(whole.clone());
    let out = dir.path().join("whole");
    let done = generate(&dir.path().join("a"), &url, &input, &out, &["--concurrency", "8"]).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let summary: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!((&summary["items"], &summary["accepted"]), (&json!(500), &json!(500)), "{summary}");
    assert_eq!(summary["strictly_ordered"], 1.0);

    let cut = Arc::new(Seen::default());
    let url = serve(cut.clone());
    let (home, out_cut) = (dir.path().join("b"), dir.path().join("cut"));
    let total = whole.all.load(Ordering::SeqCst);
    // Places that differ in each run would make a failure hard to repeat; these are spread unevenly over the job.
    let mut kills = 0;
    for kill in 1..=20_usize {
        let until = total * (kill * 37 % 100 + kill * 60) / 1400;
        let mut child = generate(&home, &url, &input, &out_cut, &["--concurrency", "8", "--resume"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        loop {
            if child.try_wait().unwrap().is_some() {
                break;
            }
            if cut.all.load(Ordering::SeqCst) >= until {
                child.kill().unwrap();
                child.wait().unwrap();
                kills += 1;
                break;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    assert!(kills >= 20, "{kills}");
    let done = generate(&home, &url, &input, &out_cut, &["--concurrency", "8", "--resume"]).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let (whole_files, cut_files) = (files(&out), files(&out_cut));
    let names = |files: &[(String, Vec<u8>)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&whole_files), names(&cut_files));
    for ((name, a), (_, b)) in whole_files.iter().zip(&cut_files) {
        assert!(a == b, "{name} differs");
    }
    // What was sent twice was on its way when the process was killed: at most as many as there may be at a time.
    let mut bodies = cut.bodies.lock().unwrap().clone();
    let sent = bodies.len();
    bodies.sort();
    bodies.dedup();
    assert!(sent - bodies.len() <= kills * 8, "{} of {sent} came twice after {kills} kills", sent - bodies.len());
    assert_eq!(bodies.len(), total);
}

#[test]
fn bad_input_is_told_and_the_rest_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (input, out, home) = (dir.path().join("texts.jsonl"), dir.path().join("out"), dir.path().join("home"));
    let huge = format!("{}\n", json!({"id": "huge", "question": "What?", "answer": "word ".repeat(200_000)}));
    let simple = format!(
        "{}\n",
        json!({"id": "simple", "text": "The cat is big. It eats fish. It likes milk. The dog is old. It sleeps a lot. It is warm here."})
    );
    let good = passages(2);
    fs::write(
        &input,
        format!("{{oops\n{{\"text\":\"\"}}\n{{\"text\":7}}\n{huge}{simple}{good}{}", good.lines().next().unwrap()),
    )
    .unwrap();
    let url = serve(Arc::default());
    let done = generate(&home, &url, &input, &out, &[]).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let rejected = fs::read_to_string(out.join("rejected.jsonl")).unwrap();
    for wanted in ["line 1", "line 2 (text)", "line 3 (text)", "too many for an answer", "lowest tier", "line 8 (id)"] {
        assert!(rejected.contains(wanted), "{wanted}: {rejected}");
    }
    let rows = fs::read_to_string(out.join("train.jsonl")).unwrap();
    assert_eq!(rows.lines().count(), 8, "{rows}");
    for name in [
        "stage-1.jsonl",
        "dataset_info.json",
        "manifest.json",
        "README.md",
        "training.md",
        "report.html",
        "train.parquet",
    ] {
        assert!(out.join(name).is_file(), "{name}");
    }
    let said = |more: &[&str]| {
        let done = generate(&home, &url, &input, &out, more).output().unwrap();
        assert_eq!(done.status.code(), Some(2));
        String::from_utf8(done.stderr).unwrap()
    };
    assert!(said(&[]).contains("--resume"));
    assert!(said(&["--resume", "--seed", "7"]).contains("seed was 0 and is 7"));
    assert!(said(&["--config", "nowhere.toml"]).contains("nowhere.toml"));
    fs::write(dir.path().join("bad.toml"), "seed = 1\nleast_step = 4.0\n").unwrap();
    let bad = dir.path().join("bad.toml");
    assert!(said(&["--config", bad.to_str().unwrap()]).contains("(least_step)"));
}

#[test]
fn an_estimate_costs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (input, out, home) = (dir.path().join("texts.jsonl"), dir.path().join("out"), dir.path().join("home"));
    fs::write(&input, passages(3)).unwrap();
    let seen = Arc::new(Seen::default());
    let url = serve(seen.clone());
    let done = generate(&home, &url, &input, &out, &["--dry-run"]).output().unwrap();
    let estimate: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!((estimate["items"].as_u64(), seen.all.load(Ordering::SeqCst)), (Some(3), 0));
    assert!(estimate["requests"].as_u64().unwrap() >= 15 && estimate["completion_tokens"].as_u64().unwrap() > 300);
    assert!(!out.exists());
}

#[test]
fn a_real_model_writes_tiers() {
    let dir = tempfile::tempdir().unwrap();
    let (input, out) = (dir.path().join("texts.jsonl"), dir.path().join("out"));
    fs::write(&input, passages(1)).unwrap();
    let mut command = cargo_bin_cmd!("qsef");
    command.args(["curriculum", "generate", "--json", "--model", "qwen2.5-coder-0.5b", "--tiers", "2", "--input"]);
    command.arg(&input).arg("--out").arg(&out);
    command.arg("--cache").arg(dir.path().join("requests.sqlite3"));
    // A small model may fail; whatever it writes is checked, and what fails has its reason.
    let done = command.output().unwrap();
    let summary: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(summary["items"], 1, "{}", String::from_utf8_lossy(&done.stderr));
    let rows = fs::read_to_string(out.join("train.jsonl")).unwrap();
    assert!(rows.contains("1000") && rows.contains("\"expert\""), "{rows}");
    let rejected = fs::read_to_string(out.join("rejected.jsonl")).unwrap();
    let (accepted, left) = (summary["accepted"].as_u64().unwrap(), rejected.lines().count() as u64);
    assert_eq!(accepted + left, 1, "{rejected}");
}
