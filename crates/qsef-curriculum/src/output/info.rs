//! `dataset_info.json`: what LLaMA-Factory needs to read the rows.

use serde_json::{Map, Value, json};

use super::{Content, rows};

/// The file: an entry for all rows and for each stage that has some, and one for the pairs.
pub(super) fn dataset_info(content: &Content<'_>) -> Value {
    let mut entries = Map::new();
    let messages = || json!({"messages": "messages"});
    if content.summary.tiers > 0 {
        entries.insert("train".into(), entry("train.jsonl", messages()));
    }
    for stage in content.stages.iter().filter(|stage| !stage.places.is_empty()) {
        entries.insert(stage.file(), entry(&format!("{}.jsonl", stage.file()), messages()));
    }
    if content.job.resample && content.summary.tiers > 0 {
        entries.insert("resampled".into(), entry(rows::RESAMPLED, messages()));
    }
    if !content.collected.pairs.is_empty() {
        let columns = json!({"messages": "messages", "chosen": "chosen", "rejected": "rejected"});
        let mut pairs = entry(rows::RANKING, columns);
        if let Some(pairs) = pairs.as_object_mut() {
            pairs.insert("ranking".into(), true.into());
        }
        entries.insert("preferences".into(), pairs);
    }
    Value::Object(entries)
}

fn entry(file: &str, columns: Value) -> Value {
    json!({
        "file_name": file,
        "formatting": "sharegpt",
        "columns": columns,
        "tags": {
            "role_tag": "role",
            "content_tag": "content",
            "user_tag": "user",
            "assistant_tag": "assistant",
            "system_tag": "system",
        },
    })
}
