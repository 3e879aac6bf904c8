use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use candle_core::{
    Device, Tensor,
    quantized::{GgmlDType, QTensor, gguf_file},
};
use qsef_candle::decoder::{CandleModel, DecoderConfig, DecoderFile};
use qsef_core::{Error, Message};
use rand::RngExt;

use super::*;
use crate::{loss::task_loss, random::rng, run::Event, sample::Sampling};

const HIDDEN: usize = 32;
const INNER: usize = 64;
const HEADS: usize = 4;
const KEYS: usize = 2;
const WIDTH: usize = 8;
const LAYERS: usize = 2;

/// GPT-2's alphabet, and what marks turns.
fn names() -> Vec<String> {
    let itself = |byte: u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let mut next = 0x100;
    let mut name = |byte: u8| {
        if itself(byte) {
            return char::from(byte).to_string();
        }
        next += 1;
        char::from_u32(next - 1).unwrap().to_string()
    };
    let mut names: Vec<String> = (0..=255).map(&mut name).collect();
    names.extend(["<|im_start|>", "<|im_end|>"].map(str::to_owned));
    names
}

fn random(shape: &[usize], scale: f32, name: &str) -> Tensor {
    let mut rng = rng(7, name, 0);
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| rng.random_range(-scale..scale)).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// The tensors of a small decoder; qwen2 has biases, and a matrix of its own at the end.
fn tensors(arch: &str) -> HashMap<String, Tensor> {
    let vocabulary = names().len();
    let mut tensors = HashMap::new();
    let mut put = |name: &str, shape: &[usize], scale: f32| {
        tensors.insert(name.to_owned(), random(shape, scale, name));
    };
    put("token_embd.weight", &[vocabulary, HIDDEN], 1.0);
    put("output_norm.weight", &[HIDDEN], 1.0);
    for layer in 0..LAYERS {
        let name = |part: &str| format!("blk.{layer}.{part}");
        put(&name("attn_norm.weight"), &[HIDDEN], 1.0);
        put(&name("ffn_norm.weight"), &[HIDDEN], 1.0);
        let maps = [
            ("attn_q", HEADS * WIDTH, HIDDEN),
            ("attn_k", KEYS * WIDTH, HIDDEN),
            ("attn_v", KEYS * WIDTH, HIDDEN),
            ("attn_output", HIDDEN, HEADS * WIDTH),
            ("ffn_gate", INNER, HIDDEN),
            ("ffn_up", INNER, HIDDEN),
            ("ffn_down", HIDDEN, INNER),
        ];
        for (part, outputs, inputs) in maps {
            put(&name(&format!("{part}.weight")), &[outputs, inputs], 0.4);
            if arch == "qwen2" && ["attn_q", "attn_k", "attn_v"].contains(&part) {
                put(&name(&format!("{part}.bias")), &[outputs], 0.4);
            }
        }
    }
    if arch == "qwen2" {
        put("output.weight", &[vocabulary, HIDDEN], 0.4);
    }
    tensors
}

/// A small decoder as a file, its matrices of 8 bits.
fn file(dir: &Path, arch: &str) -> PathBuf {
    use gguf_file::Value;
    let path = dir.join(format!("{arch}.gguf"));
    let number = |n: usize| Value::U32(n as u32);
    let key = |name: &str| format!("{arch}.{name}");
    let tokens = names();
    let kinds = (0..tokens.len()).map(|id| Value::I32(if id < 256 { 1 } else { 3 })).collect();
    let metadata: Vec<(String, Value)> = vec![
        ("general.architecture".into(), Value::String(arch.into())),
        ("general.name".into(), Value::String("tiny".into())),
        (key("block_count"), number(LAYERS)),
        (key("context_length"), number(256)),
        (key("embedding_length"), number(HIDDEN)),
        (key("attention.head_count"), number(HEADS)),
        (key("attention.head_count_kv"), number(KEYS)),
        (key("attention.layer_norm_rms_epsilon"), Value::F32(1e-5)),
        ("tokenizer.ggml.model".into(), Value::String("gpt2".into())),
        ("tokenizer.ggml.merges".into(), Value::Array(vec![Value::String("t h".into())])),
        ("tokenizer.ggml.token_type".into(), Value::Array(kinds)),
        ("tokenizer.ggml.eos_token_id".into(), number(257)),
        (
            "tokenizer.ggml.tokens".into(),
            Value::Array(tokens.into_iter().chain(["th".to_owned()]).map(Value::String).collect()),
        ),
    ];
    let mut stored: Vec<(String, QTensor)> = tensors(arch)
        .into_iter()
        .map(|(name, tensor)| {
            // One token more: the merge.
            let tensor = if tensor.dims().first() == Some(&names().len()) {
                Tensor::cat(&[&tensor, &random(&[1, HIDDEN], 0.4, "more")], 0).unwrap()
            } else {
                tensor
            };
            let kind = if tensor.rank() == 2 { GgmlDType::Q8_0 } else { GgmlDType::F32 };
            (name, QTensor::quantize(&tensor, kind).unwrap())
        })
        .collect();
    stored.sort_by(|a, b| a.0.cmp(&b.0));
    let metadata: Vec<(&str, &Value)> = metadata.iter().map(|(k, v)| (k.as_str(), v)).collect();
    let stored: Vec<(&str, &QTensor)> = stored.iter().map(|(k, v)| (k.as_str(), v)).collect();
    gguf_file::write(&mut std::fs::File::create(&path).unwrap(), &metadata, &stored).unwrap();
    path
}

fn of_file(file: &DecoderFile, rank: usize) -> Decoder {
    let tensor = |name: &str| if file.has(name) { file.tensor(name).map(Some) } else { Ok(None) };
    let adapters = Adapters { rank, alpha: 2.0 * rank as f64 };
    Decoder::new(file.config(), file.rope_speeds().unwrap(), tensor, adapters, 3, &Device::Cpu).unwrap()
}

/// Adapters that change something.
fn moved(model: &Decoder) {
    for (name, var) in model.params().iter().filter(|(name, _)| name.ends_with(".b")) {
        var.set(&random(var.dims(), 0.3, name)).unwrap();
    }
}

fn numbers(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

fn farthest(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

const TEXT: &[u32] = &[256, 84, 104, 101, 32, 99, 97, 116, 10, 257, 65];

#[test]
fn logits_are_those_of_the_model_that_answers() {
    let dir = tempfile::tempdir().unwrap();
    for arch in ["llama", "qwen2"] {
        let path = file(dir.path(), arch);
        let opened = DecoderFile::open(&path).unwrap();
        let model = of_file(&opened, 4);
        let places: Vec<u32> = (0..TEXT.len() as u32).collect();
        let ours = numbers(&model.logits(TEXT, &places).unwrap());
        let theirs = CandleModel::load("tiny", &path).unwrap().logits(TEXT).unwrap().concat();
        // The other has states of 8 bits between its matrices, keys and values of 16.
        let size = theirs.iter().map(|x| x.abs()).fold(0.0, f32::max);
        assert!(farthest(&ours, &theirs) < 0.04 * size, "{arch}: {} of {size}", farthest(&ours, &theirs));
        // With adapters in them, too.
        moved(&model);
        let tuned = dir.path().join("tuned.gguf");
        opened.write(&tuned, "tuned", &model.merged().unwrap()).unwrap();
        let ours = numbers(&model.logits(TEXT, &places).unwrap());
        let loaded = CandleModel::load("tuned", &tuned).unwrap();
        let theirs = loaded.logits(TEXT).unwrap().concat();
        let size = theirs.iter().map(|x| x.abs()).fold(0.0, f32::max);
        assert!(farthest(&ours, &theirs) < 0.06 * size, "{arch}: {} of {size}", farthest(&ours, &theirs));
        assert_eq!(
            loaded.tokenize("the th").unwrap(),
            CandleModel::load("t", &path).unwrap().tokenize("the th").unwrap()
        );
    }
}

#[test]
fn every_adapter_learns_and_gradients_are_those_of_differences() {
    let dir = tempfile::tempdir().unwrap();
    for arch in ["llama", "qwen2"] {
        let model = of_file(&DecoderFile::open(&file(dir.path(), arch)).unwrap(), 4);
        moved(&model);
        let (places, answer) = ([6u32, 7, 8], [116u32, 10, 257]);
        let labels = Tensor::from_slice(&answer, (3, 1), &Device::Cpu).unwrap();
        let loss = || task_loss(&model.logits(TEXT, &places).unwrap(), &labels, 0.0).unwrap().sum_all().unwrap();
        let grads = loss().backward().unwrap();
        assert_eq!(model.params().iter().count(), LAYERS * 7 * 2);
        for (name, var) in model.params().iter() {
            let grad = numbers(grads.get(var).unwrap_or_else(|| panic!("{name} has no gradient")));
            assert!(grad.iter().any(|g| g.abs() > 1e-7), "{name} has a gradient of zero");
            let before = numbers(var);
            for i in [0, before.len() / 2, before.len() - 1] {
                let at = |by: f32| {
                    let mut values = before.clone();
                    values[i] += by;
                    var.set(&Tensor::from_vec(values, var.dims(), &Device::Cpu).unwrap()).unwrap();
                    f64::from(loss().to_scalar::<f32>().unwrap())
                };
                let slope = (at(1e-2) - at(-1e-2)) / 2e-2;
                let error = (slope - f64::from(grad[i])).abs();
                assert!(error < 2e-2 * (0.1 + slope.abs()), "{name} {i}: {slope} and {}", grad[i]);
            }
            var.set(&Tensor::from_vec(before, var.dims(), &Device::Cpu).unwrap()).unwrap();
        }
    }
}

#[test]
fn a_token_does_not_see_those_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let model = of_file(&DecoderFile::open(&file(dir.path(), "llama")).unwrap(), 4);
    moved(&model);
    let first = numbers(&model.logits(TEXT, &[4]).unwrap());
    let mut other = TEXT.to_vec();
    other.truncate(7);
    other[5] = 70;
    assert!(farthest(&first, &numbers(&model.logits(&other, &[4]).unwrap())) < 1e-4);
    assert!(
        farthest(&numbers(&model.logits(TEXT, &[6]).unwrap()), &numbers(&model.logits(&other, &[6]).unwrap())) > 1e-2
    );
    assert!(model.logits(&[9999], &[0]).is_err() && model.logits(&[1], &[3]).is_err());
}

#[test]
fn a_tensor_that_is_missing_or_of_another_shape_is_named() {
    let config = |file: &Path| DecoderFile::open(file).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let opened = config(&file(dir.path(), "llama"));
    let refuse = |bad: &str, instead: Option<Tensor>| {
        let tensor = |name: &str| match name == bad {
            true => Ok(instead.clone()),
            false if opened.has(name) => opened.tensor(name).map(Some),
            false => Ok(None),
        };
        let config: &DecoderConfig = opened.config();
        match Decoder::new(config, opened.rope_speeds().unwrap(), tensor, Adapters::default(), 0, &Device::Cpu) {
            Err(Error::ModelFile(message)) => message,
            _ => panic!("it is taken"),
        }
    };
    assert!(refuse("blk.1.attn_k.weight", None).contains("`blk.1.attn_k.weight` is missing"));
    let message = refuse("blk.0.ffn_norm.weight", Some(random(&[5], 1.0, "x")));
    assert!(message.contains("`blk.0.ffn_norm.weight` has the shape [5], where [32] is needed"), "{message}");
}

/// Rows about animals; each answer is learned easily.
fn rows(path: &Path, count: usize) {
    let row = |n: usize| {
        let answer = ["one", "two", "six"][n % 3];
        let said = serde_json::json!([
            {"role": "user", "content": format!("Say {}.", n % 3)},
            {"role": "assistant", "content": answer},
        ]);
        serde_json::json!({"id": format!("r{n}"), "messages": said, "stage": 1}).to_string()
    };
    std::fs::write(path, (0..count).map(row).collect::<Vec<_>>().join("\n")).unwrap();
}

fn work(dir: &Path, out: &str, steps: u64) -> Tune {
    let data = dir.join("rows.jsonl");
    if !data.exists() {
        rows(&data, 12);
    }
    let settings = TuneSettings {
        steps,
        batch: 4,
        rate: 2e-2,
        max_tokens: 64,
        validate_every: 5,
        checkpoint_every: 5,
        sampling: Sampling::Dynamic,
        ..TuneSettings::default()
    };
    let base = dir.join("llama.gguf");
    let base = if base.exists() { base } else { file(dir, "llama") };
    Tune { settings, base, data: data.clone(), valid: Some(data), out: dir.join(out), device: Default::default() }
}

#[test]
fn answers_are_learned_and_what_is_interrupted_ends_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let run = |work: &Tune, until: u64| {
        let (cancel, steps) = (AtomicBool::new(false), AtomicU64::new(0));
        let on = |event: &Event| {
            assert_eq!(event.total, 40);
            if steps.fetch_add(1, Ordering::Relaxed) + 1 == until {
                cancel.store(true, Ordering::Relaxed);
            }
        };
        tune(work, &on, &cancel)
    };
    let whole = work(dir.path(), "whole", 40);
    let done = run(&whole, u64::MAX).unwrap();
    let (before, after) = (done.valid_before.unwrap(), done.valid.unwrap());
    assert!(after < 0.5 * before && done.best_step > 0, "{before} → {after}");
    assert_eq!((done.rows, done.left_out, done.steps), (12, 0, 40));
    // As the model of the file answers.
    let model = CandleModel::load("tuned", &done.model).unwrap();
    let prompt = DecoderFile::open(&done.model).unwrap().encode(&[Message::user("Say 1.")], true).unwrap();
    let answer = model.greedy(&prompt, 8).unwrap();
    assert_eq!(
        answer,
        ["t", "w", "o"].map(|c| u32::from(c.as_bytes()[0])).into_iter().chain([257]).collect::<Vec<_>>()
    );
    // How it does on its rows is what the curriculum generator reads.
    let progress = std::fs::read_to_string(whole.out.join("progress.jsonl")).unwrap();
    assert!(progress.lines().count() == 12 && progress.contains("\"id\":\"r11\",\"loss\":"), "{progress}");

    let parts = work(dir.path(), "parts", 40);
    for until in [7, 13] {
        assert!(matches!(run(&parts, until), Err(Error::Cancelled)));
        assert!(parts.out.join("checkpoint.safetensors").exists());
    }
    let resumed = run(&parts, u64::MAX).unwrap();
    assert_eq!(std::fs::read(&resumed.model).unwrap(), std::fs::read(&done.model).unwrap());
    assert_eq!(
        (resumed.valid, resumed.best_step, resumed.valid_before),
        (done.valid, done.best_step, done.valid_before)
    );
    assert!(!parts.out.join("checkpoint.safetensors").exists());
    // What is done is not done again, and another run's directory is refused.
    assert_eq!(run(&parts, 1).unwrap(), resumed);
    let base = dir.path().join("other/llama.gguf");
    std::fs::create_dir_all(base.parent().unwrap()).unwrap();
    let mut bytes = std::fs::read(&parts.base).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&base, bytes).unwrap();
    assert!(run(&Tune { base, ..parts.clone() }, 1).unwrap_err().to_string().contains("choose another directory"));
    let error = run(&Tune { settings: TuneSettings { seed: 5, ..parts.settings.clone() }, ..parts }, 1).unwrap_err();
    assert!(error.to_string().contains("choose another directory"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_full_disk_costs_nothing_that_was_there() {
    let dir = tempfile::tempdir().unwrap();
    let work = work(dir.path(), "full", 8);
    std::fs::create_dir_all(&work.out).unwrap();
    // Whatever is written there finds no space.
    std::os::unix::fs::symlink("/dev/full", work.out.join("model.part")).unwrap();
    let run = || tune(&work, &|_| {}, &AtomicBool::new(false));
    let error = run().unwrap_err().to_string();
    assert!(error.contains("model.gguf") && error.contains("space"), "{error}");
    assert!(work.out.join("checkpoint.safetensors").exists() && !work.out.join("model.gguf").exists());
    assert_eq!(run().unwrap().steps, 8);
}

#[test]
fn bad_rows_and_settings_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let refuse = |text: &str| {
        let data = dir.path().join("bad.jsonl");
        std::fs::write(&data, text).unwrap();
        let work = Tune { data, valid: None, ..work(dir.path(), "bad", 2) };
        tune(&work, &|_| {}, &AtomicBool::new(false)).unwrap_err().to_string()
    };
    let good = r#"{"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"Ho"}]}"#;
    for (text, wanted) in [
        (format!("{good}\n{{oops"), "bad.jsonl:2"),
        (format!("{good}\n{}", r#"{"messages":[{"role":"robot","content":"x"}]}"#), "bad.jsonl:2 (messages): `robot`"),
        (r#"{"messages":[{"role":"assistant","content":"x"}]}"#.into(), "a prompt and an answer"),
        (r#"{"messages":[{"role":"user","content":"x"},{"role":"user","content":"y"}]}"#.into(), "the assistant's"),
        (String::new(), "the file has no rows"),
        (good.replace("Ho", &"long ".repeat(50)), "more than 64 tokens"),
    ] {
        let error = refuse(&text);
        assert!(error.contains(wanted), "{wanted}: {error}");
    }
    let mut long = work(dir.path(), "long", 1);
    long.data = dir.path().join("long.jsonl");
    std::fs::write(&long.data, format!("{good}\n{}", good.replace("Ho", &"long ".repeat(50)))).unwrap();
    let done = tune(&long, &|_| {}, &AtomicBool::new(false)).unwrap();
    assert_eq!((done.rows, done.left_out), (1, 1));
    for (settings, field) in [
        (TuneSettings { steps: 0, ..TuneSettings::default() }, "steps"),
        (TuneSettings { rate: f64::NAN, ..TuneSettings::default() }, "rate"),
        (TuneSettings { adapters: Adapters { rank: 0, alpha: 1.0 }, ..TuneSettings::default() }, "rank"),
    ] {
        assert_eq!(settings.check().unwrap_err().0, field);
    }
    let work_without = Tune { valid: None, ..work(dir.path(), "patient", 2) };
    let patient = TuneSettings { patience: Some(3), ..work_without.settings.clone() };
    let error = tune(&Tune { settings: patient, ..work_without }, &|_| {}, &AtomicBool::new(false)).unwrap_err();
    assert!(error.to_string().contains("patience: without rows"), "{error}");
    let wild = Tune {
        settings: TuneSettings { rate: 1e30, ..work(dir.path(), "wild", 9).settings },
        ..work(dir.path(), "wild", 9)
    };
    let error = tune(&wild, &|_| {}, &AtomicBool::new(false)).unwrap_err().to_string();
    assert!(error.contains("a lower rate may help"), "{error}");
}
