use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A kind of signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Modality {
    /// Text, structured values included.
    Text,
    /// An image.
    Image,
    /// Sound.
    Audio,
}

/// How a payload's value is to be read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Format {
    /// Prose; the value is a string.
    Text,
    /// A quantity such as `36 km`; the value is a string.
    Number,
    /// Any JSON value.
    Json,
    /// Source code in the named language; the value is a string.
    Code(String),
    /// The value is an array.
    List,
}

/// A typed value that one expert hands to the next.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Payload {
    /// The value.
    pub value: Value,
    /// How to read it.
    pub format: Format,
    /// Which signal it carries.
    pub modality: Modality,
}

impl Payload {
    /// A string value in a format.
    pub fn string(value: impl Into<String>, format: Format) -> Self {
        Self { value: Value::String(value.into()), format, modality: Modality::Text }
    }

    /// Prose.
    pub fn text(value: impl Into<String>) -> Self {
        Self::string(value, Format::Text)
    }

    /// A JSON value.
    pub fn json(value: Value) -> Self {
        Self { value, format: Format::Json, modality: Modality::Text }
    }

    /// The value as a person would read it: a string bare, anything else as JSON.
    pub fn to_text(&self) -> String {
        match &self.value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}
