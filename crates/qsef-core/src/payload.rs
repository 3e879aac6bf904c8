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
    /// Yes or no; the value is a boolean.
    Boolean,
    /// A calendar date; the value is a string, ISO 8601 as `2024-05-03`.
    Date,
    /// Rows of the same columns; the value is an array of objects with the same keys in the same order, without arrays and
    /// objects in them.
    Table,
    /// A YAML document; the value is a string.
    Yaml,
    /// Comma-separated values with a header (RFC 4180); the value is a string.
    Csv,
    /// A table as Markdown writes it; the value is a string.
    MarkdownTable,
    /// Source code as it stands in prose, in a Markdown fence that may name its language; the value is a string.
    Fenced,
    /// An image; its payload has that modality, and a value as [`Payload::media`] makes it.
    Image,
    /// Sound; its payload has that modality, and a value as [`Payload::media`] makes it.
    Audio,
}

impl Format {
    /// Which signal carries it.
    pub fn modality(&self) -> Modality {
        match self {
            Self::Image => Modality::Image,
            Self::Audio => Modality::Audio,
            _ => Modality::Text,
        }
    }
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::Json => "JSON",
            Self::Code(language) if !language.is_empty() => return write!(f, "{language} code"),
            Self::Code(_) => "code",
            Self::List => "list",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Table => "table",
            Self::Yaml => "YAML",
            Self::Csv => "CSV",
            Self::MarkdownTable => "Markdown table",
            Self::Fenced => "fenced code",
            Self::Image => "image",
            Self::Audio => "audio",
        })
    }
}

/// The type of an output: what whoever makes it is to make, and what whoever uses it can rely on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutputType {
    /// How it is written.
    pub format: Format,
    /// JSON Schema of it, for [`Format::Json`] where its users ask for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
}

impl std::fmt::Display for OutputType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.format, if self.schema.is_some() { " by a schema" } else { "" })
    }
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

    /// An image or a sound: the value is an object with its MIME type in `mime`, such as `image/png`, and its bytes in `base64`.
    pub fn media(format: Format, mime: impl Into<String>, base64: impl Into<String>) -> Self {
        let (mime, base64): (String, String) = (mime.into(), base64.into());
        let modality = format.modality();
        Self { value: serde_json::json!({"mime": mime, "base64": base64}), format, modality }
    }

    /// What an image or a sound is called where only text can stand.
    fn name(&self) -> Option<String> {
        let base64 = self.value.get("base64").filter(|_| self.modality != Modality::Text)?.as_str()?;
        let mime = self.value.get("mime").and_then(Value::as_str).unwrap_or_default();
        Some(format!("({}, {mime}, {} bytes)", self.format, base64.len() / 4 * 3))
    }

    /// The value in Markdown: code in a fence, a list of texts as a list, any other structure as JSON in a fence; images and
    /// sounds only by name.
    pub fn to_markdown(&self) -> String {
        if let Some(name) = self.name() {
            return name;
        }
        let items =
            |items: &[Value]| items.iter().map(|i| Some(format!("- {}", i.as_str()?))).collect::<Option<Vec<_>>>();
        let json = || format!("```json\n{:#}\n```", self.value);
        match (&self.value, &self.format) {
            (Value::String(code), Format::Code(language)) => format!("```{language}\n{code}\n```"),
            (Value::String(text), Format::Yaml) => format!("```yaml\n{text}\n```"),
            (Value::String(text), Format::Csv) => format!("```csv\n{text}\n```"),
            (Value::Array(list), _) if list.is_empty() => "(none)".to_owned(),
            (Value::Array(list), _) => items(list).map_or_else(json, |lines| lines.join("\n")),
            (Value::Object(_), _) => json(),
            _ => self.to_text(),
        }
    }

    /// The value as a person would read it: a string bare, an image or a sound by name, anything else as JSON.
    pub fn to_text(&self) -> String {
        match &self.value {
            Value::String(text) => text.clone(),
            other => self.name().unwrap_or_else(|| other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn people_read_lists_and_code() {
        let list = Payload { format: Format::List, ..Payload::json(json!(["a", "b"])) };
        assert_eq!(list.to_markdown(), "- a\n- b");
        assert_eq!(Payload::json(json!([])).to_markdown(), "(none)");
        assert_eq!(Payload::json(json!({"n": 1})).to_markdown(), "```json\n{\n  \"n\": 1\n}\n```");
        assert_eq!(Payload::string("x", Format::Code("rust".into())).to_markdown(), "```rust\nx\n```");
        assert_eq!(Payload::string("a,b", Format::Csv).to_markdown(), "```csv\na,b\n```");
        assert_eq!(Payload::string("36 km", Format::Number).to_markdown(), "36 km");
        let image = Payload::media(Format::Image, "image/png", "AAECAwQF");
        assert_eq!(image.to_markdown(), "(image, image/png, 6 bytes)");
        assert_eq!((image.to_text(), image.modality), (image.to_markdown(), Modality::Image));
    }
}
