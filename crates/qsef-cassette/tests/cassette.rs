//! Recording and playing back, on models and embedders without weights.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // helpers of tests are test code

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use futures::{StreamExt, future::join_all};
use qsef_cassette::{Cassette, Mode, Scrubber};
use qsef_core::{
    AnyEmbedder, AnyExpert, AnyModel, Delta, DeltaStream, Error, Event, EventSink, Expert, ExpertCall, ExpertProfile,
    FinishReason, LanguageModel, Message, ModelInfo, Outcome, Payload, Request, Result, TokenLogprob, Usage,
    test_util::{LetterEmbedder, ScriptedModel},
};
use serde_json::{Value, json};

fn open(path: &Path, mode: Mode) -> Cassette {
    Cassette::with(path, mode, Scrubber::new().unwrap()).unwrap()
}

fn never<T>() -> Result<T> {
    panic!("nothing is opened where it is played back")
}

fn ask(text: &str) -> Request {
    Request::new(vec![Message::system("Answer.\nBe short."), Message::user(text)])
}

/// Records what a model of this script says to these texts.
async fn record(path: &Path, script: ScriptedModel, texts: &[&str]) {
    let cassette = open(path, Mode::Record);
    let model = cassette.model("m", || Ok(AnyModel::new(script))).unwrap();
    for text in texts {
        let _ = model.generate(ask(text)).await;
    }
    cassette.finish().unwrap();
}

fn echo() -> ScriptedModel {
    ScriptedModel::new(|request| Ok(format!("you said\n{}", request.messages[1].as_text().unwrap())))
}

#[tokio::test]
async fn answers_come_back_in_any_order_and_all_of_them_have_to() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new/folder/a.json");
    record(&path, echo(), &["one", "two", "one"]).await;
    let cassette = open(&path, Mode::Auto);
    assert!(!cassette.records());
    let model = cassette.model("m", never).unwrap();
    assert_eq!(model.info().name, "scripted");
    let texts = join_all(["one", "one", "two"].map(|text| model.generate(ask(text)))).await;
    let texts: Vec<String> = texts.into_iter().map(|made| made.unwrap().text).collect();
    assert_eq!(texts, ["you said\none", "you said\none", "you said\ntwo"]);
    cassette.finish().unwrap();

    let cassette = open(&path, Mode::Replay);
    let model = cassette.model("m", never).unwrap();
    model.generate(ask("one")).await.unwrap();
    let error = cassette.finish().unwrap_err().to_string();
    assert!(error.contains("interaction 2 did not come") && error.contains("interaction 3 did not"), "{error}");
    assert!(error.contains("\"user\": \"two\"") && error.contains("QSEF_CASSETTE=record"), "{error}");
    assert!(cassette.model("n", never).unwrap_err().to_string().contains("the model `n`, but of: m"));
}

#[tokio::test]
async fn another_request_fails_with_the_difference() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.json");
    record(&path, echo(), &["one\ntwo\nthree", "something else"]).await;
    let cassette = open(&path, Mode::Replay);
    let model = cassette.model("m", never).unwrap();
    let error = model.generate(ask("one\n2\nthree")).await.unwrap_err().to_string();
    for part in ["interaction 1", "-        \"two\"", "+        \"2\"", "a.json", "the model `m`"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert!(!error.contains("something else"), "{error}");
    model.generate(ask("something else")).await.unwrap();
    let error = model.generate(ask("something else")).await.unwrap_err().to_string();
    assert!(error.contains("once more than the 1 recorded"), "{error}");
    let shorter = model.generate(ask("something else").max_tokens(3)).await.unwrap_err().to_string();
    assert!(shorter.contains("-  \"max_tokens\": 1024") && shorter.contains("+  \"max_tokens\": 3"), "{shorter}");
    // Who does not look at the model's error hears of it at the end.
    let error = cassette.finish().unwrap_err().to_string();
    assert!(error.contains("+        \"2\"") && error.contains("interaction 1 did not come"), "{error}");
}

#[tokio::test]
async fn secrets_are_not_recorded_and_play_back_where_they_are_others() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.json");
    let texts = ["my key is sk-abcdefghijklmnopqrstuv", "order 1234-5678"];
    let cassette = |mode| {
        let scrubber = Scrubber::new().unwrap().pattern(r"\d{4}-\d{4}", "[ORDER]").unwrap();
        Cassette::with(&path, mode, scrubber).unwrap()
    };
    let recorded = cassette(Mode::Record);
    recorded.note("request", texts[0]);
    let model = recorded.model("order 1234-5678.gguf", || Ok(AnyModel::new(echo()))).unwrap();
    for text in texts {
        model.generate(ask(text)).await.unwrap();
    }
    recorded.finish().unwrap();
    let file = std::fs::read_to_string(&path).unwrap();
    assert!(!file.contains("sk-") && !file.contains("1234") && file.contains("[ORDER]"), "{file}");
    let played = cassette(Mode::Replay);
    assert_eq!(played.noted("request").as_deref(), Some("my key is [KEY]"));
    let model = played.model("order 0000-0000.gguf", never).unwrap();
    let made = model.generate(ask("my key is sk-0000000000000000000000")).await.unwrap();
    assert_eq!(made.text, "you said\nmy key is [KEY]");
    model.generate(ask("order 0000-0000")).await.unwrap();
    played.finish().unwrap();
}

/// Streams three pieces with their probabilities, and fails after the second where it is asked to.
struct Pieces(ModelInfo);

impl LanguageModel for Pieces {
    fn info(&self) -> &ModelInfo {
        &self.0
    }

    async fn stream(&self, request: Request) -> Result<DeltaStream> {
        let text = |text: &str| {
            let logprob =
                TokenLogprob { token: text.into(), logprob: -0.5, top: vec![("x".into(), -1.0)], top_ids: vec![7] };
            Ok(Delta::Text { text: text.into(), logprobs: vec![logprob] })
        };
        let usage = Usage { prompt_tokens: 9, cached_tokens: 2, completion_tokens: 3 };
        let failed = || Error::Unavailable { what: "m".into(), message: "cut".into(), retry_after: None };
        let deltas = match request.messages[1].as_text().unwrap().as_str() {
            "fail" => return Err(failed()),
            "cut" => vec![text("Pa"), text("rís\n"), Err(failed())],
            _ => vec![text("Pa"), text("rís\n"), text("✓"), Ok(Delta::End { usage, finish: FinishReason::Length })],
        };
        Ok(futures::stream::iter(deltas).boxed())
    }
}

#[tokio::test]
async fn streams_come_back_piece_by_piece_with_their_failures() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.json");
    let pieces = AnyModel::new(Pieces(AnyModel::new(echo()).info().clone()));
    let hear = async |model: AnyModel, text: &str| match model.stream(ask(text)).await {
        Ok(stream) => format!("{:?}", stream.collect::<Vec<_>>().await),
        Err(error) => format!("{error:?}"),
    };
    let recorded = open(&path, Mode::Record);
    let model = recorded.model("m", || Ok(pieces)).unwrap();
    let texts = ["go", "cut", "fail"];
    let mut heard = Vec::new();
    for text in texts {
        heard.push(hear(model.clone(), text).await);
    }
    let mut dropped = model.stream(ask("dropped")).await.unwrap();
    dropped.next().await.unwrap().unwrap();
    drop(dropped);
    recorded.finish().unwrap();
    let played = open(&path, Mode::Replay);
    let model = played.model("m", never).unwrap();
    for (text, heard) in texts.iter().zip(heard) {
        assert_eq!(hear(model.clone(), text).await, heard);
    }
    let mut stream = model.stream(ask("dropped")).await.unwrap();
    assert!(matches!(stream.next().await, Some(Ok(Delta::Text { text, .. })) if text == "Pa"));
    assert!(stream.next().await.unwrap().unwrap_err().to_string().contains("the recording ends here"));
    played.finish().unwrap();
}

#[tokio::test]
async fn vectors_come_back_to_the_bit_and_stand_in_the_file_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.json");
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let recorded = open(&path, Mode::Record);
    let real = recorded.embedder("e", async { Ok(AnyEmbedder::new(LetterEmbedder)) }).await.unwrap();
    let made = real.embed(texts(&["abc", "xyz"])).await.unwrap();
    real.embed(texts(&["xyz"])).await.unwrap();
    recorded.finish().unwrap();
    let file: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(file["vectors"].as_array().unwrap().len(), 2);
    assert_eq!(file["interactions"][1], json!({"embedder": "e", "request": ["xyz"], "answer": {"vectors": [1]}}));
    let played = open(&path, Mode::Replay);
    let embedder = played.embedder("e", async { never() }).await.unwrap();
    assert_eq!(embedder.dimensions(), 26);
    assert_eq!(embedder.embed(texts(&["xyz"])).await.unwrap(), made[1..]);
    assert_eq!(embedder.embed(texts(&["abc", "xyz"])).await.unwrap(), made);
    assert!(embedder.embed(texts(&["abd", "xyz"])).await.unwrap_err().to_string().contains("+  \"abd\""));
}

/// Says what it does, and does it unless it is told to do nothing.
struct Wave(ExpertProfile, Mutex<u32>);

impl Expert for Wave {
    fn profile(&self) -> &ExpertProfile {
        &self.0
    }

    async fn run(&self, call: ExpertCall) -> Result<Outcome> {
        *self.1.lock().unwrap() += 1;
        for text in ["wa", "ve"] {
            call.events.send(Event::Text { id: call.id, text: text.into() });
        }
        match call.task.as_str() {
            "nothing" => Err(Error::Declined { expert: "wave".into(), message: "there is nothing to do".into() }),
            task => Ok(Payload::text(format!("waved at {task}")).into()),
        }
    }
}

#[tokio::test]
async fn an_expert_is_not_called_again_and_reports_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.json");
    let expert = || AnyExpert::new(Wave(ExpertProfile::new("wave", "Waves."), Mutex::new(0)));
    let heard = Arc::new(Mutex::new(Vec::new()));
    let call = |task: &str| {
        let (mut call, heard) = (ExpertCall::new(task), heard.clone());
        call.events = EventSink::new(move |event| heard.lock().unwrap().push(event));
        call
    };
    let recorded = open(&path, Mode::Record);
    let wave = recorded.expert(expert());
    let made = wave.run(call("Ann")).await.unwrap();
    wave.run(call("nothing")).await.unwrap_err();
    recorded.finish().unwrap();
    heard.lock().unwrap().clear();
    let played = open(&path, Mode::Replay);
    let wave = played.expert(expert());
    assert!(
        matches!(wave.run(call("nothing")).await, Err(Error::Declined { message, .. }) if message.contains("nothing"))
    );
    assert_eq!(wave.run(call("Ann")).await.unwrap(), made);
    assert!(heard.lock().unwrap().iter().all(|e| matches!(e, Event::Text { text, .. } if text == "wave")));
    assert_eq!(heard.lock().unwrap().len(), 2);
    played.finish().unwrap();
}

#[test]
fn what_is_no_cassette_is_refused_in_a_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.json");
    let refused = || Cassette::with(&path, Mode::Replay, Scrubber::new().unwrap()).unwrap_err();
    assert!(refused().to_string().contains("QSEF_CASSETTE=record makes it"));
    for (text, message) in [
        ("{\n\"cassette\": 1, \"interactions\": [}", "a.json:2"),
        ("{\"cassette\": 2, \"interactions\": []}", "version 2"),
        ("{\"interactions\": []}", "missing field `cassette`"),
        ("{\"cassette\": 1, \"interactions\": [], \"vektors\": []}", "vektors"),
        ("{\"cassette\": 1, \"interactions\": [{\"request\": 1, \"answer\": 1}]}", "no cassette"),
    ] {
        std::fs::write(&path, text).unwrap();
        let error = refused();
        assert!(matches!(error, Error::File { .. }) && error.to_string().contains(message), "{text}: {error}");
    }
    std::fs::write(&path, r#"{"cassette": 1, "models": {"m": {"name": "m", "context_tokens": 9, "accepts": [], "price": {"input": 0, "cached": 0, "output": 0}}},
        "interactions": [{"model": "m", "request": {"messages": [{"user": "x"}], "max_tokens": 1024}, "answer": {"txt": ""}}]}"#).unwrap();
    let model = open(&path, Mode::Replay).model("m", never).unwrap();
    let request = Request::new(vec![Message::user("x")]);
    let error = futures::executor::block_on(model.generate(request)).unwrap_err();
    assert!(error.to_string().contains("unknown field `txt`"), "{error}");
}
