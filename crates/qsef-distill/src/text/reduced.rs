use std::collections::{BTreeMap, HashMap};

use qsef_core::{Error, Result};
use serde_json::Value;

use super::Words;

/// A vocabulary that holds only what some texts need, and letters for the rest: the words' vectors are most of a small encoder.
pub struct Reduced {
    /// The tokenizer. It cuts those texts as the whole one does.
    pub words: Words,
    /// For each token its number in the whole vocabulary.
    pub from: Vec<u32>,
}

impl Words {
    /// Keeps the tokens that stand at least `least` times in the texts, the special ones, and single letters and digits, of which any
    /// other word can be made.
    ///
    /// # Errors
    /// [`Error::Input`] for a tokenizer whose model is not WordPiece.
    pub fn reduced(&self, texts: &[&str], least: usize) -> Result<Reduced> {
        let bad = |why: &str| Error::Input(format!("the vocabulary cannot be reduced: {why}"));
        let mut counts: HashMap<u32, usize> = HashMap::new();
        for text in texts {
            for id in self.encode(text)? {
                *counts.entry(id).or_default() += 1;
            }
        }
        let mut json: Value = serde_json::from_str(&self.json).map_err(|e| bad(&e.to_string()))?;
        if json.pointer("/model/type").and_then(Value::as_str).is_some_and(|kind| kind != "WordPiece") {
            return Err(bad("its tokenizer is not WordPiece"));
        }
        let special: Vec<u32> = json
            .get("added_tokens")
            .and_then(Value::as_array)
            .map(|tokens| tokens.iter().filter_map(|t| Some(t.get("id")?.as_u64()? as u32)).collect())
            .unwrap_or_default();
        let vocabulary = json
            .pointer("/model/vocab")
            .and_then(Value::as_object)
            .ok_or_else(|| bad("its tokenizer has no vocabulary"))?;
        let kept: BTreeMap<u32, String> = vocabulary
            .iter()
            .filter_map(|(token, id)| Some((id.as_u64()? as u32, token.clone())))
            .filter(|(id, token)| {
                let mut letters = token.strip_prefix("##").unwrap_or(token).chars();
                let letter = letters.next().is_some_and(|c| c.is_ascii_graphic()) && letters.next().is_none();
                letter || special.contains(id) || counts.get(id).is_some_and(|count| *count >= least)
            })
            .collect();
        let from: Vec<u32> = kept.keys().copied().collect();
        let new: HashMap<u32, usize> = from.iter().enumerate().map(|(new, old)| (*old, new)).collect();
        let vocabulary: serde_json::Map<String, Value> =
            kept.values().enumerate().map(|(id, token)| (token.clone(), id.into())).collect();
        if let Some(slot) = json.pointer_mut("/model/vocab") {
            *slot = Value::Object(vocabulary);
        }
        if let Some(tokens) = json.get_mut("added_tokens").and_then(Value::as_array_mut) {
            tokens.iter_mut().filter_map(|t| t.get_mut("id")).for_each(|id| renumber(id, &new));
        }
        if let Some(tokens) = json.pointer_mut("/post_processor/special_tokens").and_then(Value::as_object_mut) {
            let ids = tokens.values_mut().filter_map(|t| t.get_mut("ids")?.as_array_mut());
            ids.flatten().for_each(|id| renumber(id, &new));
        }
        let text = serde_json::to_string(&json).map_err(|e| bad(&e.to_string()))?;
        Ok(Reduced { words: Words::parse(text, self.window).map_err(|e| bad(&e))?, from })
    }
}

fn renumber(id: &mut Value, new: &HashMap<u32, usize>) {
    if let Some(to) = id.as_u64().and_then(|old| new.get(&(old as u32))) {
        *id = (*to).into();
    }
}
