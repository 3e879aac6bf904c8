//! What goes wrong with experts, each as it really does: every run ends with an answer, a part of one, or a clear error, and
//! nothing that was paid for is paid again.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // helpers of tests are test code

mod support;

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use qsef_agent::{Guard, RunOptions, RunReport};
use qsef_core::{Effects, Error, ExpertCall, ExpertProfile, Outcome, Payload, Result, Status};
use support::{Scripted, echo, expert, hub};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What a server does with a request.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Does {
    Works,
    Refuses(u16),
    Resets,
    Hangs,
    Garbage,
    WrongSchema,
    CutsOff,
}

/// A server on this machine that does with its first requests what it is told, and works after that. It counts the answers
/// that it was paid for.
struct Server {
    address: SocketAddr,
    seen: Arc<AtomicUsize>,
    paid: Arc<AtomicUsize>,
}

impl Server {
    fn that(script: Vec<Does>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, paid) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (counts, pays) = (seen.clone(), paid.clone());
        std::thread::spawn(move || {
            let mut held = Vec::new();
            for stream in listener.incoming() {
                let does = script.get(counts.fetch_add(1, Ordering::SeqCst)).copied().unwrap_or(Does::Works);
                let mut stream = stream.unwrap();
                if does == Does::Resets {
                    // Closed with the request unread, the connection is reset.
                    std::thread::sleep(Duration::from_millis(20));
                    continue;
                }
                let _ = stream.read(&mut [0; 4096]);
                let mut answer = |status: &str, body: &str, length: usize| {
                    let head = format!("HTTP/1.1 {status}\r\nRetry-After: 0\r\nContent-Length: {length}\r\n\r\n");
                    let _ = stream.write_all(format!("{head}{body}").as_bytes());
                };
                match does {
                    Does::Works => {
                        pays.fetch_add(1, Ordering::SeqCst);
                        answer("200 OK", r#"{"text":"counted"}"#, 18);
                    }
                    Does::Refuses(status) => answer(&format!("{status} No"), "busy", 4),
                    Does::Garbage => answer("200 OK", r#"{"text": "cou"#, 13),
                    Does::WrongSchema => answer("200 OK", r#"{"number": 7}"#, 13),
                    Does::CutsOff => answer("200 OK", r#"{"text":"#, 18),
                    Does::Resets => {}
                    Does::Hangs => held.push(stream),
                }
            }
        });
        Self { address, seen, paid }
    }

    /// An expert that asks the server.
    fn expert(&self, id: &'static str) -> Scripted {
        let address = self.address;
        let mut remote = expert(id, move |_| ask(address));
        remote.profile.timeout_s = Some(0.3);
        remote
    }

    fn counts(&self) -> (usize, usize) {
        (self.seen.load(Ordering::SeqCst), self.paid.load(Ordering::SeqCst))
    }
}

async fn ask(address: SocketAddr) -> Result<Outcome> {
    let lost =
        |e: std::io::Error| Error::Unavailable { what: "server".into(), message: e.to_string(), retry_after: None };
    let mut stream = tokio::net::TcpStream::connect(address).await.map_err(lost)?;
    stream.write_all(b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n").await.map_err(lost)?;
    let mut bytes = Vec::new();
    loop {
        let mut chunk = [0; 1024];
        let read = stream.read(&mut chunk).await.map_err(lost)?;
        bytes.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            if read == 0 {
                return Err(lost(std::io::ErrorKind::UnexpectedEof.into()));
            }
            continue;
        };
        let field = |name: &str| head.lines().find_map(|l| l.strip_prefix(name)).map(str::trim).map(str::to_owned);
        let length: usize = field("Content-Length:").unwrap().parse().unwrap();
        if body.len() < length && read > 0 {
            continue;
        }
        let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
        if status != 200 {
            let retry_after = field("Retry-After:").map(|s| Duration::from_secs(s.parse().unwrap()));
            return Err(Error::Unavailable {
                what: "server".into(),
                message: format!("{status}: {body}"),
                retry_after,
            });
        }
        if body.len() < length {
            return Err(lost(std::io::ErrorKind::UnexpectedEof.into()));
        }
        let bad = |message: String| Error::BadOutput { model: "server".into(), message, output: body.to_owned() };
        let value: serde_json::Value = serde_json::from_str(body).map_err(|e| bad(e.to_string()))?;
        let text = value["text"].as_str().ok_or_else(|| bad("there is no `text`".into()))?;
        return Ok(Payload::text(text).into());
    }
}

/// Paints, counts on the server, sings about the count; and welds, which needs none of that.
async fn run(server: &Server, fallback: Option<&'static str>) -> RunReport {
    let steps: &[(&str, &[usize])] = &[
        ("paint work now", &[]),
        ("count work of it", &[1]),
        ("sing work of it", &[2]),
        ("weld work alone here", &[]),
    ];
    let mut experts = vec![echo("paint"), server.expert("count"), echo("sing"), echo("weld")];
    experts.extend(fallback.map(echo));
    let (hub, request) = hub(steps, experts, fallback).await;
    hub.run(&request, RunOptions::default()).await.unwrap()
}

fn status(report: &RunReport) -> Vec<Status> {
    report.subtasks.iter().map(|s| s.status).collect()
}

#[tokio::test]
async fn what_passes_is_tried_again_and_paid_once() {
    for does in [Does::Refuses(429), Does::Refuses(500), Does::Refuses(503), Does::Resets, Does::CutsOff] {
        for times in 1..=2 {
            let server = Server::that(vec![does; times]);
            let report = run(&server, None).await;
            assert!(report.succeeded() && report.answer.contains("sing(counted)"), "{does:?}: {}", report.answer);
            assert_eq!(server.counts(), (times + 1, 1), "{does:?}");
        }
    }
    // What cannot be used is asked for once more.
    for does in [Does::Garbage, Does::WrongSchema] {
        let server = Server::that(vec![does]);
        assert!(run(&server, None).await.succeeded(), "{does:?}");
        assert_eq!(server.counts(), (2, 1));
    }
}

#[tokio::test]
async fn what_lasts_ends_in_a_part_of_the_answer_and_a_clear_error() {
    let rows = [
        (Does::Refuses(429), 3, "429"),
        (Does::Refuses(500), 3, "500"),
        (Does::Resets, 3, "not available"),
        (Does::CutsOff, 3, "not available"),
        (Does::Garbage, 2, "unusable"),
        (Does::WrongSchema, 2, "no `text`"),
        // One that hangs is not asked again: it may be at work.
        (Does::Hangs, 1, "took longer than 300ms"),
    ];
    for (does, calls, error) in rows {
        let server = Server::that(vec![does; 9]);
        let report = run(&server, None).await;
        assert_eq!(status(&report), [Status::Done, Status::Failed, Status::Skipped, Status::Done], "{does:?}");
        let said = report.subtasks[1].error.as_ref().unwrap();
        assert!(said.contains(error), "{does:?}: {said}");
        assert!(report.answer.contains("paint()") && report.answer.contains("weld()"), "{}", report.answer);
        assert_eq!(server.counts(), (calls, 0), "{does:?}");
    }
}

#[tokio::test]
async fn where_another_can_take_over_it_does() {
    for does in [Does::Refuses(500), Does::Hangs, Does::Garbage] {
        let server = Server::that(vec![does; 9]);
        let report = run(&server, Some("general")).await;
        assert!(report.succeeded() && report.answer.contains("sing(general(paint()))"), "{does:?}: {}", report.answer);
        assert_eq!(report.subtasks[1].expert, "general");
        assert!(report.subtasks[1].why.starts_with("count: "), "{}", report.subtasks[1].why);
    }
}

#[tokio::test]
async fn an_expert_that_panics_fails_alone() {
    for message in ["static", "formatted"] {
        let panics = expert("count", move |_| async move {
            if message == "static" {
                panic!("no abacus");
            }
            panic!("no {}", "abacus");
        });
        // Before there is a future at all.
        let at_once = expert("count", |_: ExpertCall| -> std::future::Ready<Result<Outcome>> { panic!("no abacus") });
        for count in [panics, at_once] {
            let steps: &[(&str, &[usize])] = &[("paint work now", &[]), ("count work of it", &[1])];
            let (hub, request) = hub(steps, vec![echo("paint"), count], None).await;
            let report = hub.run(&request, RunOptions::default()).await.unwrap();
            assert_eq!(status(&report), [Status::Done, Status::Failed]);
            assert!(report.subtasks[1].error.as_ref().unwrap().contains("it panicked: no abacus"));
        }
    }
}

#[tokio::test]
async fn what_changes_the_world_is_done_once_at_most() {
    for does in [Does::Refuses(500), Does::Resets, Does::Hangs, Does::CutsOff] {
        let server = Server::that(vec![does; 9]);
        let mut acts = server.expert("count");
        acts.profile.effects = Effects::External;
        let (hub, request) = hub(&[("count work", &[])], vec![acts, echo("general")], Some("general")).await;
        let report = hub.run(&request, RunOptions::default()).await.unwrap();
        assert_eq!((status(&report), server.counts().0), (vec![Status::Failed], 1), "{does:?}");
    }
}

#[tokio::test]
async fn an_expert_out_of_order_is_left_alone() {
    let server = Server::that(vec![Does::Refuses(500); 99]);
    let (hub, request) =
        hub(&[("count work", &[])], vec![server.expert("count"), echo("general")], Some("general")).await;
    for _ in 0..5 {
        assert!(hub.run(&request, RunOptions::default()).await.unwrap().succeeded());
    }
    // Five failures in a row opened the circuit; the rest went to the fallback without a call.
    assert_eq!(server.counts().0, 5);
}

#[tokio::test]
async fn a_deadline_is_passed_on_and_ends_what_is_under_way() {
    let (told, dropped) = (Arc::new(Mutex::new(None)), Arc::new(AtomicUsize::new(0)));
    struct Drops(Arc<AtomicUsize>);
    impl Drop for Drops {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let (tells, counts) = (told.clone(), dropped.clone());
    let waits = expert("count", move |call: ExpertCall| {
        let drops = Drops(counts.clone());
        *tells.lock().unwrap() = call.deadline;
        async move {
            let _drops = drops;
            std::future::pending().await
        }
    });
    let (hub, request) = hub(&[("count work", &[])], vec![waits], None).await;
    let mut options = RunOptions::default();
    options.budget.time = Some(Duration::from_millis(200));
    let before = Instant::now();
    let report = hub.run(&request, options).await.unwrap();
    assert!(report.exhausted.unwrap().contains("deadline"));
    let deadline = told.lock().unwrap().unwrap();
    assert!(deadline > before && deadline < Instant::now());
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn no_more_calls_than_places_run_at_once() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let busy = |id: &'static str, places: Option<usize>| {
        let (now, most) = (now.clone(), most.clone());
        let mut busy = expert(id, move |_| {
            let (now, most) = (now.clone(), most.clone());
            async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(20)).await;
                now.fetch_sub(1, Ordering::SeqCst);
                Ok(Payload::text("done").into())
            }
        });
        busy.profile.max_concurrent = places;
        busy
    };
    for (places, calls, expected) in [(Some(2), 64, 2), (None, 3, 3), (None, 64, 8), (Some(0), 64, 1)] {
        most.store(0, Ordering::SeqCst);
        let (hub, request) = hub(&[("count work", &[])], vec![busy("count", places)], None).await;
        let hub = hub.with_max_calls(calls);
        let runs = (0..8).map(|_| hub.run(&request, RunOptions::default()));
        assert!(futures::future::join_all(runs).await.into_iter().all(|r| r.unwrap().succeeded()));
        assert_eq!(most.load(Ordering::SeqCst), expected, "{places:?}, {calls}");
    }
}

#[tokio::test]
async fn a_guard_vetoes_calls_and_results() {
    struct NoPaint;
    impl Guard for NoPaint {
        fn before(&self, profile: &ExpertProfile, call: &ExpertCall) -> Result<()> {
            let refused = profile.id == "paint" && call.task.contains("paint");
            if refused { Err(Error::Vetoed("no paint in here".into())) } else { Ok(()) }
        }
        fn after(&self, _: &ExpertProfile, outcome: &Outcome) -> Result<()> {
            let secret = outcome.payload.to_text().contains("secret");
            if secret { Err(Error::Vetoed("that stays here".into())) } else { Ok(()) }
        }
    }
    let tells = expert("count", |_| async { Ok(Payload::text("the secret is 7").into()) });
    let steps: &[(&str, &[usize])] =
        &[("paint work now", &[]), ("count work alone", &[]), ("sing work alone here", &[])];
    let experts = vec![echo("paint"), tells, echo("sing"), echo("general")];
    let (hub, request) = hub(steps, experts, Some("general")).await;
    let report = hub.with_guard(NoPaint).run(&request, RunOptions::default()).await.unwrap();
    // Nobody takes over what must not be done.
    assert_eq!(status(&report), [Status::Failed, Status::Failed, Status::Done]);
    assert!(report.subtasks[0].error.as_ref().unwrap().contains("no paint in here"));
    assert!(!report.answer.contains("secret is"), "{}", report.answer);
}

#[tokio::test]
async fn a_subtask_that_nobody_can_do_is_split_once() {
    use qsef_agent::{Hub, Registry};
    use qsef_core::{
        AnyEmbedder, AnyExpert, AnyModel,
        test_util::{LetterEmbedder, ScriptedModel},
    };
    let split = r#"{"steps":[{"task":"paint work","uses":[]},{"task":"sing work of it","uses":[1]}]}"#;
    for (answer, expected) in [(split, Some("sing(paint())")), (r#"{"steps":[]}"#, None)] {
        let model = ScriptedModel::new(move |_| Ok(answer.to_owned()));
        let cannot =
            expert("count", |_| async { Err(Error::Expert { expert: "count".into(), message: "too many".into() }) });
        let experts = vec![cannot, echo("paint"), echo("sing")].into_iter().map(AnyExpert::new).collect();
        let registry = Registry::new(AnyEmbedder::new(LetterEmbedder), experts, None).await.unwrap();
        let hub = Hub::new(AnyModel::new(model.clone()), registry);
        let report = hub.run("count work", RunOptions::default()).await.unwrap();
        assert_eq!((report.succeeded(), model.requests().len()), (expected.is_some(), 1), "{report:?}");
        match expected {
            Some(sung) => assert!(report.answer == sung && report.subtasks.len() == 3, "{}", report.answer),
            None => assert!(report.answer.contains("too many"), "{}", report.answer),
        }
    }
}

/// The server as a person would find it.
#[test]
fn the_server_resets_connections() {
    let server = Server::that(vec![Does::Resets]);
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.write_all(b"POST / HTTP/1.1\r\n\r\n").unwrap();
    let read = stream.read(&mut [0; 16]);
    assert!(read.is_err() || read.unwrap() == 0);
}
