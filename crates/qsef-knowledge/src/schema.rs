//! The tables.

use std::time::Duration;

use qsef_sqlite::Schema;

/// What a base is. Other processes' writes take well under a second each.
pub(crate) const SCHEMA: Schema<'_> = Schema {
    what: "knowledge base",
    // "QSKB"
    application_id: 0x5153_4b42,
    steps: STEPS,
    pragmas: "PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 1073741824;",
    patience: Duration::from_secs(30),
};

const STEPS: &[&str] = &["
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
    -- What was read, once for each content.
    CREATE TABLE documents (
        id INTEGER PRIMARY KEY,
        hash BLOB NOT NULL UNIQUE,
        kind TEXT NOT NULL,
        title TEXT NOT NULL,
        at_ms INTEGER NOT NULL
    ) STRICT;
    -- Where it was read: several files may hold the same.
    CREATE TABLE sources (
        path TEXT PRIMARY KEY,
        document INTEGER NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
        bytes INTEGER NOT NULL,
        modified_ns INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX sources_of_document ON sources (document);
    CREATE TABLE chunks (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        document INTEGER NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
        first INTEGER NOT NULL,
        last INTEGER NOT NULL,
        is_page INTEGER NOT NULL,
        heading TEXT NOT NULL,
        text TEXT NOT NULL
    ) STRICT;
    CREATE INDEX chunks_of_document ON chunks (document);
    -- Of the text only the index is kept: the terms are made here, because no tokenizer of SQLite's reads Chinese.
    CREATE VIRTUAL TABLE words USING fts5 (
        heading, body, content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 0'
    );
    -- Apart from the chunks: a search by meaning reads all of them, and no text. Numbers of 16 bits, little-endian.
    CREATE TABLE vectors (
        chunk INTEGER PRIMARY KEY REFERENCES chunks (id) ON DELETE CASCADE,
        vector BLOB NOT NULL
    ) STRICT;
    CREATE TABLE concepts (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL,
        kind TEXT NOT NULL
    ) STRICT;
    -- Every normalised name that leads to a concept.
    CREATE TABLE names (
        key TEXT PRIMARY KEY,
        concept INTEGER NOT NULL REFERENCES concepts (id) ON DELETE CASCADE
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX names_of_concept ON names (concept);
    CREATE TABLE mentions (
        concept INTEGER NOT NULL REFERENCES concepts (id) ON DELETE CASCADE,
        chunk INTEGER NOT NULL REFERENCES chunks (id) ON DELETE CASCADE,
        PRIMARY KEY (concept, chunk)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX mentions_of_chunk ON mentions (chunk);
    CREATE TABLE relations (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        subject INTEGER NOT NULL REFERENCES concepts (id) ON DELETE CASCADE,
        kind TEXT NOT NULL,
        object INTEGER NOT NULL REFERENCES concepts (id) ON DELETE CASCADE,
        UNIQUE (subject, kind, object)
    ) STRICT;
    CREATE INDEX relations_of_object ON relations (object);
    -- Who says that a relation holds: a relation goes with the last of these.
    CREATE TABLE evidence (
        id INTEGER PRIMARY KEY,
        relation INTEGER NOT NULL REFERENCES relations (id) ON DELETE CASCADE,
        document INTEGER NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
        chunk INTEGER REFERENCES chunks (id) ON DELETE CASCADE,
        method TEXT NOT NULL,
        confidence REAL NOT NULL CHECK (confidence BETWEEN 0 AND 1),
        at_ms INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX evidence_of_relation ON evidence (relation);
    CREATE INDEX evidence_of_document ON evidence (document);
    CREATE INDEX evidence_of_chunk ON evidence (chunk);
    -- The concepts' places in a graph embedding. Numbers of 32 bits, little-endian.
    CREATE TABLE positions (
        concept INTEGER PRIMARY KEY REFERENCES concepts (id) ON DELETE CASCADE,
        vector BLOB NOT NULL
    ) STRICT;
    -- The vectors of concepts' names; what has one was compared with those before it. Numbers of 16 bits, little-endian.
    CREATE TABLE name_vectors (
        concept INTEGER PRIMARY KEY REFERENCES concepts (id) ON DELETE CASCADE,
        vector BLOB NOT NULL
    ) STRICT;
    -- Concepts whose names are taken to mean the same. Nothing is lost by it: the graph joins them when it is read.
    CREATE TABLE alike (
        concept INTEGER PRIMARY KEY REFERENCES concepts (id) ON DELETE CASCADE,
        same INTEGER NOT NULL REFERENCES concepts (id) ON DELETE CASCADE,
        cosine REAL NOT NULL
    ) STRICT;
    CREATE INDEX alike_to ON alike (same);
    -- Chunks that a model has read for relations.
    CREATE TABLE extracted (
        chunk INTEGER NOT NULL REFERENCES chunks (id) ON DELETE CASCADE,
        method TEXT NOT NULL,
        PRIMARY KEY (chunk, method)
    ) STRICT, WITHOUT ROWID;
"];
