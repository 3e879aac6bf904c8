//! Reading documents: bytes become headings and blocks of text, each with its place.

mod html;
mod lines;
mod markdown;
#[cfg(feature = "pdf")]
mod pdf;
mod plain;
mod rows;
mod text;

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::place::Place;

/// The largest file that is read, in bytes.
pub const MAX_BYTES: u64 = 64 << 20;

/// What a document is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum DocumentKind {
    /// Markdown.
    Markdown,
    /// Text of paragraphs.
    Text,
    /// HTML: what a reader sees of it.
    Html,
    /// The text of a PDF file.
    Pdf,
    /// Comma- or tab-separated values with a header.
    Csv,
    /// A JSON value per line.
    Jsonl,
    /// Source code, configuration and the like.
    Code,
}

impl DocumentKind {
    /// The kind that a file's name tells; `None` for names that tell nothing known.
    pub fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_lowercase();
        let extension = name.rsplit_once('.').map_or(name.as_str(), |(_, extension)| extension);
        Some(match extension {
            "md" | "markdown" | "mdx" => Self::Markdown,
            "txt" | "text" | "rst" | "adoc" | "org" | "log" | "readme" | "license" | "notice" | "authors" => Self::Text,
            "html" | "htm" | "xhtml" => Self::Html,
            "pdf" => Self::Pdf,
            "csv" | "tsv" => Self::Csv,
            "jsonl" | "ndjson" => Self::Jsonl,
            "rs" | "py" | "js" | "mjs" | "ts" | "tsx" | "jsx" | "java" | "kt" | "c" | "h" | "cc" | "cpp" | "hpp"
            | "cs" | "go" | "rb" | "php" | "swift" | "scala" | "sh" | "bash" | "sql" | "r" | "lua" | "jl" | "hs"
            | "ml" | "ex" | "exs" | "erl" | "clj" | "vue" | "css" | "scss" | "toml" | "yaml" | "yml" | "json"
            | "xml" | "ini" | "cfg" | "proto" | "makefile" | "dockerfile" | "justfile" => Self::Code,
            _ => return None,
        })
    }

    /// Its name, as in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Markdown => "markdown",
            Self::Text => "text",
            Self::Html => "html",
            Self::Pdf => "pdf",
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
            Self::Code => "code",
        }
    }
}

/// A piece of a document as it stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    pub place: Place,
    /// 1 to 6 for a heading.
    pub heading: Option<u8>,
    pub text: String,
}

impl Block {
    pub(crate) fn text(text: impl Into<String>, place: Place) -> Self {
        Self { place, heading: None, text: text.into() }
    }
}

/// A document that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// Its title, or the file's name.
    pub title: String,
    /// What it was read as.
    pub kind: DocumentKind,
    pub(crate) blocks: Vec<Block>,
}

/// Reads a document. A file whose name tells no kind is read as text where it is text.
///
/// # Errors
/// Why it cannot be read, as a sentence without the file's name.
pub(crate) fn parse(path: &Path, bytes: &[u8]) -> Result<Parsed, String> {
    let kind = DocumentKind::of(path).unwrap_or(DocumentKind::Text);
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let blocks = match kind {
        #[cfg(feature = "pdf")]
        DocumentKind::Pdf => pdf::read(bytes)?,
        #[cfg(not(feature = "pdf"))]
        DocumentKind::Pdf => return Err("this program is built without PDF (feature `pdf`)".into()),
        kind => {
            let text = text::decode(bytes)?;
            match kind {
                DocumentKind::Markdown => markdown::read(&text),
                DocumentKind::Html => html::read(&text),
                DocumentKind::Csv => rows::csv(&text, name.to_lowercase().ends_with(".tsv"))?,
                DocumentKind::Jsonl => rows::jsonl(&text)?,
                DocumentKind::Code => plain::code(&text),
                _ => plain::paragraphs(&text),
            }
        }
    };
    let title = blocks.iter().find(|b| b.heading == Some(1)).map(|b| b.text.clone()).filter(|t| !t.is_empty());
    Ok(Parsed { title: title.unwrap_or(name), kind, blocks })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::chunk::chunks;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        /// Whatever the bytes are: they are read or refused, and each piece stands within the text.
        #[test]
        fn no_bytes_break_a_reader(
            kind in prop::sample::select(vec!["md", "txt", "html", "csv", "tsv", "jsonl", "rs", "pdf"]),
            bytes in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..300),
                "[ -~\\n#<>/\"`{}|*,;\\[\\]知é。]{0,400}".prop_map(String::into_bytes),
            ],
        ) {
            let name = format!("a.{kind}");
            if let Ok(parsed) = parse(Path::new(&name), &bytes) {
                let lines = bytes.split(|b| *b == b'\n').count() as u32;
                for chunk in chunks(&parsed) {
                    let (first, last, _) = chunk.place.columns();
                    prop_assert!(first >= 1 && first <= last && last <= lines.max(1), "{chunk:?}");
                }
            }
        }
    }
}
