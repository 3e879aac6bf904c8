//! Weights in files, under the names that BERT's files have.

use std::{collections::HashMap, path::Path};

use candle_core::{Device, Result as Candle, Tensor};
use qsef_core::{Error, Result};

use super::{Classifier, EncoderConfig};

fn bad(dir: &Path, file: &str, why: impl std::fmt::Display) -> Error {
    Error::ModelFile(format!("{}: {why}", dir.join(file).display()))
}

/// Reads `config.json` of a directory.
///
/// # Errors
/// [`Error::ModelFile`] for a file that is missing or damaged.
pub(crate) fn read_shape(dir: &Path) -> Result<EncoderConfig> {
    let text = std::fs::read(dir.join("config.json")).map_err(|e| bad(dir, "config.json", e))?;
    let config: EncoderConfig = serde_json::from_slice(&text).map_err(|e| bad(dir, "config.json", e))?;
    config.check().map_err(|e| bad(dir, "config.json", e))?;
    Ok(config)
}

/// Reads `config.json` and `model.safetensors` of a directory.
///
/// # Errors
/// [`Error::ModelFile`] naming the file that is missing or damaged.
pub fn read_weights(dir: &Path) -> Result<(EncoderConfig, HashMap<String, Tensor>)> {
    let config = read_shape(dir)?;
    let tensors = candle_core::safetensors::load(dir.join("model.safetensors"), &Device::Cpu);
    Ok((config, tensors.map_err(|e| bad(dir, "model.safetensors", e))?))
}

/// The names of the classes that a directory's model tells apart, from `config.json`; none where it has none.
///
/// # Errors
/// [`Error::ModelFile`] for a file that is missing or damaged.
pub fn read_labels(dir: &Path) -> Result<Vec<String>> {
    #[derive(serde::Deserialize)]
    struct Labels {
        #[serde(default)]
        id2label: HashMap<usize, String>,
    }
    let bad = |why: String| bad(dir, "config.json", why);
    let text = std::fs::read(dir.join("config.json")).map_err(|e| bad(e.to_string()))?;
    let mut labels: Labels = serde_json::from_slice(&text).map_err(|e| bad(e.to_string()))?;
    let count = labels.id2label.len();
    let name = |i| labels.id2label.remove(&i).ok_or_else(|| bad(format!("`id2label` lacks the class {i}")));
    (0..count).map(name).collect()
}

/// The tensors of a model under the names of BERT's files.
fn named(model: &Classifier) -> Candle<HashMap<String, Tensor>> {
    let mut tensors = HashMap::new();
    let mut put = |name: String, tensor: Tensor| tensors.insert(name, tensor);
    for (name, var) in model.params().iter() {
        let value = var.as_detached_tensor();
        let parts: Vec<&str> = name.split('.').collect();
        let pair = |value: &Tensor| Ok::<_, candle_core::Error>((value.get(0)?, value.get(1)?));
        match parts.as_slice() {
            ["words"] => drop(put("embeddings.word_embeddings.weight".into(), value)),
            ["positions"] => {
                let (_, hidden) = value.dims2()?;
                put("embeddings.position_embeddings.weight".into(), value.clone());
                // Its part is in the positions.
                let none = Tensor::zeros((1, hidden), value.dtype(), value.device())?;
                put("embeddings.token_type_embeddings.weight".into(), none);
            }
            ["head", "weight"] => drop(put("classifier.weight".into(), value.t()?.contiguous()?)),
            ["head", "bias"] => drop(put("classifier.bias".into(), value)),
            ["norm"] => {
                let (weight, bias) = pair(&value)?;
                put("embeddings.LayerNorm.weight".into(), weight);
                put("embeddings.LayerNorm.bias".into(), bias);
            }
            ["layer", i, norm @ ("attention_norm" | "output_norm")] => {
                let (weight, bias) = pair(&value)?;
                let of = if *norm == "attention_norm" { "attention.output" } else { "output" };
                put(format!("encoder.layer.{i}.{of}.LayerNorm.weight"), weight);
                put(format!("encoder.layer.{i}.{of}.LayerNorm.bias"), bias);
            }
            ["layer", i, map, kind] => {
                let value = if *kind == "weight" { value.t()?.contiguous()? } else { value };
                let of = match *map {
                    "attended" => "attention.output.dense",
                    "up" => "intermediate.dense",
                    "down" => "output.dense",
                    _ => {
                        for (part, value) in ["query", "key", "value"].iter().zip(value.chunk(3, 0)?) {
                            put(format!("encoder.layer.{i}.attention.self.{part}.{kind}"), value.contiguous()?);
                        }
                        continue;
                    }
                };
                put(format!("encoder.layer.{i}.{of}.{kind}"), value);
            }
            _ => candle_core::bail!("{name} has no place in a file"),
        }
    }
    Ok(tensors)
}

/// Writes `config.json`, with the classes' names, and `model.safetensors` into a directory.
///
/// # Errors
/// [`Error::Io`], as where the disk is full.
pub fn write_model(dir: &Path, model: &Classifier, labels: &[String]) -> Result<()> {
    let mut config = model.encoder().config().clone();
    config.type_vocab_size = 1;
    let mut document = serde_json::to_value(&config).map_err(|e| Error::Internal(e.to_string()))?;
    if let Some(fields) = document.as_object_mut() {
        let id2label: serde_json::Map<_, _> =
            labels.iter().enumerate().map(|(i, label)| (i.to_string(), label.clone().into())).collect();
        fields.insert("model_type".into(), "bert".into());
        fields.insert("hidden_act".into(), "gelu".into());
        fields.insert("pooling".into(), "mean".into());
        fields.insert("id2label".into(), id2label.into());
    }
    let tensors = named(model).map_err(|e| Error::Internal(format!("the model cannot be written: {e}")))?;
    crate::files::save_tensors(&dir.join("model.safetensors"), &tensors)?;
    let text = serde_json::to_string_pretty(&document).map_err(|e| Error::Internal(e.to_string()))?;
    crate::files::write(&dir.join("config.json"), text.as_bytes())
}
