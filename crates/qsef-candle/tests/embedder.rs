//! The embedder against vectors that numpy computed from the same files (`data/make_embeddings.py`).

#![allow(clippy::unwrap_used)] // helpers of tests are test code

use std::sync::atomic::AtomicBool;

use qsef_candle::{
    embedder::CandleEmbedder,
    models::{ProgressEvent, Store},
};
use qsef_core::{AnyEmbedder, test_util::conformance};

#[derive(serde::Deserialize)]
struct Reference {
    text: String,
    vector: Vec<f32>,
}

fn embedder() -> CandleEmbedder {
    let files = Store::open_default()
        .unwrap()
        .ensure("all-minilm-l6-v2", &|_: ProgressEvent| {}, &AtomicBool::new(false))
        .unwrap();
    CandleEmbedder::load("all-minilm-l6-v2", &files.dir).unwrap()
}

#[tokio::test]
async fn it_conforms() {
    for (case, outcome) in conformance::embedder(&AnyEmbedder::new(embedder())).await {
        assert_eq!(outcome, Ok(()), "{case}");
    }
}

#[test]
fn vectors_equal_the_reference_alone_and_in_a_batch() {
    let embedder = embedder();
    let references: Vec<Reference> = serde_json::from_str(include_str!("data/embeddings.json")).unwrap();
    let texts: Vec<String> = references.iter().map(|r| r.text.clone()).collect();
    let together = embedder.embed_blocking(&texts).unwrap();
    for (reference, batched) in references.iter().zip(&together) {
        let alone = embedder.embed_blocking(std::slice::from_ref(&reference.text)).unwrap().remove(0);
        for vector in [batched, &alone] {
            assert_eq!(vector.len(), 384);
            let cosine: f32 = vector.iter().zip(&reference.vector).map(|(a, b)| a * b).sum();
            assert!((1.0 - cosine).abs() < 1e-3, "cosine {cosine} for {:?}", reference.text);
        }
    }
    assert!(embedder.embed_blocking(&[]).unwrap().is_empty());
}
