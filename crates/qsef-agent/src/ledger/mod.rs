//! The feedback ledger: what was decided in each run, and how it turned out. One SQLite file that several processes may
//! write at the same time; rows are only ever added.
//!
//! A write is done when its call returns: its rows are on the disk then, whatever happens to the process or the machine.
//! All calls block; in async code, make them on a thread that may (`tokio::task::spawn_blocking`).

mod read;
mod recorder;
mod rows;
mod schema;
mod write;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use qsef_core::{Error, Result};
use rusqlite::Connection;

pub(crate) use recorder::Recorder;
pub(crate) use rows::now_ms;
pub use rows::{Decision, HistoryQuery, HistoryRow, Outcome, OutcomeKind, Record, Recorded, TraceSummary};
use schema::SCHEMA;

/// The feedback ledger. Cheap to clone; clones share one connection.
#[derive(Debug, Clone)]
pub struct Ledger(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    connection: Mutex<Connection>,
}

impl Ledger {
    /// The ledger's file name in the home directory.
    pub const FILE_NAME: &str = "ledger.sqlite3";

    /// Opens the ledger in this file; makes the file and its directories where there are none, and brings a ledger of an
    /// older version up to date. A new file is only for its owner to read, where the platform knows owners.
    ///
    /// # Errors
    /// [`Error::File`] for a file that is no ledger or one of a newer version, and [`Error::Io`] where it cannot be read
    /// or written.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Ok(Self::new(path, SCHEMA.open(path)?))
    }

    /// A ledger that lives as long as its handles, for tests and for programs that keep nothing.
    ///
    /// # Errors
    /// [`Error::Io`] where there is no memory for it.
    pub fn in_memory() -> Result<Self> {
        Ok(Self::new(Path::new(":memory:"), SCHEMA.in_memory()?))
    }

    fn new(path: &Path, connection: Connection) -> Self {
        Self(Arc::new(Inner { path: path.to_owned(), connection: Mutex::new(connection) }))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// The connection. A thread that panicked while it had it has rolled its transaction back.
    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.0.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn broken(&self, error: rusqlite::Error) -> Error {
        SCHEMA.failed(&self.0.path, error)
    }

    fn no_such_trace(&self, trace: &str) -> Error {
        let ledger = self.0.path.display();
        Error::Input(format!("the ledger {ledger} has no trace `{trace}`; `qsef trace list` shows those that it has"))
    }
}
