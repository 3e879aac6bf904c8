//! Putting documents into the file.

use std::collections::HashMap;

use rusqlite::{OptionalExtension, Transaction};

use crate::{
    base::{EMBEDDER, now_ms},
    chunk::Chunk,
    documents::DocumentKind,
    extract::{CONCEPT, Found, FoundRelation, RULES, names, normalise},
    remove::{Removed, remove_if_orphan},
    search::{terms, to_bytes},
    walk::File,
};

/// A document that is ready to be put into the file.
pub(crate) struct Prepared {
    pub source: String,
    pub bytes: u64,
    pub modified_ns: i64,
    pub hash: [u8; 32],
    pub kind: DocumentKind,
    pub title: String,
    pub pieces: Vec<Piece>,
}

/// One of its pieces, with what is to be known of it.
pub(crate) struct Piece {
    pub chunk: Chunk,
    /// The terms of heading and text, joined by spaces.
    pub terms: (String, String),
    pub found: Found,
    pub vector: Option<Vec<f32>>,
}

impl Piece {
    pub fn new(chunk: Chunk, kind: DocumentKind, extract: bool) -> Self {
        let terms = (terms(&chunk.heading).join(" "), terms(&chunk.text).join(" "));
        let found = if extract { crate::extract::read(&chunk, kind) } else { Found::default() };
        Self { chunk, terms, found, vector: None }
    }
}

/// What was done with a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    New,
    Changed,
    /// The same content is there from elsewhere.
    Known,
}

/// Notes that a file's content is known; its document, where it has one already.
pub(crate) fn note_source(
    transaction: &Transaction<'_>,
    file: &File,
    source: &str,
    document: i64,
) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT document FROM sources WHERE path = ?1";
    let before: Option<i64> = transaction.prepare_cached(sql)?.query_row([source], |row| row.get(0)).optional()?;
    let sql = "INSERT INTO sources (path, document, bytes, modified_ns) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (path) DO UPDATE SET document = ?2, bytes = ?3, modified_ns = ?4";
    transaction.prepare_cached(sql)?.execute((source, document, file.bytes as i64, file.modified_ns))?;
    Ok(before)
}

/// Puts a document into the file, in place of what its source had before.
pub(crate) fn put(transaction: &Transaction<'_>, document: &Prepared) -> rusqlite::Result<Put> {
    let known: Option<i64> = transaction
        .prepare_cached("SELECT id FROM documents WHERE hash = ?1")?
        .query_row([document.hash.as_slice()], |row| row.get(0))
        .optional()?;
    let id = match known {
        Some(id) => id,
        None => insert(transaction, document)?,
    };
    let file = File { path: document.source.clone().into(), bytes: document.bytes, modified_ns: document.modified_ns };
    let before = note_source(transaction, &file, &document.source, id)?;
    if let Some(before) = before.filter(|before| *before != id) {
        remove_if_orphan(transaction, before, &mut Removed::default())?;
    }
    Ok(match (known, before) {
        (Some(_), _) => Put::Known,
        (None, Some(_)) => Put::Changed,
        (None, None) => Put::New,
    })
}

fn insert(transaction: &Transaction<'_>, document: &Prepared) -> rusqlite::Result<i64> {
    let at_ms = now_ms();
    transaction
        .prepare_cached("INSERT INTO documents (hash, kind, title, at_ms) VALUES (?1, ?2, ?3, ?4)")?
        .execute((document.hash.as_slice(), document.kind.name(), &document.title, at_ms))?;
    let id = transaction.last_insert_rowid();
    let mut graph = GraphWriter::new(transaction, id, at_ms);
    for piece in &document.pieces {
        let (first, last, is_page) = piece.chunk.place.columns();
        transaction
            .prepare_cached(
                "INSERT INTO chunks (document, first, last, is_page, heading, text) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute((id, first, last, is_page, &piece.chunk.heading, &piece.chunk.text))?;
        let chunk = transaction.last_insert_rowid();
        transaction.prepare_cached("INSERT INTO words (rowid, heading, body) VALUES (?1, ?2, ?3)")?.execute((
            chunk,
            &piece.terms.0,
            &piece.terms.1,
        ))?;
        if let Some(vector) = &piece.vector {
            put_vector(transaction, chunk, vector)?;
        }
        for (name, kind) in &piece.found.concepts {
            graph.mention(name, kind, chunk)?;
        }
        for relation in &piece.found.relations {
            graph.relation(relation, RULES, Some(chunk))?;
        }
    }
    Ok(id)
}

/// Keeps a chunk's vector.
pub(crate) fn put_vector(transaction: &Transaction<'_>, chunk: i64, vector: &[f32]) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO vectors (chunk, vector) SELECT id, ?2 FROM chunks WHERE id = ?1";
    transaction.prepare_cached(sql)?.execute((chunk, to_bytes(vector)))?;
    Ok(())
}

/// Notes whose vectors the base holds; the name that it had noted before, where it is another.
pub(crate) fn note_embedder(transaction: &Transaction<'_>, name: &str) -> rusqlite::Result<Option<String>> {
    let known = crate::base::meta(transaction, EMBEDDER)?;
    if known.is_none() {
        transaction.execute("INSERT INTO meta (key, value) VALUES (?1, ?2)", (EMBEDDER, name))?;
    }
    Ok(known.filter(|known| known != name))
}

/// Puts concepts and relations into the file, each with where it comes from.
pub(crate) struct GraphWriter<'a> {
    transaction: &'a Transaction<'a>,
    document: i64,
    at_ms: i64,
    known: HashMap<String, i64>,
}

impl<'a> GraphWriter<'a> {
    pub fn new(transaction: &'a Transaction<'a>, document: i64, at_ms: i64) -> Self {
        Self { transaction, document, at_ms, known: HashMap::new() }
    }

    /// The concept of this name, made where there is none.
    pub fn concept(&mut self, name: &str, kind: &str) -> rusqlite::Result<Option<i64>> {
        let key = normalise(name);
        if key.is_empty() {
            return Ok(None);
        }
        if let Some(id) = self.known.get(&key) {
            return Ok(Some(*id));
        }
        let sql = "SELECT concept FROM names WHERE key = ?1";
        let known = self.transaction.prepare_cached(sql)?.query_row([&key], |row| row.get(0)).optional()?;
        let id = match known {
            Some(id) => id,
            None => {
                let sql = "INSERT INTO concepts (name, kind) VALUES (?1, ?2)";
                self.transaction.prepare_cached(sql)?.execute((names::shown(name), kind))?;
                let id = self.transaction.last_insert_rowid();
                self.name(&key, id)?;
                id
            }
        };
        self.known.insert(key, id);
        Ok(Some(id))
    }

    fn name(&self, key: &str, concept: i64) -> rusqlite::Result<()> {
        let sql = "INSERT OR IGNORE INTO names (key, concept) VALUES (?1, ?2)";
        self.transaction.prepare_cached(sql)?.execute((key, concept)).map(drop)
    }

    /// Notes that a chunk names a concept.
    pub fn mention(&mut self, name: &str, kind: &str, chunk: i64) -> rusqlite::Result<()> {
        let Some(concept) = self.concept(name, kind)? else { return Ok(()) };
        let sql = "INSERT OR IGNORE INTO mentions (concept, chunk) VALUES (?1, ?2)";
        self.transaction.prepare_cached(sql)?.execute((concept, chunk)).map(drop)
    }

    /// Notes a relation, and that this document says it; whether it was new. `None` where an end has no name, or both are one.
    pub fn relation(
        &mut self,
        relation: &FoundRelation,
        method: &str,
        chunk: Option<i64>,
    ) -> rusqlite::Result<Option<bool>> {
        let Some(subject) = self.concept(&relation.subject, CONCEPT)? else { return Ok(None) };
        let Some(object) = self.concept(&relation.object, CONCEPT)? else { return Ok(None) };
        if subject == object {
            return Ok(None);
        }
        let kind = relation.kind.as_str();
        let sql = "INSERT OR IGNORE INTO relations (subject, kind, object) VALUES (?1, ?2, ?3)";
        let is_new = self.transaction.prepare_cached(sql)?.execute((subject, kind, object))? > 0;
        let sql = "INSERT INTO evidence (relation, document, chunk, method, confidence, at_ms)
                   SELECT id, ?4, ?5, ?6, ?7, ?8 FROM relations WHERE subject = ?1 AND kind = ?2 AND object = ?3";
        let confidence = f64::from(relation.confidence.clamp(0.0, 1.0));
        self.transaction.prepare_cached(sql)?.execute((
            subject,
            kind,
            object,
            self.document,
            chunk,
            method,
            confidence,
            self.at_ms,
        ))?;
        Ok(Some(is_new))
    }
}
