//! What a model's files say of it, before mistral.rs, which ends a process on some damaged ones, gets to see them.

use std::{fs::File, path::Path};

use candle_core::quantized::gguf_file::{Content, Value as GgufValue};
use qsef_core::{Error, Modality, ModelInfo, Result};
use serde_json::Value;

/// The context of a model whose files do not say.
const CONTEXT_TOKENS: usize = 4096;

/// What is known of a model from its files.
pub(crate) struct Described {
    pub info: ModelInfo,
    /// Names of tokens that are no text.
    pub special: Vec<String>,
    /// Tokens that end an answer, among them those at which llguidance ends a grammar.
    pub ends: Vec<u32>,
}

/// What such tokens are called.
const ENDS: [&str; 9] = [
    "</s>",
    "<eos>",
    "<|end|>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|eot_id|>",
    "<|im_end|>",
    "<end_of_turn>",
    "<｜end▁of▁sentence｜>",
];

/// What special tokens and their numbers say.
fn described(info: ModelInfo, special: impl Iterator<Item = (String, u32)>) -> Described {
    let (special, numbers): (Vec<_>, Vec<_>) = special.unzip();
    let ends = special.iter().zip(numbers).filter(|(name, _)| ENDS.contains(&name.as_str()));
    let ends = ends.map(|(_, number)| number).collect();
    Described { info, special, ends }
}

fn bad(path: &Path, why: impl std::fmt::Display) -> Error {
    Error::ModelFile(format!("{}: {why}", path.display()))
}

/// Reads what a GGUF file, or the JSON files of a directory, say of a model called `name`.
///
/// # Errors
/// [`Error::ModelFile`], naming the file, where it is missing, truncated or damaged.
pub(crate) fn describe(name: &str, path: &Path) -> Result<Described> {
    if path.is_dir() { directory(name, path) } else { gguf(name, path) }
}

fn gguf(name: &str, path: &Path) -> Result<Described> {
    let mut file = File::open(path).map_err(|e| bad(path, format!("cannot open the model file: {e}")))?;
    let length = file.metadata().map_err(|e| bad(path, e))?.len();
    let content = Content::read(&mut file)
        .map_err(|e| bad(path, format!("not a whole GGUF file ({}): fetch it again", first_line(&e))))?;
    for (tensor, info) in &content.tensor_infos {
        let blocks = info.shape.elem_count() / info.ggml_dtype.block_size().max(1);
        let size = blocks.checked_mul(info.ggml_dtype.type_size()).and_then(|size| u64::try_from(size).ok());
        let end = size.and_then(|size| size.checked_add(info.offset)?.checked_add(content.tensor_data_offset));
        if end.is_none_or(|end| end > length) {
            return Err(bad(path, format!("the file ends before its tensor `{tensor}`: fetch it again")));
        }
    }
    let value = |key: &str| content.metadata.get(key);
    let architecture = value("general.architecture").and_then(|value| value.to_string().ok());
    let architecture = architecture.ok_or_else(|| bad(path, "`general.architecture` is missing"))?;
    let context = value(&format!("{architecture}.context_length")).and_then(|value| value.to_u32().ok());
    let parameters: usize = content.tensor_infos.values().map(|tensor| tensor.shape.elem_count()).sum();
    let list = |key: &str| match value(key) {
        Some(GgufValue::Array(values)) => values.as_slice(),
        _ => &[],
    };
    // Type 1 is text; mistral.rs takes all others for special.
    let named = list("tokenizer.ggml.tokens").iter().zip(list("tokenizer.ggml.token_type")).zip(0u32..);
    let special = named.filter(|((_, kind), _)| kind.to_i32().is_ok_and(|kind| kind != 1));
    let special = special.filter_map(|((token, _), number)| Some((token.to_string().ok()?.clone(), number)));
    let context = context.map_or(CONTEXT_TOKENS, |tokens| tokens as usize).max(1);
    let info = ModelInfo::new(name, context).params_b(parameters as f64 / 1e9);
    Ok(described(info, special))
}

fn first_line(error: &dyn std::fmt::Display) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

fn directory(name: &str, dir: &Path) -> Result<Described> {
    let config = json(&dir.join("config.json"))?;
    let tokenizer = json(&dir.join("tokenizer.json"))?;
    let mut weights = std::fs::read_dir(dir).map_err(|e| bad(dir, e))?.filter_map(|entry| entry.ok());
    if !weights.any(|entry| entry.path().extension().is_some_and(|extension| extension == "safetensors")) {
        return Err(bad(dir, "no safetensors there"));
    }
    let context =
        ["/max_position_embeddings", "/text_config/max_position_embeddings", "/llm_config/max_position_embeddings"];
    let context = context.iter().find_map(|place| config.pointer(place)?.as_u64());
    let image = config.get("vision_config").map(|_| Modality::Image);
    let audio = config.get("audio_config").map(|_| Modality::Audio);
    let added = tokenizer.get("added_tokens").and_then(Value::as_array).into_iter().flatten();
    let special = added.filter_map(|token| {
        let number = token.get("id")?.as_u64()?;
        Some((token.get("content")?.as_str()?.to_owned(), u32::try_from(number).ok()?))
    });
    let mut info = ModelInfo::new(name, context.map_or(CONTEXT_TOKENS, |tokens| tokens as usize).max(1));
    info.accepts = [Some(Modality::Text), image, audio].into_iter().flatten().collect();
    Ok(described(info, special))
}

fn json(path: &Path) -> Result<Value> {
    let bytes = std::fs::read(path).map_err(|e| bad(path, e))?;
    serde_json::from_slice(&bytes).map_err(|e| bad(path, e))
}
