//! What decoders are measured against: the models' files, and what llama.cpp's server made of prompts.

use std::{collections::HashMap, path::PathBuf, sync::atomic::AtomicBool};

use serde::Deserialize;

pub const SMALL: &str = "qwen2.5-coder-0.5b";

/// A message, the prompt and tokens that a model's template makes of it, and the greedy continuation.
#[derive(Deserialize)]
pub struct Case {
    pub message: String,
    pub prompt: String,
    pub prompt_tokens: Vec<u32>,
    pub new_tokens: Vec<u32>,
}

/// The cases of one model (`data/make_references.py`).
pub fn cases(key: &str) -> Vec<Case> {
    let mut cases: HashMap<String, Vec<Case>> = serde_json::from_str(include_str!("../data/greedy.json")).unwrap();
    cases.remove(key).unwrap()
}

/// The model's file, fetched where it is not here yet.
pub fn path(name: &str) -> PathBuf {
    let store = qsef_candle::models::Store::open_default().unwrap();
    store.ensure(name, &|_| {}, &AtomicBool::new(false)).unwrap().main()
}

/// The schema of a description of a city.
pub fn schema() -> serde_json::Value {
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
