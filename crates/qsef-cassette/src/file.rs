use std::{collections::BTreeMap, fs, path::Path};

use qsef_core::{Error, ModelInfo, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version of the format; others are refused.
const VERSION: u32 = 1;

/// A cassette as it is stored.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// The version of the format.
    cassette: u32,
    /// What it is a recording of, in words of whoever made it.
    #[serde(default)]
    pub about: BTreeMap<String, String>,
    /// What is known of the models, by the names that they were asked for by.
    #[serde(default)]
    pub models: BTreeMap<String, ModelInfo>,
    /// The lengths of the embedders' vectors, by name.
    #[serde(default)]
    pub embedders: BTreeMap<String, usize>,
    /// In the order in which they began.
    pub interactions: Vec<Interaction>,
    /// Each vector once: f32, little-endian, in base64.
    #[serde(default)]
    pub vectors: Vec<String>,
}

/// Who was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    Model(String),
    Embedder(String),
    Expert(String),
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Model(name) => write!(f, "the model `{name}`"),
            Self::Embedder(name) => write!(f, "the embedder `{name}`"),
            Self::Expert(name) => write!(f, "the expert `{name}`"),
        }
    }
}

/// A request and what came of it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Interaction {
    #[serde(flatten)]
    pub subject: Subject,
    /// Texts of several lines are lists of lines.
    pub request: Value,
    /// Null where whoever asked did not wait for it.
    pub answer: Value,
}

impl Default for File {
    fn default() -> Self {
        Self {
            cassette: VERSION,
            about: BTreeMap::new(),
            models: BTreeMap::new(),
            embedders: BTreeMap::new(),
            interactions: Vec::new(),
            vectors: Vec::new(),
        }
    }
}

impl File {
    pub fn load(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                Error::Input(format!("there is no cassette {}; QSEF_CASSETTE=record makes it", path.display()))
            }
            _ => Error::io("read", path, error),
        })?;
        let bad = |line, message| Error::File { path: path.to_owned(), line, field: None, message };
        let version = serde_json::from_str::<Value>(&text).ok().and_then(|v| v.get("cassette").and_then(Value::as_u64));
        if let Some(version) = version.filter(|v| *v != u64::from(VERSION)) {
            return Err(bad(None, format!("a cassette of version {version}; this program reads version {VERSION}")));
        }
        let mut file: Self =
            serde_json::from_str(&text).map_err(|e| bad(Some(e.line()), format!("this is no cassette: {e}")))?;
        for interaction in &mut file.interactions {
            if let Some(text) = interaction.answer.get_mut("text")
                && let Some(lines) = text.as_array()
            {
                *text = lines.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n").into();
            }
        }
        Ok(file)
    }

    /// Writes it, whole or not at all.
    pub fn save(&self, path: &Path) -> Result<()> {
        let failed = |error| Error::Internal(format!("cannot write a cassette: {error}"));
        let mut document = serde_json::to_value(self).map_err(failed)?;
        let interactions = document.get_mut("interactions").and_then(Value::as_array_mut);
        for interaction in interactions.into_iter().flatten() {
            if let Some(text) = interaction.get_mut("answer").and_then(|answer| answer.get_mut("text"))
                && let Some(lines) = text.as_str().filter(|text| text.contains('\n'))
            {
                *text = lines.split('\n').collect();
            }
        }
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir).map_err(|e| Error::io("create", dir, e))?;
        }
        let part = path.with_extension("part");
        fs::write(&part, format!("{document:#}\n")).map_err(|e| Error::io("write", &part, e))?;
        fs::rename(&part, path).map_err(|e| Error::io("write", path, e))
    }
}
