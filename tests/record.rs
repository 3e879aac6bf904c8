//! `qsef ask --record` and `--replay`, and the variable that forbids models.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // helpers of tests are test code

use std::{path::Path, process::Output};

use assert_cmd::cargo::cargo_bin_cmd;
use serde_json::Value;

fn qsef(home: &Path, args: &[&str], models: bool) -> Output {
    let mut command = cargo_bin_cmd!("qsef");
    command.args(args).env("QSEF_HOME", home).env("QSEF_MODELS", qsef::home().unwrap().join("models"));
    if !models {
        command.env("QSEF_NO_MODELS", "1");
    }
    command.output().unwrap()
}

#[test]
fn a_run_is_recorded_without_secrets_and_played_back_without_models() {
    let home = tempfile::tempdir().unwrap();
    let (file, key) = (home.path().join("report.json"), "sk-abcdefghijklmnopqrstuvwx");
    let (file, request) = (file.to_str().unwrap(), format!("My key is {key}. Count the words in \"a b c\""));
    let output = qsef(home.path(), &["ask", &request, "--record", file], true);
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "3 words", "{output:?}");
    let recorded = std::fs::read_to_string(file).unwrap();
    assert!(recorded.contains("My key is [KEY]") && !recorded.contains(key), "{recorded}");
    assert!(
        !home.path().join("ledger.sqlite3").exists(),
        "earlier runs do not count, and this one is not among later ones"
    );

    let output = qsef(home.path(), &["ask", "--replay", file, "--json"], false);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["answer"], "3 words", "{output:?}");
    // The request itself is the same once its secret is out.
    assert!(qsef(home.path(), &["ask", &request, "--replay", file], false).status.success());

    let output = qsef(home.path(), &["ask", "Count the words in \"a\"", "--replay", file], false);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && error.contains("+  \"Count the words in \\\"a\\\"\""), "{error}");
    let output = qsef(home.path(), &["ask", "Count the words in \"a\""], false);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && error.contains("QSEF_NO_MODELS"), "{error}");
    for (args, message) in [
        (vec!["ask", "--json"], "required"),
        (vec!["ask", "x", "--record", file, "--replay", file], "cannot be used with"),
        (vec!["ask", "--replay", "none.json"], "there is no cassette none.json"),
    ] {
        let output = qsef(home.path(), &args, false);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && error.contains(message), "{args:?}: {error}");
    }
}
