//! Embedders on fastembed by name.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // helpers of tests are test code

use qsef::{Error, ImageEmbedder, Media, Models};

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[tokio::test]
async fn the_eight_bit_embedder_agrees_with_the_default_one() {
    let models = Models::open(|_| {}).unwrap();
    let texts =
        ["Convert 3 km to miles", "How warm is it in Oslo?", "Book a table for two"].map(str::to_owned).to_vec();
    let embedders = [qsef::DEFAULT_EMBEDDER, "fastembed:all-minilm-l6-v2-int8"];
    let mut vectors = Vec::new();
    for name in embedders {
        let embedder = models.embedder(name).await.unwrap();
        assert_eq!((embedder.name(), embedder.dimensions()), (name, 384));
        vectors.push(embedder.embed(texts.clone()).await.unwrap());
    }
    for (index, text) in texts.iter().enumerate() {
        let near = cosine(&vectors[0][index], &vectors[1][index]);
        assert!(near > 0.95, "cosine {near} for {text:?}");
    }
}

#[tokio::test]
async fn images_are_embedded_from_a_directory() {
    let models = Models::open(|_| {}).unwrap();
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../qsef-fastembed/tests/data/image");
    let embedder = models.image_embedder(&format!("fastembed:{dir}")).await.unwrap();
    let bytes = std::fs::read(format!("{dir}/checks.png")).unwrap();
    let vectors = embedder.embed_images(vec![Media { mime: "image/png".into(), bytes }]).await.unwrap();
    assert_eq!((vectors.len(), vectors[0].len()), (1, embedder.dimensions()));
}

#[tokio::test]
async fn what_is_no_embedder_is_named() {
    let models = Models::open(|_| {}).unwrap();
    for (name, says) in [
        ("fastembed:nothing-of-that-name", "nothing-of-that-name"),
        ("fastembed:./absent", "there is no directory ./absent"),
        ("fastembed:qwen2.5-coder-0.5b", "no ONNX model"),
    ] {
        let error = models.embedder(name).await.unwrap_err();
        assert!(matches!(&error, Error::Input(m) if m.contains(says)), "{error}");
    }
}
