//! Triples of a file into a base, as what this file says.

use std::{
    fs::File,
    io::{BufReader, Read},
    path::Path,
};

use qsef_core::{Error, Result};
use rusqlite::OptionalExtension;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Fault, Row, TripleFormat, ntriples, tsv};
use crate::{
    KnowledgeBase,
    base::now_ms,
    extract::FoundRelation,
    remove::remove,
    walk,
    write::{GraphWriter, note_source},
};

/// The method of relations that a file of triples says.
const IMPORT: &str = "import";

/// What was imported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Imported {
    /// Triples that the file has.
    pub triples: usize,
    /// Relations that are new.
    pub relations: usize,
    /// Triples without names at both ends, or of something with itself.
    pub skipped: usize,
}

impl KnowledgeBase {
    /// Takes the triples of a file into the graph, all or none, in place of what this file said before. They go with the file:
    /// [`KnowledgeBase::remove`] takes them out again.
    ///
    /// # Errors
    /// [`Error::Input`] for a file that does not exist, [`Error::File`] with line and field for one that is not in this form,
    /// and [`Error::Io`] where the base cannot be written.
    pub fn import(&self, path: &Path, format: TripleFormat) -> Result<Imported> {
        let file = walk::one(path)?;
        let source = file.path.to_string_lossy().into_owned();
        let hash = hash_of(&file.path).map_err(|e| Error::io("read", path, e))?;
        let mut wrong = None;
        let done = self.write(|transaction| {
            let sql = "SELECT document FROM sources WHERE path = ?1";
            let mut imported = Imported::default();
            if transaction.prepare_cached(sql)?.exists([&source])? {
                remove(transaction, std::slice::from_ref(&source))?;
            }
            let sql = "SELECT id FROM documents WHERE hash = ?1";
            let known = transaction.prepare_cached(sql)?.query_row([hash.as_slice()], |row| row.get(0)).optional()?;
            if let Some(known) = known {
                note_source(transaction, &file, &source, known)?;
                return Ok(imported);
            }
            let title = file.path.file_name().unwrap_or_default().to_string_lossy();
            let at_ms = now_ms();
            transaction
                .prepare_cached("INSERT INTO documents (hash, kind, title, at_ms) VALUES (?1, 'triples', ?2, ?3)")?
                .execute((hash.as_slice(), &title, at_ms))?;
            let document = transaction.last_insert_rowid();
            note_source(transaction, &file, &source, document)?;
            let mut graph = GraphWriter::new(transaction, document, at_ms);
            let mut failed = None;
            let put = |Row { subject, relation, object, confidence }: Row| {
                let found = FoundRelation { subject, kind: relation, object, confidence };
                imported.triples += 1;
                match graph.relation(&found, IMPORT, None) {
                    Ok(Some(is_new)) => imported.relations += usize::from(is_new),
                    Ok(None) => imported.skipped += 1,
                    Err(error) => failed = Some(error),
                }
                failed.is_none()
            };
            let io = |e: std::io::Error| Fault { line: None, field: None, message: e.to_string() };
            let read = File::open(&file.path).map_err(io).and_then(|open| match format {
                TripleFormat::Tsv => tsv::read(BufReader::new(open), put),
                TripleFormat::NTriples => ntriples::read(BufReader::new(open), put),
            });
            if let Some(error) = failed {
                return Err(error);
            }
            read.map(|()| imported).map_err(|fault| {
                wrong = Some(fault);
                // Anything that is no success takes all of it back.
                rusqlite::Error::QueryReturnedNoRows
            })
        });
        match wrong {
            Some(Fault { line, field, message }) => {
                Err(Error::File { path: path.to_owned(), line, field: field.map(str::to_owned), message })
            }
            None => done,
        }
    }
}

fn hash_of(path: &Path) -> std::io::Result<[u8; 32]> {
    let mut hash = Sha256::new().chain_update(b"triples\0");
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finalize().into()),
            read => hash.update(buffer.get(..read).unwrap_or_default()),
        }
    }
}
