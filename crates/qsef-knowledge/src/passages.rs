//! Passages of documents without a base, and those that a base holds: what curricula are made of.

use std::path::{Path, PathBuf};

use qsef_core::Result;

use crate::{
    KnowledgeBase,
    add::Left,
    chunk::{Chunk, chunks},
    documents::parse,
    place::Place,
    walk::walk,
};

/// A piece of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// The file, or another name of what was added to a base.
    pub source: String,
    /// Where it stands, under which headings, and its text.
    pub chunk: Chunk,
}

/// The passages of the documents below paths, in the order of their names, and what was left out.
///
/// # Errors
/// [`qsef_core::Error::Input`] for a path that does not exist, or that is a device or a pipe.
pub fn read_passages(paths: &[PathBuf]) -> Result<(Vec<Passage>, Vec<Left>)> {
    let (files, mut left) = walk(paths)?;
    let mut passages = Vec::new();
    for file in files {
        let source = file.path.to_string_lossy().into_owned();
        match std::fs::read(&file.path).map_err(|e| e.to_string()).and_then(|bytes| parse(&file.path, &bytes)) {
            Ok(parsed) => {
                passages.extend(chunks(&parsed).into_iter().map(|chunk| Passage { source: source.clone(), chunk }));
            }
            Err(why) => left.push(Left { path: Path::new(&source).to_owned(), why }),
        }
    }
    Ok((passages, left))
}

impl KnowledgeBase {
    /// All its passages, document by document.
    ///
    /// # Errors
    /// As [`KnowledgeBase::stats`].
    pub fn passages(&self) -> Result<Vec<Passage>> {
        self.read(|connection| {
            let mut statement = connection.prepare(
                "SELECT first, last, is_page, heading, text, (SELECT min(path) FROM sources s WHERE s.document = c.document) AS source
                 FROM chunks c WHERE source IS NOT NULL ORDER BY source, id",
            )?;
            let rows = statement.query_map([], |row| {
                let place = Place::of_columns(row.get(0)?, row.get(1)?, row.get(2)?);
                Ok(Passage { source: row.get(5)?, chunk: Chunk { place, heading: row.get(3)?, text: row.get(4)? } })
            })?;
            rows.collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AddOptions;

    #[tokio::test]
    async fn files_and_a_base_have_the_same_passages() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.md");
        std::fs::write(&path, "# One\n\nFerrets sleep.\n\n# Two\n\nThey play.\n").unwrap();
        std::fs::write(dir.path().join("b.jsonl"), "{oops").unwrap();
        let (passages, left) = read_passages(&[dir.path().to_owned()]).unwrap();
        let texts: Vec<_> = passages.iter().map(|p| (p.chunk.heading.as_str(), p.chunk.text.as_str())).collect();
        assert_eq!(texts, [("One", "Ferrets sleep."), ("Two", "They play.")]);
        assert!(left[0].path.ends_with("b.jsonl") && left[0].why.contains("line 1"));
        let base = KnowledgeBase::in_memory().unwrap();
        base.add(&[path], &AddOptions::default(), &|_| ()).await.unwrap();
        assert_eq!(base.passages().unwrap(), passages);
    }
}
