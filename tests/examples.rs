//! The programs of `examples/`, run as people run them, on small models. `cargo test` builds them; before `--test examples` alone,
//! `cargo build --release -p qsef --examples` does.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // helpers of tests are test code

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Two processes that run models at the same time starve each other.
fn one_at_a_time() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An example's program, with the user's models and a ledger of its own.
fn example(name: &str, home: &tempfile::TempDir) -> Command {
    let tests = std::env::current_exe().unwrap();
    let program: PathBuf = tests.parent().unwrap().parent().unwrap().join("examples").join(name);
    assert!(
        program.is_file(),
        "{} is not built; `cargo build --release -p qsef --examples` does it",
        program.display()
    );
    let mut command = Command::new(program);
    command.env("QSEF_HOME", home.path()).env("QSEF_MODELS", qsef::home().unwrap().join("models"));
    command.stdin(Stdio::null());
    command
}

/// What an example prints.
fn run(name: &str, arguments: &[&str]) -> String {
    let _lock = one_at_a_time();
    let home = tempfile::tempdir().unwrap();
    let output = example(name, &home).args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_custom_expert_does_what_it_is_for() {
    let told = run("custom_expert", &["Roll 3 dice with 6 sides"]);
    assert_eq!(told.trim(), "3 dice with 6 sides: between 3 and 18");
}

#[test]
fn a_custom_backend_conforms() {
    let told = run("custom_backend", &[]);
    let (cases, answer) = told.trim().rsplit_once('\n').unwrap();
    assert_eq!(answer, "Paris");
    assert!(cases.lines().count() >= 8 && cases.lines().all(|case| case.ends_with(": ok")), "{cases}");
}

#[test]
fn a_batch_ends_where_its_budget_does() {
    let told = run("batch", &[]);
    assert!(told.contains("22.369363 miles") && told.contains("6 words") && told.contains("69104"), "{told}");
    assert_eq!(told.matches("not done: ").count(), 1, "the second plan is not paid for: {told}");
    assert!(!run("batch", &["5000"]).contains("not done"));
}

#[test]
fn routing_needs_no_agent() {
    let told = run("routing_only", &["my parcel has not come"]);
    assert!(told.starts_with("shipping") && told.lines().count() == 3 && told.contains("TE 0."), "{told}");
}

struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = (self.0.kill(), self.0.wait());
    }
}

#[test]
fn a_service_streams_what_happens_and_the_answer() {
    let _lock = one_at_a_time();
    let home = tempfile::tempdir().unwrap();
    let mut service = Ends(example("axum_service", &home).env("PORT", "0").stdout(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(service.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on http://").unwrap_or_else(|| panic!("{line}"));
    let body = "What is 15% of 240 km in miles?";
    let head =
        format!("POST /ask HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all((head + body).as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("text/event-stream") && answer.contains("event: progress"), "{answer}");
    let (_, last) = answer.split_once("event: answer").unwrap_or_else(|| panic!("{answer}"));
    assert!(last.contains("22.369363 miles"), "{answer}");
}
