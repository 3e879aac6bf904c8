//! What the tests share.

#![allow(dead_code, reason = "each test uses some of it")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // helpers of tests are test code

use std::path::Path;

use qsef_core::{Embedder, Result};
use qsef_knowledge::{AddOptions, Added, Hit, KnowledgeBase, Mode, SearchOptions};

/// Maps a text to the letters in it: texts of the same words have the same direction.
pub struct Letters;

impl Embedder for Letters {
    fn name(&self) -> &str {
        "letters"
    }

    fn dimensions(&self) -> usize {
        64
    }

    async fn embed(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>> {
        Ok(texts.iter().map(|text| direction(text)).collect())
    }
}

pub fn direction(text: &str) -> Vec<f32> {
    let mut vector = vec![0f32; 64];
    for word in text.to_lowercase().split(|c: char| !c.is_alphanumeric()).filter(|w| w.len() > 3) {
        let hash = word.bytes().fold(7u32, |h, b| h.wrapping_mul(31).wrapping_add(u32::from(b)));
        vector[hash as usize % 64] += 1.0;
    }
    let norm = vector.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-6);
    vector.iter().map(|x| x / norm).collect()
}

pub async fn add(base: &KnowledgeBase, path: &Path) -> Added {
    base.add(&[path.to_owned()], &AddOptions::default(), &|_| ()).await.unwrap()
}

pub fn words(base: &KnowledgeBase, query: &str) -> Vec<Hit> {
    base.search(query, &SearchOptions { limit: 10, mode: Mode::Words, vector: None }).unwrap()
}
