//! Where items come from: rows of JSON lines, documents, a knowledge base, a list of topics.

mod rows;

use std::path::{Path, PathBuf};

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
            return rows::read(path, self);
        }
        let (passages, left) = read_passages(&[PathBuf::from(path)])?;
        let mut read = Read::default();
        for left in left {
            // Rows below a directory are read as rows.
            let is_rows = left.path.extension().is_some_and(|e| e == "jsonl" || e == "ndjson");
            if !is_rows {
                let origin = Origin { source: named(path, &left.path.to_string_lossy()), ..Origin::default() };
                read.rejected.push(Rejected::unread(origin, left.why));
            }
        }
        let rows_of = |name: &str| name.ends_with(".jsonl") || name.ends_with(".ndjson");
        for passage in passages.iter().filter(|passage| !rows_of(&passage.source)) {
            self.passage(&mut read, passage, &named(path, &passage.source));
        }
        if path.is_dir() {
            let mut files: Vec<PathBuf> = std::fs::read_dir(path)
                .map_err(|e| Error::io("read", path, e))?
                .filter_map(|entry| Some(entry.ok()?.path()))
                .filter(|file| file.is_file() && rows_of(&file.to_string_lossy()))
                .collect();
            files.sort();
            for file in files {
                let more = rows::read(&file, self)?;
                read.items.extend(more.items);
                read.rejected.extend(more.rejected);
            }
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
