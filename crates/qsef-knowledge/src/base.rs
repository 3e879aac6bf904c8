use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use qsef_core::{Error, Result};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};
use serde::Serialize;

use crate::{graph::Graph, schema::SCHEMA, search::VectorIndex};

/// The knowledge base. Cheap to clone; clones share one connection.
#[derive(Clone)]
pub struct KnowledgeBase(Arc<Inner>);

struct Inner {
    path: PathBuf,
    connection: Mutex<Connection>,
    /// Views of the file in memory, with the state of the file that they show.
    vectors: Mutex<Option<(Version, Arc<VectorIndex>)>>,
    graph: Mutex<Option<(Version, Arc<Graph>)>>,
}

/// A state of the file: changes by others, changes by this connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version(i64, i64);

impl std::fmt::Debug for KnowledgeBase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KnowledgeBase({})", self.0.path.display())
    }
}

/// How much a base holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stats {
    /// Files that were read.
    pub sources: u64,
    /// Contents among them that differ.
    pub documents: u64,
    /// Pieces that can be found.
    pub chunks: u64,
    /// Those that can be found by meaning.
    pub vectors: u64,
    /// Concepts and entities.
    pub concepts: u64,
    /// Typed relations between them.
    pub relations: u64,
    /// What says that these hold.
    pub evidence: u64,
    /// The embedder whose vectors it holds.
    pub embedder: Option<String>,
    /// Size of the file in bytes.
    pub bytes: u64,
}

/// A document of a base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DocumentInfo {
    /// The file, or another name of what was added.
    pub source: String,
    /// Its title.
    pub title: String,
    /// What it was read as.
    pub kind: String,
    /// Its pieces.
    pub chunks: u64,
    /// When it was added, in ms since 1970.
    pub at_ms: i64,
}

impl KnowledgeBase {
    /// The base's file name in the home directory.
    pub const FILE_NAME: &str = "knowledge.sqlite3";

    /// Opens the base in this file; makes the file and its directories where there are none. A new file is only for its
    /// owner to read, where the platform knows owners.
    ///
    /// # Errors
    /// [`Error::File`] for a file that is no knowledge base or one of a newer version, and [`Error::Io`] where it cannot be
    /// read or written.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Ok(Self::new(path, SCHEMA.open(path)?))
    }

    /// A base that lives as long as its handles.
    ///
    /// # Errors
    /// [`Error::Io`] where there is no memory for it.
    pub fn in_memory() -> Result<Self> {
        Ok(Self::new(Path::new(":memory:"), SCHEMA.in_memory()?))
    }

    fn new(path: &Path, connection: Connection) -> Self {
        connection.set_prepared_statement_cache_capacity(64);
        Self(Arc::new(Inner {
            path: path.to_owned(),
            connection: Mutex::new(connection),
            vectors: Mutex::default(),
            graph: Mutex::default(),
        }))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// How much it holds.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read.
    pub fn stats(&self) -> Result<Stats> {
        self.read(|connection| {
            let count = |table: &str| {
                connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0))
            };
            let pages = |what: &str| connection.query_row(&format!("PRAGMA {what}"), [], |row| row.get::<_, i64>(0));
            Ok(Stats {
                sources: count("sources")? as u64,
                documents: count("documents")? as u64,
                chunks: count("chunks")? as u64,
                vectors: count("vectors")? as u64,
                concepts: count("concepts")? as u64,
                relations: count("relations")? as u64,
                evidence: count("evidence")? as u64,
                embedder: meta(connection, EMBEDDER)?,
                bytes: (pages("page_count")? * pages("page_size")?) as u64,
            })
        })
    }

    /// Whether nothing has been added.
    ///
    /// # Errors
    /// As [`KnowledgeBase::stats`].
    pub fn is_empty(&self) -> Result<bool> {
        self.read(|c| c.query_row("SELECT NOT EXISTS (SELECT 1 FROM sources)", [], |row| row.get(0)))
    }

    /// The name of the embedder whose vectors it holds: queries have to be embedded by the same.
    ///
    /// # Errors
    /// As [`KnowledgeBase::stats`].
    pub fn embedder(&self) -> Result<Option<String>> {
        self.read(|connection| meta(connection, EMBEDDER))
    }

    /// Length of the base's vectors; 0 where it has none.
    ///
    /// # Errors
    /// As [`KnowledgeBase::stats`].
    pub fn dimensions(&self) -> Result<usize> {
        self.read(|connection| {
            let sql = "SELECT length(vector) / 2 FROM vectors LIMIT 1";
            Ok(connection.query_row(sql, [], |row| row.get::<_, i64>(0)).optional()?.unwrap_or(0) as usize)
        })
    }

    /// What was added, by its name.
    ///
    /// # Errors
    /// As [`KnowledgeBase::stats`].
    pub fn documents(&self) -> Result<Vec<DocumentInfo>> {
        self.read(|connection| {
            let mut rows = connection.prepare(
                "SELECT path, title, kind, (SELECT count(*) FROM chunks c WHERE c.document = d.id), at_ms
                 FROM sources s JOIN documents d ON d.id = s.document ORDER BY path",
            )?;
            let rows = rows.query_map([], |row| {
                Ok(DocumentInfo {
                    source: row.get(0)?,
                    title: row.get(1)?,
                    kind: row.get(2)?,
                    chunks: row.get::<_, i64>(3)? as u64,
                    at_ms: row.get(4)?,
                })
            })?;
            rows.collect()
        })
    }

    /// The connection. A thread that panicked while it had it has rolled its transaction back.
    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.0.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the file.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        read(&self.connection()).map_err(|e| SCHEMA.failed(self.path(), e))
    }

    /// Changes the file: all of it, or nothing.
    pub(crate) fn write<T>(&self, write: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T> {
        let mut connection = self.connection();
        let done = connection.transaction_with_behavior(TransactionBehavior::Immediate).and_then(|transaction| {
            let done = write(&transaction)?;
            transaction.commit()?;
            Ok(done)
        });
        done.map_err(|e| SCHEMA.failed(self.path(), e))
    }

    /// The view of the vectors, made anew where the file has changed.
    pub(crate) fn vectors(&self) -> Result<Arc<VectorIndex>> {
        cached(self, &self.0.vectors, VectorIndex::load)
    }

    /// The semantic graph, as the file has it now; it is kept until the file changes.
    ///
    /// # Errors
    /// As [`KnowledgeBase::stats`].
    pub fn graph(&self) -> Result<Arc<Graph>> {
        cached(self, &self.0.graph, Graph::load)
    }
}

/// What is kept for a state of the file; made where there is none of its present state.
fn cached<T>(
    base: &KnowledgeBase,
    cell: &Mutex<Option<(Version, Arc<T>)>>,
    load: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> Result<Arc<T>> {
    let mut kept = cell.lock().unwrap_or_else(PoisonError::into_inner);
    let (version, fresh) = base.read(|connection| {
        // One moment for both.
        let moment = connection.unchecked_transaction()?;
        let version = version(&moment)?;
        let fresh = kept.as_ref().is_none_or(|(of, _)| *of != version).then(|| load(&moment)).transpose()?;
        Ok((version, fresh))
    })?;
    if let Some(fresh) = fresh {
        *kept = Some((version, Arc::new(fresh)));
    }
    kept.as_ref().map(|(_, view)| view.clone()).ok_or_else(|| Error::Internal("no view of the knowledge base".into()))
}

fn version(connection: &Connection) -> rusqlite::Result<Version> {
    let others = connection.query_row("PRAGMA data_version", [], |row| row.get(0))?;
    Ok(Version(others, connection.total_changes() as i64))
}

/// Key of the embedder's name in `meta`.
pub(crate) const EMBEDDER: &str = "embedder";

/// What the base says of itself.
pub(crate) fn meta(connection: &Connection, key: &str) -> rusqlite::Result<Option<String>> {
    connection.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0)).optional()
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64)
}
