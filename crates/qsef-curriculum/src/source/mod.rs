//! Where items come from: rows of JSON lines, documents, a knowledge base, a list of topics.

mod rows;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use qsef_core::{Error, Result};
use qsef_knowledge::{KnowledgeBase, Passage, read_passages};
use sha2::{Digest, Sha256};

use crate::{
    item::{Item, Kind, Language, Origin, Rejected},
    prompts::hex,
    quality::detect,
    sentences::parts,
};

/// What was read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Read {
    /// Items, in the order of their source.
    pub items: Vec<Item>,
    /// What could not be read, with its place.
    pub rejected: Vec<Rejected>,
}

/// How sources are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Longer texts are cut into passages of at most so many words.
    pub passage_words: usize,
    /// The licence of rows that name none.
    pub licence: Option<String>,
}

/// An id that says what an item is, so that it is the same in each run.
pub(crate) fn id(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hex(hash.finalize().get(..6).unwrap_or_default())
}

impl Reading {
    /// Reads a file of JSON lines (`.jsonl`, `.ndjson`), another document, or all documents below a directory.
    ///
    /// # Errors
    /// [`Error::Input`] and [`Error::Io`] where there is nothing to read. A row that does not read is among what was rejected.
    pub fn path(&self, path: &Path) -> Result<Read> {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        if path.is_file() && matches!(extension, "jsonl" | "ndjson") {
            return rows::read(path, &path.to_string_lossy(), self);
        }
        let (passages, left) = read_passages(&[PathBuf::from(path)])?;
        // Rows below a directory are read as rows.
        let is_rows = |file: &str| file.ends_with(".jsonl") || file.ends_with(".ndjson");
        let mut files = BTreeSet::new();
        let mut read = Read::default();
        for left in left {
            let file = left.path.to_string_lossy().into_owned();
            if is_rows(&file) {
                files.insert(file);
            } else {
                let origin = Origin { source: named(path, &file), ..Origin::default() };
                read.rejected.push(Rejected::unread(origin, left.why));
            }
        }
        for passage in &passages {
            if is_rows(&passage.source) {
                files.insert(passage.source.clone());
            } else {
                self.passage(&mut read, passage, &named(path, &passage.source));
            }
        }
        for file in files {
            let more = rows::read(Path::new(&file), &named(path, &file), self)?;
            read.items.extend(more.items);
            read.rejected.extend(more.rejected);
        }
        Ok(read)
    }

    /// All passages of a knowledge base.
    ///
    /// # Errors
    /// Those of the base.
    pub fn knowledge(&self, base: &KnowledgeBase) -> Result<Read> {
        let mut read = Read::default();
        for passage in base.passages()? {
            self.passage(&mut read, &passage, &passage.source.clone());
        }
        Ok(read)
    }

    /// Topics, one in each line; lines that begin with `#` are comments.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn topics(&self, path: &Path) -> Result<Read> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io("read", path, e))?;
        let mut read = Read::default();
        for (number, line) in (1..).zip(text.lines()).map(|(n, line): (usize, _)| (n, line.trim())) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let origin = Origin {
                source: path.to_string_lossy().into_owned(),
                place: format!(":{number}"),
                licence: self.licence.clone(),
            };
            read.items.push(Item {
                id: id(&["topic", line]),
                kind: Kind::Topic,
                language: detect(line).unwrap_or_default(),
                origin,
                prompt: Vec::new(),
                about: Some(line.to_owned()),
                text: String::new(),
            });
        }
        Ok(read)
    }

    fn passage(&self, read: &mut Read, passage: &Passage, source: &str) {
        let chunk = &passage.chunk;
        let origin =
            Origin { source: source.to_owned(), place: chunk.place.to_string(), licence: self.licence.clone() };
        let about = Some(chunk.heading.clone()).filter(|heading| !heading.is_empty());
        self.push(read, &chunk.text, about, &origin, None);
    }

    /// Adds a text's passages.
    fn push(&self, read: &mut Read, text: &str, about: Option<String>, origin: &Origin, name: Option<&str>) {
        let parts = parts(text, self.passage_words);
        let several = parts.len() > 1;
        for (number, text) in (1..).zip(parts) {
            let number: usize = number;
            let id = match name {
                Some(name) if several => format!("{name}-{number}"),
                Some(name) => name.to_owned(),
                None => id(&[&origin.source, &origin.place, &text]),
            };
            read.items.push(Item {
                id,
                kind: Kind::Passage,
                language: detect(&text).unwrap_or(Language::En),
                origin: origin.clone(),
                prompt: Vec::new(),
                about: about.clone(),
                text,
            });
        }
    }
}

/// A file below a directory, as it is called from there: the same on each machine.
fn named(root: &Path, file: &str) -> String {
    let whole = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    match Path::new(file).strip_prefix(&whole) {
        Ok(rest) if rest.as_os_str().is_empty() => root.to_string_lossy().into_owned(),
        Ok(rest) => root.join(rest).to_string_lossy().into_owned(),
        Err(_) => file.to_owned(),
    }
}
