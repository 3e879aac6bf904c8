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
    time::{Duration, Instant},
};

use qsef_core::{Error, Result};
use rusqlite::{Connection, ErrorCode, OpenFlags};

pub(crate) use recorder::Recorder;
pub(crate) use rows::now_ms;
pub use rows::{Decision, HistoryQuery, HistoryRow, Outcome, OutcomeKind, Record, Recorded, TraceSummary};
use schema::Unfit;

/// How long to wait for other processes' writes, each of which takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

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
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir).map_err(|e| Error::io("create", dir, e))?;
        }
        // Without SQLITE_OPEN_URI: a path is a path, also one that begins with "file:".
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let is_new = !path.exists();
        let connection = Connection::open_with_flags(path, flags);
        if is_new && connection.is_ok() {
            for_its_owner(path)?;
        }
        Self::prepare(connection, path)
    }

    /// A ledger that lives as long as its handles, for tests and for programs that keep nothing.
    ///
    /// # Errors
    /// [`Error::Io`] where there is no memory for it.
    pub fn in_memory() -> Result<Self> {
        Self::prepare(Connection::open_in_memory(), Path::new(":memory:"))
    }

    fn prepare(connection: rusqlite::Result<Connection>, path: &Path) -> Result<Self> {
        let prepared = connection.map_err(Unfit::Sql).and_then(|mut connection| {
            connection.busy_timeout(PATIENCE)?;
            let began = Instant::now();
            loop {
                match set_up(&mut connection) {
                    // Where processes switch a new file to WAL at the same time, SQLite does not wait but gives up at once.
                    Err(Unfit::Sql(e)) if is_busy(&e) && began.elapsed() < PATIENCE => {
                        std::thread::sleep(Duration::from_millis(5));
                    }
                    done => return done.map(|()| connection),
                }
            }
        });
        match prepared {
            Ok(connection) => Ok(Self(Arc::new(Inner { path: path.to_owned(), connection: Mutex::new(connection) }))),
            Err(Unfit::Sql(error)) => Err(broken(path, error)),
            Err(Unfit::Foreign) => Err(unfit(path, "this is another program's database; move it away".into())),
            Err(Unfit::Newer(version)) => {
                let known = schema::MIGRATIONS.len();
                let message = format!(
                    "a newer qsef wrote this ledger: it has version {version}, this qsef knows versions up to {known}; \
                     update qsef"
                );
                Err(unfit(path, message))
            }
        }
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
        broken(&self.0.path, error)
    }

    fn no_such_trace(&self, trace: &str) -> Error {
        let ledger = self.0.path.display();
        Error::Input(format!("the ledger {ledger} has no trace `{trace}`; `qsef trace list` shows those that it has"))
    }
}

/// Lets nobody else read a new ledger, which says what its owner asked for; the files that SQLite puts beside it follow it.
/// By path: to close a file that SQLite has open would end SQLite's locks.
fn for_its_owner(path: &Path) -> Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let owner = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(path, owner).map_err(|e| Error::io("set the permissions of", path, e))?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

fn set_up(connection: &mut Connection) -> Result<(), Unfit> {
    // Before anything is changed: the file may be another program's.
    let is_older = schema::is_older(connection, schema::MIGRATIONS)?;
    // FULL: what is committed survives a loss of power. Readers and a writer do not wait for each other with WAL; where the
    // file system does not allow it, SQLite keeps the journal, which is as safe.
    let pragmas = "PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA foreign_keys = ON;";
    connection.execute_batch(pragmas)?;
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    if is_older { schema::migrate(connection, schema::MIGRATIONS) } else { Ok(()) }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
}

fn unfit(path: &Path, message: String) -> Error {
    Error::File { path: path.to_owned(), line: None, field: None, message }
}

fn broken(path: &Path, error: rusqlite::Error) -> Error {
    let advice = match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            return unfit(
                path,
                format!("this is no ledger, or a damaged one ({error}); move it away to begin a new one"),
            );
        }
        _ if is_busy(&error) => ": another process holds it; try again when that has ended",
        _ => "",
    };
    Error::Io {
        context: format!("cannot use the ledger {}{advice}", path.display()),
        source: std::io::Error::other(error),
    }
}
