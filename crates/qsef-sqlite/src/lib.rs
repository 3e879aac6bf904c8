//! Files of SQLite that several processes share: the feedback ledger and the knowledge base. A [`Schema`] says what is in one; it
//! opens the file, brings an older one up to date, and says what to do about one that cannot be used.

mod migrate;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use qsef_core::{Error, Result};
use rusqlite::{Connection, ErrorCode, OpenFlags};

use migrate::Unfit;

/// What is in a file, and how it is used.
#[derive(Debug, Clone, Copy)]
pub struct Schema<'a> {
    /// What people call it: "ledger".
    pub what: &'a str,
    /// Four letters of ASCII that tell it from other programs' databases.
    pub application_id: i64,
    /// Step N turns a file of version N − 1 into one of version N. Steps that were released never change; a change of the
    /// tables is a new step at the end.
    pub steps: &'a [&'a str],
    /// Pragmas of each connection, besides those that make it safe.
    pub pragmas: &'a str,
    /// How long to wait for other processes' writes.
    pub patience: Duration,
}

impl Schema<'_> {
    /// Opens a file; makes it and its directories where there are none, and brings one of an older version up to date. A new
    /// file is only for its owner to read, where the platform knows owners.
    ///
    /// # Errors
    /// [`Error::File`] for a file that is no such one or of a newer version, and [`Error::Io`] where it cannot be read or
    /// written.
    pub fn open(&self, path: &Path) -> Result<Connection> {
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
        self.prepare(connection, path)
    }

    /// Opens one that lives as long as the connection.
    ///
    /// # Errors
    /// [`Error::Io`] where there is no memory for it.
    pub fn in_memory(&self) -> Result<Connection> {
        self.prepare(Connection::open_in_memory(), Path::new(":memory:"))
    }

    fn prepare(&self, connection: rusqlite::Result<Connection>, path: &Path) -> Result<Connection> {
        let prepared = connection.map_err(Unfit::Sql).and_then(|mut connection| {
            connection.busy_timeout(self.patience)?;
            let began = Instant::now();
            loop {
                match self.set_up(&mut connection) {
                    // Where processes switch a new file to WAL at the same time, SQLite does not wait but gives up at once.
                    Err(Unfit::Sql(e)) if is_busy(&e) && began.elapsed() < self.patience => {
                        std::thread::sleep(Duration::from_millis(5));
                    }
                    done => return done.map(|()| connection),
                }
            }
        });
        prepared.map_err(|unfit| match unfit {
            Unfit::Sql(error) => self.failed(path, error),
            Unfit::Foreign => unusable(path, "this is another program's database; move it away".into()),
            Unfit::Newer(version) => {
                let (what, known) = (self.what, self.steps.len());
                let message = format!(
                    "a newer qsef wrote this {what}: it has version {version}, this qsef knows versions up to {known}; \
                     update qsef"
                );
                unusable(path, message)
            }
        })
    }

    fn set_up(&self, connection: &mut Connection) -> Result<(), Unfit> {
        // Before anything is changed: the file may be another program's.
        let is_older = self.is_older(connection)?;
        // FULL: what is committed survives a loss of power. Readers and a writer do not wait for each other with WAL; where the
        // file system does not allow it, SQLite keeps the journal, which is as safe.
        connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA foreign_keys = ON;")?;
        connection.execute_batch(self.pragmas)?;
        connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
        if is_older { self.migrate(connection) } else { Ok(()) }
    }

    /// What an error of SQLite means for the file.
    pub fn failed(&self, path: &Path, error: rusqlite::Error) -> Error {
        let what = self.what;
        let advice = match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                let message = format!("this is no {what}, or a damaged one ({error}); move it away to begin a new one");
                return unusable(path, message);
            }
            _ if is_busy(&error) => ": another process holds it; try again when that has ended",
            _ => "",
        };
        Error::Io {
            context: format!("cannot use the {what} {}{advice}", path.display()),
            source: std::io::Error::other(error),
        }
    }
}

/// Lets nobody else read a new file, which says what its owner asked for and reads; those that SQLite puts beside it follow it.
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

fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
}

fn unusable(path: &Path, message: String) -> Error {
    Error::File { path: path.to_owned(), line: None, field: None, message }
}
