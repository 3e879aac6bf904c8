//! The ledger as programs use it: rows that come back, several writers at once, and writers that are killed.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // helpers of tests are test code

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use proptest::prelude::*;
use qsef_agent::{
    Ledger,
    ledger::{Decision, HistoryQuery, HistoryRow, Outcome, OutcomeKind},
};
use qsef_core::Error;
use serde_json::json;

fn decision(trace: &str, subtask: usize, expert: &str) -> Decision {
    Decision {
        trace_id: trace.into(),
        subtask,
        request: format!("request of {trace}"),
        task: format!("task {subtask}"),
        expert: expert.into(),
        te: 0.75,
        terms: json!({"distance": 0.1, "resistance": 0.2}),
        alternatives: vec![("next".into(), 0.5), ("third".into(), 0.25)],
        embedder: "letters".into(),
        vector: Some(vec![0.5, -1.0]),
        expected_usd: 0.01,
        at_ms: 1_700_000_000_000,
    }
}

fn outcome(of: &Decision, kind: OutcomeKind, score: f64) -> Outcome {
    Outcome {
        trace_id: of.trace_id.clone(),
        subtask: of.subtask,
        expert: of.expert.clone(),
        kind,
        score,
        latency_ms: None,
        usd: None,
        tokens: None,
        note: None,
        at_ms: 1_700_000_000_001,
    }
}

fn message(refused: Result<impl std::fmt::Debug, Error>) -> String {
    let error = refused.unwrap_err();
    assert!(matches!(error, Error::Input(_) | Error::File { .. }), "{error:?}");
    error.to_string()
}

fn history(ledger: &Ledger) -> Vec<HistoryRow> {
    ledger.history(&HistoryQuery::new("letters")).unwrap()
}

#[test]
fn what_is_recorded_comes_back_also_in_another_process_life() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new/home").join(Ledger::FILE_NAME);
    let (first, second) = (decision("t1", 1, "paint"), Decision { vector: None, ..decision("t1", 2, "count") });
    let ended = Outcome {
        latency_ms: Some(12),
        usd: Some(0.5),
        tokens: Some(u64::MAX >> 1),
        note: Some("非常好 👍".into()),
        ..outcome(&first, OutcomeKind::Finished, 1.0)
    };
    let ledger = Ledger::open(&path).unwrap();
    ledger.record(&[first.clone(), second.clone()]).unwrap();
    ledger.add_outcomes(std::slice::from_ref(&ended)).unwrap();
    drop(ledger);
    let ledger = Ledger::open(&path).unwrap();
    assert_eq!(ledger.path(), path);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        for file in [path.clone(), path.with_extension("sqlite3-wal")] {
            assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
        }
    }
    let recorded = ledger.decisions_of("t1").unwrap();
    assert_eq!((&recorded[0].decision, &recorded[1].decision), (&first, &second));
    assert_eq!((recorded[0].outcomes.as_slice(), recorded[1].outcomes.len()), ([ended].as_slice(), 0));
    ledger.record(&[decision("t2", 1, "paint")]).unwrap();
    let traces = ledger.traces(10).unwrap();
    assert_eq!(traces.iter().map(|t| (t.trace_id.as_str(), t.subtasks)).collect::<Vec<_>>(), [("t2", 1), ("t1", 2)]);
    assert_eq!((traces[1].request.as_str(), ledger.traces(1).unwrap().len()), ("request of t1", 1));
}

proptest! {
    #[test]
    fn vectors_come_back_bit_by_bit(bits in prop::collection::vec(any::<u32>(), 0..40)) {
        let ledger = Ledger::in_memory().unwrap();
        let vector = bits.iter().map(|b| f32::from_bits(*b)).collect();
        ledger.record(&[Decision { vector: Some(vector), ..decision("t", 1, "e") }]).unwrap();
        let back = ledger.decisions_of("t").unwrap()[0].decision.vector.clone().unwrap();
        prop_assert_eq!(back.iter().map(|x| x.to_bits()).collect::<Vec<_>>(), bits);
    }
}

#[test]
fn a_persons_word_counts_before_a_judges_and_that_before_what_happened() {
    use OutcomeKind::*;
    for (outcomes, score, weight) in [
        (vec![(Finished, 1.0)], 1.0, 0.3),
        (vec![(Failed, 0.0), (Finished, 1.0)], 0.0, 1.0),
        (vec![(Finished, 1.0), (Invalid, 0.0)], 0.0, 1.0),
        (vec![(TimedOut, 0.0)], 0.0, 0.3),
        (vec![(Declined, 0.0)], 0.0, 1.0),
        (vec![(Judge, 0.6), (Failed, 0.0)], 0.6, 1.0),
        (vec![(User, 0.9), (Judge, 0.2), (Finished, 1.0)], 0.9, 1.0),
        (vec![(User, 0.9), (User, 0.1), (Judge, 0.2)], 0.1, 1.0),
        (vec![(Judge, 0.2), (Judge, 0.7), (Finished, 1.0)], 0.7, 1.0),
    ] {
        let ledger = Ledger::in_memory().unwrap();
        let decided = decision("t", 1, "paint");
        ledger.record(std::slice::from_ref(&decided)).unwrap();
        assert!(history(&ledger).is_empty());
        let rows: Vec<_> = outcomes.iter().map(|(kind, score)| outcome(&decided, *kind, *score)).collect();
        ledger.add_outcomes(&rows).unwrap();
        let history = history(&ledger);
        assert_eq!(history.len(), 1, "{outcomes:?}");
        assert_eq!((history[0].score, history[0].weight), (score, weight), "{outcomes:?}");
    }
}

#[test]
fn the_history_has_a_row_per_decision_with_what_it_took() {
    let ledger = Ledger::in_memory().unwrap();
    let declined = decision("t1", 1, "paint");
    let did = decision("t1", 1, "general");
    let later = Decision { at_ms: declined.at_ms + 1_000, ..decision("t2", 1, "paint") };
    let other = Decision { embedder: "other".into(), ..decision("t3", 1, "paint") };
    ledger.record(&[declined.clone(), did.clone(), later.clone(), other.clone()]).unwrap();
    let took = Outcome { latency_ms: Some(7), usd: Some(0.25), ..outcome(&did, OutcomeKind::Finished, 1.0) };
    let ended = [outcome(&declined, OutcomeKind::Declined, 0.0), took, outcome(&did, OutcomeKind::User, 0.8)];
    ledger.add_outcomes(&ended).unwrap();
    ledger.add_outcomes(&[&later, &other].map(|d| outcome(d, OutcomeKind::Finished, 1.0))).unwrap();
    let rows = history(&ledger);
    let short: Vec<_> = rows.iter().map(|r| (r.expert.as_str(), r.score)).collect();
    assert_eq!(short, [("paint", 1.0), ("general", 0.8), ("paint", 0.0)]);
    assert_eq!((rows[1].latency_ms, rows[1].usd, rows[1].te), (Some(7), Some(0.25), 0.75));
    assert_eq!((&rows[1].vector, &rows[1].terms, rows[1].at_ms), (&did.vector, &did.terms, did.at_ms));
    let newest = HistoryQuery { limit: 1, ..HistoryQuery::new("letters") };
    assert_eq!(ledger.history(&newest).unwrap(), rows[..1]);
    let recent = HistoryQuery { since_ms: later.at_ms, ..HistoryQuery::new("letters") };
    assert_eq!(ledger.history(&recent).unwrap(), rows[..1]);
    assert_eq!(ledger.history(&HistoryQuery::new("other")).unwrap().len(), 1);
    assert!(ledger.history(&HistoryQuery::new("third")).unwrap().is_empty());
}

#[test]
fn what_the_ledger_does_not_have_is_said_with_the_way_to_find_it() {
    let ledger = Ledger::in_memory().unwrap();
    assert!(message(ledger.resolve("last")).contains("qsef ask"));
    let decided = decision("t1", 2, "paint");
    ledger.record(std::slice::from_ref(&decided)).unwrap();
    let of = |decided: Decision| message(ledger.add_outcomes(&[outcome(&decided, OutcomeKind::User, 1.0)]));
    let trace = of(Decision { trace_id: "t9".into(), ..decided.clone() });
    assert!(trace.contains("`t9`") && trace.contains("qsef trace list"), "{trace}");
    let subtask = of(Decision { subtask: 7, ..decided.clone() });
    assert!(subtask.contains("no subtask 7, only 2") && subtask.contains("qsef trace show t1"), "{subtask}");
    let expert = of(Decision { expert: "sing".into(), ..decided.clone() });
    assert!(expert.contains("`sing`") && expert.contains("qsef trace show t1"), "{expert}");
    assert!(message(ledger.decisions_of("t9")).contains("qsef trace list"));
    assert!(message(ledger.rate("t9", None, 1.0, None)).contains("qsef trace list"));
    assert!(message(ledger.rate("t1", Some(7), 1.0, None)).contains("no subtask 7, only 2"));
}

#[test]
fn numbers_that_are_none_are_refused_and_nothing_of_their_batch_is_kept() {
    let ledger = Ledger::in_memory().unwrap();
    let decided = decision("t1", 1, "paint");
    let te = Decision { te: f64::NAN, ..decision("t1", 2, "paint") };
    assert!(message(ledger.record(&[decided.clone(), te])).contains("NaN"));
    assert!(ledger.traces(9).unwrap().is_empty());
    ledger.record(std::slice::from_ref(&decided)).unwrap();
    for score in [f64::NAN, -0.1, 1.1, f64::INFINITY] {
        let rows = [outcome(&decided, OutcomeKind::User, 1.0), outcome(&decided, OutcomeKind::User, score)];
        assert!(message(ledger.add_outcomes(&rows)).contains("from 0 to 1"), "{score}");
        assert!(message(ledger.rate("t1", Some(1), score, None)).contains("from 0 to 1"), "{score}");
    }
    assert!(ledger.decisions_of("t1").unwrap()[0].outcomes.is_empty());
}

#[test]
fn a_trace_is_found_by_its_beginning() {
    let ledger = Ledger::in_memory().unwrap();
    for trace in ["01AB", "01ABC", "01AX", "%_*"] {
        ledger.record(&[decision(trace, 1, "paint")]).unwrap();
    }
    for (given, found) in [("01ABC", "01ABC"), ("01AB", "01AB"), ("01ax", "01AX"), ("%", "%_*"), ("last", "%_*")] {
        assert_eq!(ledger.resolve(given).unwrap(), found);
    }
    assert!(message(ledger.resolve("01a")).contains("several"));
    for none in ["", "02", "*", "_", "01ABCD"] {
        assert!(message(ledger.resolve(none)).contains("qsef trace list"), "{none}");
    }
}

#[test]
fn a_rating_goes_to_who_did_the_work() {
    let ledger = Ledger::in_memory().unwrap();
    let declined = decision("t1", 1, "paint");
    let did = decision("t1", 1, "general");
    let failed = decision("t1", 2, "count");
    let never_ran = decision("t1", 3, "sing");
    let all = [declined.clone(), failed.clone(), never_ran.clone(), did.clone()];
    ledger.record(&all).unwrap();
    assert!(message(ledger.rate("t1", None, 1.0, None)).contains("ran to its end"));
    ledger
        .add_outcomes(&[
            outcome(&declined, OutcomeKind::Declined, 0.0),
            outcome(&did, OutcomeKind::Finished, 1.0),
            outcome(&failed, OutcomeKind::Failed, 0.0),
        ])
        .unwrap();
    assert_eq!(ledger.rate("t1", None, 0.9, Some("nice")).unwrap(), [(1, "general".to_owned())]);
    assert_eq!(ledger.rate("t1", Some(2), 0.2, None).unwrap(), [(2, "count".to_owned())]);
    let scores: Vec<_> = history(&ledger).iter().map(|r| (r.expert.clone(), r.score)).collect();
    assert_eq!(scores, [("general".into(), 0.9), ("count".into(), 0.2), ("paint".into(), 0.0)]);
    let recorded = ledger.decisions_of("t1").unwrap();
    let general = recorded.iter().find(|r| r.decision.expert == "general").unwrap();
    assert_eq!(general.outcomes.last().unwrap().note.as_deref(), Some("nice"));
}

#[test]
fn files_that_are_no_ledger_are_named_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let text = dir.path().join("text.sqlite3");
    std::fs::write(&text, "This is a diary, not a database.\n".repeat(200)).unwrap();
    let before = std::fs::read(&text).unwrap();
    let refused = message(Ledger::open(&text));
    assert!(refused.contains("text.sqlite3") && refused.contains("no ledger"), "{refused}");
    assert!(std::fs::read(&text).unwrap() == before);

    let theirs = dir.path().join("theirs.sqlite3");
    let connection = rusqlite::Connection::open(&theirs).unwrap();
    connection.execute_batch("CREATE TABLE theirs (x)").unwrap();
    drop(connection);
    let before = std::fs::read(&theirs).unwrap();
    let refused = message(Ledger::open(&theirs));
    assert!(refused.contains("theirs.sqlite3") && refused.contains("another program"), "{refused}");
    assert!(std::fs::read(&theirs).unwrap() == before);

    let newer = dir.path().join("newer.sqlite3");
    drop(Ledger::open(&newer).unwrap());
    rusqlite::Connection::open(&newer).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let refused = message(Ledger::open(&newer));
    for part in ["newer.sqlite3", "version 99", "up to 2", "update qsef"] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
    assert!(matches!(Ledger::open(dir.path()), Err(Error::Io { .. })), "a directory");
}

/// Where a child process of the tests below is to write, how often, and its name.
const CHILD: &str = "QSEF_LEDGER_TEST_CHILD";

/// Starts this test binary again as a process that writes.
fn child(path: &Path, name: &str, traces: usize) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "writes_for_the_tests_of_several_processes", "--nocapture"])
        .env(CHILD, format!("{name} {traces} {}", path.display()))
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// No test of its own: what the children do. Each trace is one transaction of two decisions and one of an outcome, and is
/// acknowledged after that.
#[test]
fn writes_for_the_tests_of_several_processes() {
    let Ok(order) = std::env::var(CHILD) else { return };
    let (name, rest) = order.split_once(' ').unwrap();
    let (traces, path) = rest.split_once(' ').unwrap();
    let ledger = Ledger::open(path).unwrap();
    for n in 0..traces.parse().unwrap() {
        write(&ledger, &format!("{name}-{n}"));
        println!("committed {name}-{n}");
    }
}

fn write(ledger: &Ledger, trace: &str) {
    let decided = [decision(trace, 1, "paint"), decision(trace, 2, "count")];
    ledger.record(&decided).unwrap();
    ledger.add_outcomes(&[outcome(&decided[0], OutcomeKind::Finished, 1.0)]).unwrap();
}

/// What a child has acknowledged, as it comes.
fn acknowledged(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    lines.filter_map(|line| Some(line.split_once("committed ")?.1.to_owned()))
}

#[test]
fn threads_with_connections_of_their_own_write_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(Ledger::FILE_NAME);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let path = &path;
            scope.spawn(move || {
                let ledger = Ledger::open(path).unwrap();
                (0..25).for_each(|n| write(&ledger, &format!("{thread}-{n}")));
            });
        }
    });
    let ledger = Ledger::open(&path).unwrap();
    assert_eq!((ledger.traces(1_000).unwrap().len(), history(&ledger).len()), (100, 100));
}

#[test]
fn handles_of_one_ledger_are_shared_between_threads() {
    let ledger = Ledger::in_memory().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let ledger = ledger.clone();
            scope.spawn(move || (0..25).for_each(|n| write(&ledger, &format!("{thread}-{n}"))));
        }
    });
    assert_eq!(history(&ledger).len(), 100);
}

#[test]
fn processes_open_a_new_ledger_and_write_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(Ledger::FILE_NAME);
    let mut children: Vec<Child> = (0..4).map(|n| child(&path, &format!("p{n}"), 20)).collect();
    let mut all = BTreeSet::new();
    for child in &mut children {
        all.extend(acknowledged(child));
        assert!(child.wait().unwrap().success());
    }
    let ledger = Ledger::open(&path).unwrap();
    let there: BTreeSet<String> = ledger.traces(1_000).unwrap().into_iter().map(|t| t.trace_id).collect();
    assert_eq!((there.len(), &there), (80, &all));
    assert_eq!(history(&ledger).len(), 80);
}

#[test]
fn a_writer_that_is_killed_loses_nothing_that_was_committed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(Ledger::FILE_NAME);
    let mut all = BTreeSet::new();
    for round in 0..8 {
        let mut child = child(&path, &format!("r{round}"), 1_000_000);
        let mut lines = acknowledged(&mut child);
        all.extend(lines.by_ref().take(3 + 7 * round));
        // SIGKILL, in the middle of its work.
        child.kill().unwrap();
        all.extend(lines);
        assert!(!child.wait().unwrap().success());
        let ledger = Ledger::open(&path).unwrap();
        let traces = ledger.traces(1_000_000).unwrap();
        let there: BTreeSet<String> = traces.iter().map(|t| t.trace_id.clone()).collect();
        assert!(all.is_subset(&there), "lost: {:?}", all.difference(&there));
        // No transaction is there by half, and a killed one is at most one a round.
        assert!(traces.iter().all(|t| t.subtasks == 2) && there.len() <= all.len() + round + 1);
        assert!(all.iter().all(|t| ledger.decisions_of(t).unwrap()[0].outcomes.len() == 1));
    }
    assert!(all.len() > 200, "{}", all.len());
}

#[test]
fn requests_come_back_with_the_experts_that_did_them_and_without_those_that_went_wrong() {
    let ledger = Ledger::in_memory().unwrap();
    // Of two decisions on a subtask the newer one holds.
    ledger.record(&[decision("t1", 1, "paint"), decision("t1", 2, "count"), decision("t1", 1, "draw")]).unwrap();
    ledger.record(&[decision("t2", 1, "paint")]).unwrap();
    ledger.record(&[decision("t3", 1, "sum")]).unwrap();
    ledger.add_outcomes(&[outcome(&decision("t2", 1, "paint"), OutcomeKind::User, 0.2)]).unwrap();
    let experts = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
    let expected =
        [("request of t3".to_owned(), experts(&["sum"])), ("request of t1".to_owned(), experts(&["draw", "count"]))];
    assert_eq!(ledger.requests(10).unwrap(), expected);
    assert_eq!(ledger.requests(1).unwrap(), expected[..1]);
}
