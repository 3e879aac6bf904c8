//! The decoder against llama.cpp and its own contract, on real models.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::expect_used)] // helpers of tests are test code

use std::{collections::HashMap, path::PathBuf, sync::Mutex, time::Instant};

use futures::StreamExt;
use qsef_candle::decoder::CandleModel;
use qsef_core::{AnyModel, Delta, Error, FinishReason, LanguageModel, Message, Request};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    message: String,
    prompt: String,
    prompt_tokens: Vec<u32>,
    new_tokens: Vec<u32>,
    gaps: Vec<Option<f32>>,
}

/// The model's file, fetched where it is not here yet; a model in the folder `QSEF_TEST_MODELS` comes first.
fn path(name: &str) -> Option<PathBuf> {
    let here = std::env::var_os("QSEF_TEST_MODELS").map(|dir| PathBuf::from(dir).join(format!("{name}.gguf")));
    if let Some(path) = here.filter(|p| p.exists()) {
        return Some(path);
    }
    let known = match name {
        "q05" => "qwen2.5-coder-0.5b",
        "q15" => "qwen2.5-coder-1.5b",
        _ => "smollm2-135m",
    };
    let store = qsef_candle::models::Store::open_default().unwrap();
    Some(store.ensure(known, &|_| {}, &std::sync::atomic::AtomicBool::new(false)).unwrap().main())
}

/// Loads each model once for all tests.
fn model(name: &'static str) -> Option<CandleModel> {
    static LOADED: Mutex<Option<HashMap<&'static str, CandleModel>>> = Mutex::new(None);
    let path = path(name)?;
    let mut loaded = LOADED.lock().unwrap();
    let models = loaded.get_or_insert_default();
    Some(models.entry(name).or_insert_with(|| CandleModel::load(name, &path).unwrap()).clone())
}

/// Continues llama.cpp's prompts greedily. A difference is accepted only where llama.cpp's own two best tokens are so
/// close (`tie`, in ln p) that rounding decides: both engines round activations to 8 bits, in different orders.
fn agrees(name: &'static str, tie: f32) {
    let Some(model) = model(name) else { return };
    let cases: HashMap<String, Vec<Case>> = serde_json::from_str(include_str!("data/greedy.json")).unwrap();
    let mut whole = 0;
    for case in &cases[name] {
        let prompt = model.prompt(&[Message::user(case.message.as_str())]).unwrap();
        assert_eq!(prompt.trim_end(), case.prompt.trim_end(), "template");
        assert_eq!(model.tokenize(&case.prompt).unwrap(), case.prompt_tokens, "tokens of {:?}", case.message);
        let made = model.greedy(&case.prompt_tokens, case.new_tokens.len()).unwrap();
        let same = made.iter().zip(&case.new_tokens).take_while(|(a, b)| a == b).count();
        if same == case.new_tokens.len() {
            whole += 1;
            continue;
        }
        let gap = case.gaps.get(same).copied().flatten();
        eprintln!("{name} {:?}: differs after {same} of {} tokens, gap {gap:?}", case.message, case.new_tokens.len());
        assert!(gap.is_some_and(|gap| gap < tie), "{name} {:?}: differs at {same}, gap {gap:?}", case.message);
    }
    eprintln!("{name}: {whole} of {} continuations are llama.cpp's", cases[name].len());
    assert!(whole * 2 >= cases[name].len());
}

#[test]
fn qwen_half_billion_agrees_with_llama_cpp() {
    agrees("q05", 0.3);
}

#[test]
#[ignore = "takes a minute and 1.1 GB: run with --ignored"]
fn qwen_one_and_a_half_billion_agrees_with_llama_cpp() {
    agrees("q15", 0.3);
}

#[test]
#[ignore = "not there yet: 2 of 7 continuations are llama.cpp's, one differs at a gap of 0.56"]
fn smollm_agrees_with_llama_cpp() {
    // With all arithmetic in f32 this decoder is within 0.1 of llama.cpp's log-probabilities, and batched and single
    // steps agree to 1e-4; with activations in 8 bits each of the three differs from the others by a few tenths.
    agrees("smol", 0.8);
}

#[test]
fn speed() {
    for name in ["q05", "q15"] {
        if std::env::var_os("QSEF_TEST_SPEED").is_none() {
            return;
        }
        let Some(path) = path(name) else { return };
        let start = Instant::now();
        let model = CandleModel::load(name, &path).unwrap();
        let load = start.elapsed();
        model.greedy(&model.tokenize("Hello").unwrap(), 1).unwrap();
        eprintln!("{name}: load {load:?}, with the first forward {:?}", start.elapsed());
        eprintln!("{name}: {:?}", model.bench(256, 32).unwrap());
    }
}

fn schema() -> serde_json::Value {
    serde_json::json!({
        "type": "object",
        "properties": {
            "city": {"type": "string", "maxLength": 40},
            "population_millions": {"type": "number"},
            "tags": {"type": "array", "items": {"enum": ["capital", "coastal", "inland"]}, "maxItems": 3}
        },
        "required": ["city", "population_millions", "tags"],
        "additionalProperties": false
    })
}

#[tokio::test]
async fn json_is_valid_and_compact_and_prefixes_are_reused() {
    let Some(model) = model("q05") else { return };
    let model = AnyModel::new(model);
    let system = "Describe the city as JSON. ".repeat(20);
    let ask = |city: &str| {
        Request::new(vec![Message::system(system.as_str()), Message::user(city)]).json_schema(schema()).max_tokens(80)
    };
    let first = model.generate(ask("Paris")).await.unwrap();
    let value: serde_json::Value = serde_json::from_str(&first.text).unwrap();
    assert!(value["city"].is_string() && value["tags"].is_array(), "{}", first.text);
    assert!(first.text.starts_with(r#"{"city":""#), "{}", first.text);
    assert_eq!(first.finish, FinishReason::Stop);

    let second = model.generate(ask("Oslo")).await.unwrap();
    assert!(second.usage.cached_tokens > 100, "{:?}", second.usage);
    let again = model.generate(ask("Paris")).await.unwrap();
    assert_eq!(again.text, first.text, "reused state must not change the answer");

    let cut = model.generate(ask("Paris").max_tokens(8)).await.unwrap();
    assert_eq!((cut.finish, cut.usage.completion_tokens), (FinishReason::Length, 8));
}

#[tokio::test]
async fn prefixes_are_saved_verified_and_change_nothing() {
    let Some(model) = model("smol") else { return };
    let dir = tempfile::tempdir().unwrap();
    let system = "You answer in one short sentence, always. ".repeat(20);
    let ask = |text: &str| {
        Request::new(vec![Message::system(system.as_str()), Message::user(text)]).prefix_messages(1).max_tokens(12)
    };
    let path = path("smol").unwrap();
    let fresh = || AnyModel::new(CandleModel::load("smol", &path).unwrap().with_prefix_dir(dir.path().join("kv")));
    let plain = AnyModel::new(model).generate(ask("Who are you?")).await.unwrap();
    let first = fresh().generate(ask("Who are you?")).await.unwrap();
    assert_eq!((first.text.as_str(), first.usage.cached_tokens), (plain.text.as_str(), 0));
    let saved = fresh().generate(ask("Who are you?")).await.unwrap();
    assert_eq!(saved.text, plain.text);
    assert!(saved.usage.cached_tokens > 100, "{:?}", saved.usage);

    let file = std::fs::read_dir(dir.path().join("kv")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let damaged = fresh().generate(ask("Who are you?")).await.unwrap();
    assert_eq!((damaged.text.as_str(), damaged.usage.cached_tokens), (plain.text.as_str(), 0));
}

#[tokio::test]
async fn logprobs_cover_every_token() {
    let Some(model) = model("q05") else { return };
    let mut request = Request::new(vec![Message::user("Say: crab 🦀 and é")]).max_tokens(24);
    request.top_logprobs = 3;
    request.temperature = 0.7;
    request.seed = 11;
    drop(model);
    // A fresh model each time: reused state is computed in other batches, which rounds differently.
    let fresh = || AnyModel::new(CandleModel::load("q05", &path("q05").unwrap()).unwrap());
    let one = fresh().generate(request.clone()).await.unwrap();
    assert_eq!(one.logprobs.len() as u64, one.usage.completion_tokens);
    for token in &one.logprobs {
        assert!(token.logprob <= 0.0 && token.top.len() == 3 && token.top[0].1 >= token.top[1].1, "{token:?}");
    }
    let again = fresh().generate(request).await.unwrap();
    assert_eq!((again.text, again.logprobs), (one.text, one.logprobs), "the same seed");
}

#[tokio::test]
async fn stops_when_nobody_listens() {
    let Some(model) = model("smol") else { return };
    let ask = |n| Request::new(vec![Message::user("Count from 1 to 1000.")]).max_tokens(n);
    let mut stream = model.stream(ask(4000)).await.unwrap();
    assert!(matches!(stream.next().await, Some(Ok(Delta::Text { .. }))));
    drop(stream);
    let start = Instant::now();
    AnyModel::new(model).generate(ask(4)).await.unwrap();
    assert!(start.elapsed().as_secs() < 20, "the dropped generation still ran: {:?}", start.elapsed());
}

#[tokio::test]
async fn a_prompt_longer_than_the_context_is_the_callers_mistake() {
    let Some(model) = model("smol") else { return };
    let context = model.context_tokens();
    let request = Request::new(vec![Message::user("one two three ".repeat(context))]);
    let error = AnyModel::new(model).generate(request).await.unwrap_err();
    assert!(matches!(&error, Error::Input(m) if m.contains(&context.to_string())), "{error}");
}

#[test]
fn logits_do_not_depend_on_batching() {
    let Some(model) = model("smol") else { return };
    let tokens = model.tokenize("The quick brown fox jumps over the lazy dog and runs away.").unwrap();
    let all = model.logits(&tokens).unwrap();
    let short = model.logits(&tokens[..5]).unwrap();
    let worst = all[4].iter().zip(&short[4]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 1e-2, "{worst}");
    assert_eq!(model.hidden_states(&tokens).unwrap().len(), tokens.len());
}

#[test]
fn damaged_files_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let check = |name: &str, bytes: &[u8]| {
        let file = dir.path().join(name);
        std::fs::write(&file, bytes).unwrap();
        let error = CandleModel::load("x", &file).unwrap_err();
        assert!(matches!(&error, Error::ModelFile(m) if m.contains(name)), "{error}");
        error.to_string()
    };
    check("empty.gguf", b"");
    check("text.gguf", b"this is not a model at all");
    check("huge.gguf", &[&b"GGUF\x03\0\0\0"[..], &[0xFF; 16]].concat());
    assert!(CandleModel::load("x", &dir.path().join("absent.gguf")).is_err());
    let Some(path) = path("smol") else { return };
    let bytes = std::fs::read(path).unwrap();
    for cut in [40, 5_000, 900_000, bytes.len() / 2, bytes.len() - 1] {
        check("cut.gguf", &bytes[..cut]);
    }
    let mut other = bytes;
    let at = other.windows(5).position(|w| w == b"llama").unwrap();
    other[at..at + 5].copy_from_slice(b"mamba");
    assert!(check("other.gguf", &other).contains("mamba"));
}
