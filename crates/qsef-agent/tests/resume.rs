//! Runs that are stored and taken up again: after `kill -9` at every step, after a limit, after a person's word.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // helpers of tests are test code

mod support;

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use qsef_agent::{
    Hub, Ledger, RunOptions, RunReport,
    run::{Approval, Approver, Ended, Fault, FaultKind, Run, Step, replay},
};
use qsef_core::{Cost, Effects, Error, EventSink, Outcome, Payload, Status, Usage};
use support::{Scripted, echo, expert, hub};

const STEPS: &[(&str, &[usize])] =
    &[("paint work now", &[]), ("count work of it", &[1]), ("sing work alone today", &[]), ("weld work of it", &[2])];

const ANSWER: &str = "weld(count(paint()))";

/// An expert that costs money: it keeps an account of its work in a file, as a server would.
fn paid(id: &'static str, account: PathBuf) -> Scripted {
    let mut paid = expert(id, move |call| {
        let account = account.clone();
        async move {
            let mut file = std::fs::OpenOptions::new().create(true).append(true).open(account).unwrap();
            writeln!(file, "{id}").unwrap();
            file.sync_all().unwrap();
            let inputs: Vec<String> = call.inputs.iter().map(|i| i.payload.to_text()).collect();
            let usage = Usage { prompt_tokens: 900, completion_tokens: 100, ..Usage::default() };
            Ok(Outcome { cost: Cost::of(usage, 1.0), ..Payload::text(format!("{id}({})", inputs.join(","))).into() })
        }
    });
    paid.profile.usd_per_mtok = 1.0;
    paid
}

async fn paid_hub(dir: &Path) -> (Hub, String) {
    let experts = ["paint", "count", "sing", "weld"].map(|id| paid(id, dir.join("account"))).into();
    let (hub, request) = hub(STEPS, experts, None).await;
    (hub.with_ledger(Ledger::open(dir.join(Ledger::FILE_NAME))), request)
}

fn steps(dir: &Path) -> Vec<Step> {
    let ledger = Ledger::open(dir.join(Ledger::FILE_NAME)).unwrap();
    let Ok(trace) = ledger.resolve("last") else { return Vec::new() };
    ledger.steps_of(&trace).unwrap().into_iter().map(|(_, step)| step).collect()
}

fn account(dir: &Path) -> BTreeMap<String, usize> {
    let mut sums = BTreeMap::new();
    for line in std::fs::read_to_string(dir.join("account")).unwrap_or_default().lines() {
        *sums.entry(line.to_owned()).or_default() += 1;
    }
    sums
}

const CHILD: &str = "QSEF_RESUME_TEST_CHILD";

/// No test of its own: a process that runs a request, and stops for good at its n-th event, to be killed there.
#[test]
fn runs_for_the_test_that_kills() {
    let Ok(order) = std::env::var(CHILD) else { return };
    let (stop_at, dir) = order.split_once(' ').unwrap();
    let (stop_at, seen) = (stop_at.parse::<usize>().unwrap(), Arc::new(AtomicUsize::new(0)));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (hub, request) = paid_hub(Path::new(dir)).await;
        let mut options = RunOptions::default();
        options.events = EventSink::new(move |_| {
            if seen.fetch_add(1, Ordering::SeqCst) == stop_at {
                println!("stopped");
                std::thread::sleep(Duration::from_secs(600));
            }
        });
        hub.run(&request, options).await.unwrap();
        println!("finished");
    });
}

#[tokio::test]
async fn a_run_that_is_killed_at_any_step_goes_on_and_nothing_is_paid_twice() {
    let mut kills = 0;
    for stop_at in 0.. {
        let dir = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "runs_for_the_test_that_kills", "--nocapture"])
            .env(CHILD, format!("{stop_at} {}", dir.path().display()))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let last = lines.find_map(|l| ["stopped", "finished"].into_iter().find(|word| l.contains(word))).unwrap();
        // SIGKILL.
        child.kill().unwrap();
        child.wait().unwrap();
        let before = steps(dir.path());
        let ended: Vec<String> = before
            .iter()
            .filter_map(|s| if let Step::Ended { expert, .. } = s { Some(expert.clone()) } else { None })
            .collect();
        let started = before.iter().filter(|s| matches!(s, Step::Started { .. })).count();
        if last == "finished" {
            assert_eq!((ended.len(), started), (4, 4));
            break;
        }
        kills += 1;
        let (hub, _) = paid_hub(dir.path()).await;
        let trace = hub.ledger().unwrap().resolve("last").unwrap();
        let report = hub.resume(&trace, BTreeMap::new(), RunOptions::default()).await.unwrap();
        assert!(report.succeeded() && report.answer.contains(ANSWER), "killed at {stop_at}: {}", report.answer);
        assert_eq!(report.subtasks.len(), 4);
        let account = account(dir.path());
        for id in &ended {
            assert_eq!(account[id], 1, "{id} was paid again; killed at {stop_at}");
        }
        // What was under way when it was killed had not been stored, and only that is done again.
        assert!(account.values().sum::<usize>() <= 4 + (started - ended.len()), "{account:?}, killed at {stop_at}");
        assert!((report.cost_usd - 0.004).abs() < 1e-9, "{}", report.cost_usd);
        // It can be looked at again: the same steps make the same run.
        let (first, again) = (replay(steps(dir.path())).unwrap(), replay(steps(dir.path())).unwrap());
        assert!(first == again && first.next().is_empty());
    }
    assert!(kills >= 14, "{kills} kills");
}

#[tokio::test]
async fn a_replay_refuses_steps_that_do_not_follow() {
    let dir = tempfile::tempdir().unwrap();
    let (hub, request) = paid_hub(dir.path()).await;
    let report = hub.run(&request, RunOptions::default()).await.unwrap();
    let steps = steps(dir.path());
    let run = replay(steps.clone()).unwrap();
    let outputs = |run: &Run| run.work.values().map(|w| w.output.clone()).collect::<Vec<_>>();
    assert_eq!(outputs(&run), report.subtasks.iter().map(|s| s.output.clone()).collect::<Vec<_>>());
    for (number, step) in steps.iter().enumerate() {
        // Without any one step the others lead nowhere, unless nothing came of it: an end that nobody waited for.
        let mut without = steps.clone();
        without.remove(number);
        let is_leaf = matches!(step, Step::Ended { id: 3 | 4, .. });
        assert_eq!(replay(without).is_ok(), is_leaf, "without step {}", number + 1);
    }
    let mut asked = steps.clone();
    for step in &mut asked {
        if let Step::Started { task, .. } = step {
            task.push_str(" and more");
        }
    }
    let refused = replay(asked).unwrap_err().to_string();
    assert!(refused.contains("and more") && refused.contains("step 4"), "{refused}");
    let result = Ended::Done(Payload::text("x").into());
    let stray = Step::Ended { id: 9, expert: "paint".into(), elapsed_ms: 1, result, hand_offs: Vec::new() };
    assert!(replay(steps.into_iter().chain([stray])).is_err());
}

#[tokio::test]
async fn of_two_that_go_on_with_one_run_only_one_does() {
    let dir = tempfile::tempdir().unwrap();
    let (first, request) = paid_hub(dir.path()).await;
    let mut limited = RunOptions::default();
    limited.budget.calls = Some(2);
    let report = first.run(&request, limited).await.unwrap();
    assert!(report.exhausted.is_some());
    let (second, _) = paid_hub(dir.path()).await;
    let mut more = RunOptions::default();
    more.budget.calls = Some(9);
    let (a, b) = tokio::join!(
        first.resume(&report.trace_id, BTreeMap::new(), more.clone()),
        second.resume(&report.trace_id, BTreeMap::new(), more)
    );
    let (done, refused): (Vec<_>, Vec<_>) = [a, b].into_iter().partition(Result::is_ok);
    assert_eq!((done.len(), refused.len()), (1, 1));
    assert!(matches!(&refused[0], Err(Error::Input(m)) if m.contains("another process")), "{refused:?}");
    assert!(account(dir.path()).values().all(|n| *n == 1), "{:?}", account(dir.path()));
}

#[tokio::test]
async fn a_limit_stops_before_it_is_passed_and_more_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (hub, request) = paid_hub(dir.path()).await;
    for (calls, done) in [(1u64, 0usize), (3, 2)] {
        let mut options = RunOptions::default();
        // One is the planner's.
        options.budget.calls = Some(calls);
        let report = hub.run(&request, options).await.unwrap();
        let count = report.subtasks.iter().filter(|s| s.status == Status::Done).count();
        assert_eq!(count, done, "{report:?}");
        assert!(report.exhausted.as_ref().unwrap().contains("no calls are left"), "{:?}", report.exhausted);
        let mut more = RunOptions::default();
        more.budget.calls = Some(5);
        let report = hub.resume(&report.trace_id, BTreeMap::new(), more).await.unwrap();
        assert!(report.succeeded() && report.answer.contains(ANSWER), "{}", report.answer);
    }
    let mut tokens = RunOptions::default();
    tokens.budget.tokens = Some(2500);
    let Err(Error::Budget(_)) = hub.run(&request, tokens.clone()).await else { panic!("four need 4000 tokens") };
}

/// A hub whose second step changes the world and needs a person.
async fn careful_hub(dir: &Path) -> (Hub, String) {
    let mut sends = paid("count", dir.join("account"));
    sends.profile.requires_approval = true;
    sends.profile.effects = Effects::External;
    let steps: &[(&str, &[usize])] = &[("paint work now", &[]), ("count work of it", &[1]), ("sing work of it", &[2])];
    let (hub, request) = hub(steps, vec![echo("paint"), sends, echo("sing")], None).await;
    (hub.with_ledger(Ledger::open(dir.join(Ledger::FILE_NAME))), request)
}

fn status(report: &RunReport) -> Vec<Status> {
    report.subtasks.iter().map(|s| s.status).collect()
}

#[tokio::test]
async fn what_needs_approval_waits_for_it_across_processes() {
    use Status::{Done, Failed, Paused, Pending, Skipped};
    for (approval, expected, sung) in [
        (Approval::Approve, [Done, Done, Done], "sing(count(paint()))"),
        (Approval::Edit("count work twice".into()), [Done, Done, Done], "sing(count(paint()))"),
        (Approval::Deny("too dear".into()), [Done, Failed, Skipped], "too dear"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (hub, request) = careful_hub(dir.path()).await;
        let report = hub.run(&request, RunOptions::default()).await.unwrap();
        assert!(report.paused && !report.succeeded() && account(dir.path()).is_empty());
        assert_eq!(status(&report), [Done, Paused, Pending]);
        // Another process; nothing changes until a person has spoken.
        let (later, _) = careful_hub(dir.path()).await;
        let waiting = later.resume(&report.trace_id, BTreeMap::new(), RunOptions::default()).await.unwrap();
        assert!(waiting.paused);
        let stray = later.resume(&report.trace_id, [(1, Approval::Approve)].into(), RunOptions::default()).await;
        assert!(matches!(stray, Err(Error::Input(m)) if m.contains("subtask 1")));
        let denied = matches!(approval, Approval::Deny(_));
        let answers = BTreeMap::from([(2, approval.clone())]);
        let report = later.resume(&report.trace_id, answers, RunOptions::default()).await.unwrap();
        assert_eq!(status(&report), expected, "{approval:?}");
        assert!(report.answer.contains(sung), "{}", report.answer);
        assert_eq!(account(dir.path()).get("count").copied(), (!denied).then_some(1));
        if let Approval::Edit(task) = &approval {
            let asked = |s: &Step| matches!(s, Step::Started { task: asked, .. } if asked == task);
            assert!(steps(dir.path()).iter().any(asked));
        }
        // Denied stays denied.
        let again = later.resume(&report.trace_id, BTreeMap::new(), RunOptions::default()).await.unwrap();
        assert_eq!(again.succeeded(), !denied);
    }
}

#[tokio::test]
async fn a_person_who_is_there_is_asked_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (hub, request) = careful_hub(dir.path()).await;
    let mut options = RunOptions::default();
    options.approver = Some(Approver::new(|question| async move {
        assert_eq!((question.expert.as_str(), question.task.as_str()), ("count", "count work of it"));
        assert_eq!(question.inputs[0].payload, Payload::text("paint()"));
        Some(Approval::Approve)
    }));
    assert!(hub.run(&request, options).await.unwrap().succeeded());
    let mut silent = RunOptions::default();
    silent.approver = Some(Approver::new(|_| async { None }));
    assert!(hub.run(&request, silent).await.unwrap().paused);
}

#[tokio::test]
async fn what_may_have_changed_the_world_is_not_done_again_unasked() {
    let dir = tempfile::tempdir().unwrap();
    let (hub, request) = careful_hub(dir.path()).await;
    let report = hub.run(&request, RunOptions::default()).await.unwrap();
    let mut stored = steps(dir.path());
    // As if it had been killed in the middle of the call; as if that had failed, or been cut off by the deadline.
    stored.push(Step::Answered { id: 2, approval: Approval::Approve });
    stored.push(Step::Started { id: 2, expert: "count".into(), task: "count work of it".into() });
    let failed = |kind| {
        let result = Ended::Failed(Fault { kind, message: "cut off".into(), retry_ms: None });
        Step::Ended { id: 2, expert: "count".into(), elapsed_ms: 1, result, hand_offs: Vec::new() }
    };
    let stopped = Step::Stopped { reason: "the deadline has passed".into() };
    for (end, asked) in [
        (None, true),
        (Some(stopped), true),
        (Some(failed(FaultKind::TimedOut)), true),
        (Some(failed(FaultKind::Unavailable)), true),
        (Some(failed(FaultKind::Vetoed)), false),
    ] {
        let resumed = Step::Resumed { budget: Default::default() };
        let run = replay(stored.iter().cloned().chain(end.clone()).chain([resumed])).unwrap();
        assert_eq!(run.paused().count() == 1, asked, "{end:?}");
        if asked {
            assert!(run.work[&2].why.contains("may have happened") && run.next().is_empty(), "{end:?}");
        }
    }
    assert!(report.paused);
}
