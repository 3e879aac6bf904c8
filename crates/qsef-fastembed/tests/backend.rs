//! The embedders against the contract, and against vectors that others made: numpy of the unquantised model, Python's ONNX Runtime of
//! images.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // helpers of tests are test code

use std::{
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use qsef_candle::models::{ModelFiles, Store};
use qsef_core::{AnyEmbedder, Error, ImageEmbedder, Media, test_util::conformance};
use qsef_fastembed::{FastembedEmbedder, FastembedImageEmbedder, Options, Pooling, Runtime};

const INT8: &str = "all-minilm-l6-v2-int8";

fn files(name: &str) -> ModelFiles {
    Store::open_default().unwrap().ensure(name, &|_| {}, &AtomicBool::new(false)).unwrap()
}

fn runtime() -> Runtime {
    Runtime::load(&Runtime::named_by_environment().unwrap_or_else(|| files("onnxruntime").main())).unwrap()
}

fn options() -> Options {
    Options::default().tokenizer(files("all-minilm-l6-v2").dir)
}

fn int8() -> FastembedEmbedder {
    FastembedEmbedder::load_with(&runtime(), INT8, &files(INT8).dir, &options()).unwrap()
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/image").join(name)
}

fn pictures() -> FastembedImageEmbedder {
    FastembedImageEmbedder::load(&runtime(), "tiny", &data(""), &Options::default()).unwrap()
}

fn media(name: &str) -> Media {
    Media { mime: "image/png".into(), bytes: std::fs::read(data(name)).unwrap() }
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[tokio::test]
async fn texts_conform() {
    for (case, outcome) in conformance::embedder(&AnyEmbedder::new(int8())).await {
        assert_eq!(outcome, Ok(()), "{case}");
    }
}

#[tokio::test]
async fn images_conform() {
    let images = ["checks.png", "slope.png", "mirrored.jpg"].map(media);
    for (case, outcome) in conformance::image_embedder(&pictures(), &images).await {
        assert_eq!(outcome, Ok(()), "{case}");
    }
}

#[derive(serde::Deserialize)]
struct Reference {
    text: String,
    vector: Vec<f32>,
}

#[test]
fn eight_bits_are_near_the_unquantised_model_and_do_not_depend_on_the_texts_beside() {
    let embedder = int8();
    let references: Vec<Reference> =
        serde_json::from_str(include_str!("../../qsef-candle/tests/data/embeddings.json")).unwrap();
    let texts: Vec<String> = references.iter().map(|r| r.text.clone()).collect();
    let together = embedder.embed_blocking(&texts).unwrap();
    for (reference, vector) in references.iter().zip(&together) {
        let near = cosine(vector, &reference.vector);
        assert!(near > 0.95, "cosine {near} for {:?}", reference.text);
        let alone = embedder.embed_blocking(std::slice::from_ref(&reference.text)).unwrap().remove(0);
        assert_eq!(&alone, vector, "{:?}", reference.text);
    }
}

/// Over the sentences of a text: how near the vectors are to the default embedder's, and how often both find the same nearest sentence.
#[test]
fn it_agrees_with_the_default_embedder() {
    let text = include_str!("../../qsef-candle/tests/data/text.txt");
    let sentences = text.split_inclusive(['.', '?', '!', ';']).map(str::trim).filter(|sentence| sentence.len() > 20);
    let sentences: Vec<String> = sentences.map(str::to_owned).collect();
    let ours = int8().embed_blocking(&sentences).unwrap();
    let dir = files("all-minilm-l6-v2").dir;
    let others = qsef_candle::embedder::CandleEmbedder::load("x", &dir).unwrap().embed_blocking(&sentences).unwrap();
    let near: Vec<f32> = ours.iter().zip(&others).map(|(a, b)| cosine(a, b)).collect();
    let nearest = |vectors: &[Vec<f32>], place: usize| {
        let beside = (0..vectors.len()).filter(|other| *other != place);
        beside.max_by(|a, b| cosine(&vectors[*a], &vectors[place]).total_cmp(&cosine(&vectors[*b], &vectors[place])))
    };
    let same = (0..ours.len()).filter(|place| nearest(&ours, *place) == nearest(&others, *place)).count();
    let (mean, least) = (near.iter().sum::<f32>() / near.len() as f32, near.iter().copied().fold(1.0, f32::min));
    println!("{} sentences: cosine {mean:.4} (mean), {least:.4} (least), the same nearest for {same}", near.len());
    assert!(mean > 0.97 && least > 0.9 && 4 * same > 3 * near.len(), "{mean} {least} {same}");
}

#[test]
fn the_first_token_alone_and_fewer_tokens_are_other_vectors() {
    let text = ["The cat sleeps on the sofa while it rains in the hills.".to_owned()];
    let usual = int8().embed_blocking(&text).unwrap().remove(0);
    for other in [options().pooling(Pooling::First), options().max_tokens(6).threads(1)] {
        let embedder = FastembedEmbedder::load_with(&runtime(), INT8, &files(INT8).dir, &other).unwrap();
        let near = cosine(&embedder.embed_blocking(&text).unwrap()[0], &usual);
        assert!((0.1..0.99).contains(&near), "cosine {near} with {other:?}");
    }
}

#[test]
fn images_have_the_vectors_that_python_makes() {
    let text = std::fs::read(data("vectors.json")).unwrap();
    let references: std::collections::BTreeMap<String, Vec<f32>> = serde_json::from_slice(&text).unwrap();
    let embedder = pictures();
    assert_eq!((embedder.name(), embedder.dimensions()), ("tiny", 12));
    for (name, vector) in &references {
        let made = embedder.embed_blocking(&[media(name)]).unwrap().remove(0);
        // Resizing is not the same to the last bit; where there is none the vectors are equal.
        let (near, least) = (cosine(&made, vector), if name == "checks.png" { 0.99999 } else { 0.999 });
        assert!(near > least, "cosine {near} for {name}");
    }
    assert_eq!(references.len(), 3);
}

/// A directory with copies of the files, which the caller damages.
fn copy(from: &[PathBuf]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for path in from {
        std::fs::copy(path, dir.path().join(path.file_name().unwrap())).unwrap();
    }
    dir
}

#[test]
fn damaged_files_are_named() {
    let runtime = runtime();
    let (model, tokenizer) = (files(INT8).main(), files("all-minilm-l6-v2").dir.join("tokenizer.json"));
    let onnx = std::fs::read(&model).unwrap();
    for (name, bytes) in [
        ("model.onnx", &onnx[..onnx.len() / 2]),
        ("model.onnx", b"not a model"),
        ("model.onnx", b""),
        ("tokenizer.json", b"{\"model\": 3}"),
        ("tokenizer.json", b"not JSON"),
        ("config.json", b"{"),
        ("tokenizer_config.json", b"["),
    ] {
        let dir = copy(&[model.clone(), tokenizer.clone()]);
        std::fs::write(dir.path().join(name), bytes).unwrap();
        let error = FastembedEmbedder::load(&runtime, "x", dir.path()).unwrap_err();
        assert!(matches!(&error, Error::ModelFile(m) if m.contains(name)), "{name}: {error}");
    }
    for (name, bytes) in
        [("model.onnx", b"not a model".as_slice()), ("preprocessor_config.json", b"{\"do_resize\": true}")]
    {
        let dir = copy(&[data("model.onnx"), data("preprocessor_config.json")]);
        std::fs::write(dir.path().join(name), bytes).unwrap();
        let error = FastembedImageEmbedder::load(&runtime, "x", dir.path(), &Options::default()).unwrap_err();
        assert!(matches!(&error, Error::ModelFile(m) if m.contains(name)), "{name}: {error}");
    }
    let empty = tempfile::tempdir().unwrap();
    let error = FastembedEmbedder::load(&runtime, "x", empty.path()).unwrap_err();
    assert!(matches!(&error, Error::ModelFile(m) if m.contains("model.onnx")), "{error}");
    // A text embedder is not one of images.
    let error = FastembedEmbedder::load_with(&runtime, "x", &data(""), &options()).unwrap_err();
    assert!(matches!(&error, Error::ModelFile(m) if m.contains("model.onnx")), "{error}");
}

#[test]
fn pooling_is_read_where_it_is_written() {
    let runtime = runtime();
    let dir = copy(&[files(INT8).main(), files("all-minilm-l6-v2").dir.join("tokenizer.json")]);
    let load = |config: &str| {
        std::fs::create_dir_all(dir.path().join("1_Pooling")).unwrap();
        std::fs::write(dir.path().join("1_Pooling/config.json"), config).unwrap();
        FastembedEmbedder::load(&runtime, "x", dir.path())
    };
    let text = ["The cat sleeps on the sofa.".to_owned()];
    let first = load(r#"{"pooling_mode_cls_token": true}"#).unwrap().embed_blocking(&text).unwrap();
    let mean = load(r#"{"pooling_mode_mean_tokens": true}"#).unwrap().embed_blocking(&text).unwrap();
    assert!(cosine(&first[0], &mean[0]) < 0.99 && mean == int8().embed_blocking(&text).unwrap());
    let error = load(r#"{"pooling_mode_max_tokens": true}"#).unwrap_err();
    assert!(matches!(&error, Error::ModelFile(m) if m.contains("1_Pooling")), "{error}");
}
