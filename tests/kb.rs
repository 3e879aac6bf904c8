//! `qsef kb` as people and scripts use it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // helpers of tests are test code

use std::{
    fs,
    path::Path,
    process::{Output, Stdio},
    time::Duration,
};

use assert_cmd::cargo::cargo_bin_cmd;
use serde_json::Value;

/// Runs qsef in a home of its own; models are the user's.
fn qsef(home: &Path, args: &[&str]) -> Output {
    command(home, args).output().unwrap()
}

/// Nothing is there at the first time.
fn link_models(home: &Path) {
    for shared in ["models", "prefixes"] {
        let own = qsef::home().unwrap().join(shared);
        fs::create_dir_all(&own).unwrap();
        #[cfg(unix)]
        let _ = std::os::unix::fs::symlink(&own, home.join(shared));
    }
}

fn command(home: &Path, args: &[&str]) -> assert_cmd::Command {
    link_models(home);
    let mut command = cargo_bin_cmd!("qsef");
    command.args(["kb"]).args(args).env("QSEF_HOME", home);
    command
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"))
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn errors(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn library(dir: &Path) {
    fs::create_dir_all(dir).unwrap();
    for (name, text) in [
        ("cats.md", "# Cats\n\nA cat is a mammal.\n\n## Food\n\nCats eat fish, and hunt mice when it gets dark.\n"),
        ("harbour.md", "# Harbour\n\nThe harbour master closes the gate at night. Ships wait outside until dawn.\n"),
        ("graph.txt", "知识图谱是一种用图表示知识的方法。\n\n机器学习从数据中学习规律。\n"),
        ("page.html", "<title>Bread</title><script>steal('croissant')</script><p>A baguette is a bread."),
        ("notes.csv", "plant,water\nfern,daily\n"),
    ] {
        fs::write(dir.join(name), text).unwrap();
    }
}

#[test]
fn documents_are_added_found_and_removed() {
    let home = tempfile::tempdir().unwrap();
    let docs = home.path().join("docs");
    library(&docs);
    fs::write(docs.join("broken.txt"), [0u8, 159, 146, 150]).unwrap();
    let docs = docs.canonicalize().unwrap();
    let added = qsef(home.path(), &["add", docs.to_str().unwrap(), "--json"]);
    assert_eq!(added.status.code(), Some(0), "{added:?}");
    let report = json(&added);
    assert_eq!((&report["new"], &report["embedded"]), (&5.into(), &report["chunks"]), "{report}");
    assert!(report["left"][0]["path"].as_str().unwrap().ends_with("broken.txt"), "{report}");
    assert!(errors(&added).contains("binary"), "{added:?}");
    let again = qsef(home.path(), &["add", docs.to_str().unwrap()]);
    assert!(text(&again).contains("5 as before, 1 left out"), "{again:?}");

    // By words, by meaning and in Chinese.
    for (query, file, place) in [
        ("fish", "cats.md", ":7"),
        ("When do vessels have to stay out at sea?", "harbour.md", ":3"),
        ("知识图谱", "graph.txt", ":1-3"),
        ("fern", "notes.csv", ":2"),
    ] {
        let hits = json(&qsef(home.path(), &["search", query, "--json"]));
        let citation = hits["hits"][0]["citation"].as_str().unwrap();
        assert!(citation.ends_with(&format!("{file}{place}")), "{query}: {hits}");
    }
    let shown = text(&qsef(home.path(), &["search", "fish", "--by", "words"]));
    assert!(shown.starts_with("1. ") && shown.contains("Cats › Food") && !shown.contains('\u{1b}'), "{shown}");
    assert!(
        json(&qsef(home.path(), &["search", "croissant", "--by", "words", "--json"]))["hits"]
            .as_array()
            .unwrap()
            .is_empty()
    );

    let stats = json(&qsef(home.path(), &["stats", "--json"]));
    assert_eq!((&stats["sources"], &stats["embedder"]), (&5.into(), &"all-minilm-l6-v2".into()), "{stats}");
    assert!(text(&qsef(home.path(), &["list"])).contains("cats.md"));
    let other = qsef(home.path(), &["add", docs.to_str().unwrap(), "--embedder", "openai:other"]);
    assert!(other.status.code() == Some(2) && errors(&other).contains("all-minilm-l6-v2"), "{other:?}");

    let removed = qsef(home.path(), &["remove", docs.join("cats.md").to_str().unwrap(), "--json"]);
    assert_eq!(json(&removed)["sources"], 1);
    let gone = qsef(home.path(), &["remove", docs.join("cats.md").to_str().unwrap()]);
    assert!(gone.status.code() == Some(2) && errors(&gone).contains("qsef kb list"), "{gone:?}");
}

#[test]
fn the_graph_is_shown_drawn_and_exchanged() {
    let home = tempfile::tempdir().unwrap();
    let triples = home.path().join("animals.tsv");
    fs::write(&triples, "cat\tis_a\tmammal\ndog\tis_a\tmammal\nmammal\tis_a\tanimal\t0.5\nlamp\tis_a\tdevice\n")
        .unwrap();
    let imported = json(&qsef(home.path(), &["import", triples.to_str().unwrap(), "--json"]));
    assert_eq!((&imported["triples"], &imported["relations"]), (&4.into(), &4.into()));
    let shown = text(&qsef(home.path(), &["graph", "The Cats", "--hops", "3"]));
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[0].starts_with("cat") && lines[1].contains("  is a → mammal"), "{shown}");
    assert!(shown.contains("    is a → animal  0.50") && shown.contains("    ← is a dog"), "{shown}");
    let path = text(&qsef(home.path(), &["graph", "cat", "--to", "dog"]));
    assert_eq!(path, "cat is a → mammal ← is a dog\nabove both: mammal\n");
    let said = text(&qsef(home.path(), &["graph", "cat", "--sources"]));
    assert!(said.contains("by import") && said.contains("animals.tsv"), "{said}");
    let [svg, dot, mermaid, nt] = ["a.svg", "a.dot", "a.mmd", "a.nt"].map(|name| home.path().join(name));
    let args = [
        "graph",
        "mammal",
        "--svg",
        svg.to_str().unwrap(),
        "--dot",
        dot.to_str().unwrap(),
        "--mermaid",
        mermaid.to_str().unwrap(),
        "--json",
    ];
    let document = json(&qsef(home.path(), &args));
    assert_eq!(document["concepts"].as_array().unwrap().len(), 4, "{document}");
    assert!(document["relations"].as_array().unwrap().iter().any(|r| r["from"] == "cat" && r["to"] == "mammal"));
    for (file, begin) in [(&svg, "<svg"), (&dot, "digraph"), (&mermaid, "graph LR")] {
        assert!(fs::read_to_string(file).unwrap().starts_with(begin));
    }
    let learnt = json(&qsef(home.path(), &["learn", "--model", "transe", "--epochs", "5", "--json"]));
    assert_eq!((&learnt["concepts"], &learnt["relations"]), (&6.into(), &4.into()));
    assert!(qsef(home.path(), &["export", nt.to_str().unwrap()]).status.success());
    let other = tempfile::tempdir().unwrap();
    assert_eq!(json(&qsef(other.path(), &["import", nt.to_str().unwrap(), "--json"]))["relations"], 4);
    let tsv = text(&qsef(other.path(), &["export", "-"]));
    assert!(tsv.contains("dog\tis_a\tmammal\t1\n") && tsv.lines().count() == 4, "{tsv}");
}

#[test]
fn what_is_wrong_is_told_in_a_line_that_says_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = home.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (bad, odd) = (file("bad.tsv", "a\tb\n"), file("triples.xyz", ""));
    for (args, message) in [
        (vec!["search", "x"], "qsef kb add"),
        (vec!["graph", "x"], "qsef kb add"),
        (vec!["export", "-"], "qsef kb add"),
        (vec!["remove", "x"], "qsef kb add"),
        (vec!["add", "/no/such/path", "--words-only"], "/no/such/path"),
        (vec!["import", &bad], "bad.tsv:1: 2 fields"),
        (vec!["import", &odd], "--form"),
        (vec!["import", "/no/such.tsv"], "no file"),
        (vec!["add"], "PATH"),
        (vec!["search", "x", "--limit", "0"], "--limit"),
    ] {
        let output = qsef(home.path(), &args);
        assert!(output.status.code() == Some(2) && output.stdout.is_empty(), "{args:?}: {output:?}");
        assert!(errors(&output).contains(message), "{args:?}: {output:?}");
    }
    let text_file = file("pets.md", "A ferret is a pet. The dwarf hamster is a pet.");
    assert!(qsef(home.path(), &["add", &text_file, "--words-only"]).status.success());
    for (args, message) in [
        (vec!["graph", "hamsters"], "`dwarf hamster`"),
        (vec!["graph", "zeppelin"], "qsef kb search"),
        (vec!["search", "x", "--by", "meaning"], "--words-only"),
        (vec!["search", " "], "say what is to be found"),
    ] {
        let output = qsef(home.path(), &args);
        assert!(output.status.code() == Some(2) && errors(&output).contains(message), "{args:?}: {output:?}");
    }
    // A file that is asked for and is no document.
    let binary = home.path().join("a.txt");
    fs::write(&binary, [0u8; 64]).unwrap();
    assert_eq!(qsef(home.path(), &["add", binary.to_str().unwrap(), "--words-only"]).status.code(), Some(1));
    fs::write(home.path().join("knowledge.sqlite3"), "not a base ".repeat(100)).unwrap();
    let output = qsef(home.path(), &["stats"]);
    assert!(output.status.code() == Some(2) && errors(&output).contains("move it away"), "{output:?}");
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_adding_and_keeps_what_there_is() {
    const FILES: u64 = 12_000;
    let home = tempfile::tempdir().unwrap();
    let docs = home.path().join("docs");
    fs::create_dir_all(&docs).unwrap();
    for n in 0..FILES {
        let parts: String =
            (0..8).map(|p| format!("## Part {p} of {n}\n\nThe item{n}x{p} is a thing of book {n}.\n\n")).collect();
        fs::write(docs.join(format!("{n}.md")), parts).unwrap();
    }
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin!("qsef"))
        .args(["kb", "add", docs.to_str().unwrap(), "--words-only"])
        .env("QSEF_HOME", home.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // As soon as something is written, however fast the machine is.
    let size = |name: &str| fs::metadata(home.path().join(name)).map_or(0, |data| data.len());
    for _ in 0..4000 {
        if size("knowledge.sqlite3") + size("knowledge.sqlite3-wal") > 1 << 20 {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let interrupt = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupt.success() && child.try_wait().unwrap().is_none(), "it ended before it was interrupted");
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.code() == Some(1) && errors(&output).contains("the same command does the rest"),
        "{output:?}"
    );
    let some = json(&qsef(home.path(), &["stats", "--json"]))["sources"].as_u64().unwrap();
    assert!(some > 0 && some < FILES, "{some}");
    let rest = json(&qsef(home.path(), &["add", docs.to_str().unwrap(), "--words-only", "--json"]));
    assert_eq!((rest["unchanged"].as_u64(), rest["new"].as_u64()), (Some(some), Some(FILES - some)));
}

#[test]
fn a_question_about_the_documents_goes_to_the_librarian() {
    let home = tempfile::tempdir().unwrap();
    let docs = home.path().join("docs");
    library(&docs);
    link_models(home.path());
    let ask = |query: &str| {
        let output =
            cargo_bin_cmd!("qsef").args(["ask", query, "--json"]).env("QSEF_HOME", home.path()).output().unwrap();
        json(&output)
    };
    // Without documents there is no librarian.
    let experts =
        |home: &Path| text(&cargo_bin_cmd!("qsef").args(["experts", "list"]).env("QSEF_HOME", home).output().unwrap());
    assert!(!experts(home.path()).contains("librarian"));
    assert!(qsef(home.path(), &["add", docs.to_str().unwrap()]).status.success());
    assert!(experts(home.path()).contains("librarian"));
    let document = ask("What do my documents say about when the harbour master closes the gate?");
    assert_eq!(document["plan"]["subtasks"][0]["expert"], "librarian", "{document}");
    let answer = document["answer"].as_str().unwrap();
    assert!(answer.contains("night") && answer.contains("[1]") && answer.contains("harbour.md:3"), "{answer}");
    // What the others do best stays theirs.
    let document = ask("What is 15% of 240 km in miles?");
    assert_eq!(document["plan"]["subtasks"][0]["expert"], "calculate", "{document}");
    // What was answered is remembered when that is asked for.
    let remembered = json(&qsef(home.path(), &["remember", "last", "--json"]));
    assert_eq!(remembered["new"], 1, "{remembered}");
    assert!(text(&qsef(home.path(), &["list"])).contains("answer:"));
}
