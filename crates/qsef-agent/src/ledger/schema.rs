//! The tables, and how a ledger of an older version becomes one of this version.

use rusqlite::{Connection, TransactionBehavior};

/// "QSEF" in ASCII: tells a ledger from other programs' databases.
const APPLICATION_ID: i64 = 0x5153_4546;

/// Step N turns a ledger of version N − 1 into one of version N. Steps that were released never change; a change of the
/// tables is a new step at the end.
pub(super) const MIGRATIONS: &[&str] = &["
    CREATE TABLE traces (
        id INTEGER PRIMARY KEY,
        trace_id TEXT NOT NULL UNIQUE,
        request TEXT NOT NULL,
        at_ms INTEGER NOT NULL
    ) STRICT;
    -- The vector comes last: what does not read it skips its pages.
    CREATE TABLE decisions (
        id INTEGER PRIMARY KEY,
        trace INTEGER NOT NULL REFERENCES traces (id),
        subtask INTEGER NOT NULL,
        task TEXT NOT NULL,
        expert TEXT NOT NULL,
        te REAL NOT NULL,
        terms TEXT NOT NULL,
        alternatives TEXT NOT NULL,
        embedder TEXT NOT NULL,
        expected_usd REAL NOT NULL,
        at_ms INTEGER NOT NULL,
        vector BLOB
    ) STRICT;
    CREATE INDEX decisions_of_trace ON decisions (trace, subtask);
    CREATE TABLE outcomes (
        id INTEGER PRIMARY KEY,
        decision INTEGER NOT NULL REFERENCES decisions (id),
        kind TEXT NOT NULL,
        score REAL NOT NULL CHECK (score BETWEEN 0 AND 1),
        latency_ms INTEGER,
        usd REAL,
        tokens INTEGER,
        note TEXT,
        at_ms INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX outcomes_of_decision ON outcomes (decision);
    CREATE TRIGGER traces_stay BEFORE UPDATE ON traces BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
    CREATE TRIGGER traces_remain BEFORE DELETE ON traces BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
    CREATE TRIGGER decisions_stay BEFORE UPDATE ON decisions BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
    CREATE TRIGGER decisions_remain BEFORE DELETE ON decisions BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
    CREATE TRIGGER outcomes_stay BEFORE UPDATE ON outcomes BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
    CREATE TRIGGER outcomes_remain BEFORE DELETE ON outcomes BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
", "
    -- Of two processes that go on with one run, the number lets only the first write its step.
    CREATE TABLE steps (
        trace INTEGER NOT NULL REFERENCES traces (id),
        number INTEGER NOT NULL,
        step TEXT NOT NULL,
        at_ms INTEGER NOT NULL,
        PRIMARY KEY (trace, number)
    ) STRICT, WITHOUT ROWID;
    CREATE TRIGGER steps_stay BEFORE UPDATE ON steps BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
    CREATE TRIGGER steps_remain BEFORE DELETE ON steps BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
"];

/// Why a file cannot be used as a ledger.
#[derive(Debug)]
pub(super) enum Unfit {
    /// A newer program wrote it: its version.
    Newer(i64),
    /// Another program's database.
    Foreign,
    /// SQLite cannot read it.
    Sql(rusqlite::Error),
}

impl From<rusqlite::Error> for Unfit {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

/// Whether a database lacks steps. It is read as it is at one moment: another process may be migrating it.
pub(super) fn is_older(connection: &mut Connection, steps: &[&str]) -> Result<bool, Unfit> {
    let moment = connection.transaction()?;
    Ok(!pending(&moment, steps)?.is_empty())
}

/// Brings a ledger to the version that the steps lead to: all of them, or none where one fails.
pub(super) fn migrate(connection: &mut Connection, steps: &[&str]) -> Result<(), Unfit> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for step in pending(&transaction, steps)? {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", steps.len() as i64)?;
    Ok(transaction.commit()?)
}

/// The steps that a database still needs; in a transaction.
fn pending<'a>(connection: &Connection, steps: &'a [&'a str]) -> Result<&'a [&'a str], Unfit> {
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let version = number("PRAGMA user_version")?;
    let is_ours = match number("PRAGMA application_id")? {
        APPLICATION_ID => true,
        0 => version == 0 && number("SELECT count(*) FROM sqlite_schema")? == 0,
        _ => false,
    };
    if !is_ours {
        return Err(Unfit::Foreign);
    }
    usize::try_from(version).ok().and_then(|done| steps.get(done..)).ok_or(Unfit::Newer(version))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(connection: &Connection) -> i64 {
        connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn an_older_ledger_gets_the_steps_that_it_lacks_and_keeps_its_rows() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, MIGRATIONS).unwrap();
        let known = MIGRATIONS.len() as i64;
        assert_eq!(version(&connection), known);
        connection.execute("INSERT INTO traces (trace_id, request, at_ms) VALUES ('t', 'r', 1)", []).unwrap();
        assert!(!is_older(&mut connection, MIGRATIONS).unwrap());
        let mut steps = MIGRATIONS.to_vec();
        steps.push("ALTER TABLE traces ADD COLUMN more TEXT NOT NULL DEFAULT 'new'");
        assert!(is_older(&mut connection, &steps).unwrap());
        migrate(&mut connection, &steps).unwrap();
        assert_eq!(version(&connection), known + 1);
        let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?));
        let kept = connection.query_row("SELECT request, more FROM traces", [], row).unwrap();
        assert_eq!(kept, ("r".into(), "new".into()));
        assert!(!is_older(&mut connection, &steps).unwrap());
        // Again changes nothing; the program that knows fewer steps keeps off.
        migrate(&mut connection, &steps).unwrap();
        assert!(matches!(migrate(&mut connection, MIGRATIONS), Err(Unfit::Newer(v)) if v == known + 1));
    }

    #[test]
    fn a_step_that_fails_leaves_the_ledger_as_it_was() {
        let mut connection = Connection::open_in_memory().unwrap();
        let broken = ["CREATE TABLE a (x)", "CREATE TABLE b (x); CREATE TABLE a (x)"];
        assert!(matches!(migrate(&mut connection, &broken), Err(Unfit::Sql(_))));
        let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |r| r.get(0)).unwrap();
        assert_eq!((tables, version(&connection)), (0, 0));
        migrate(&mut connection, MIGRATIONS).unwrap();
    }

    #[test]
    fn another_programs_database_is_left_alone() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE theirs (x)").unwrap();
        assert!(matches!(migrate(&mut connection, MIGRATIONS), Err(Unfit::Foreign)));
        let mut connection = Connection::open_in_memory().unwrap();
        connection.pragma_update(None, "application_id", 7).unwrap();
        assert!(matches!(migrate(&mut connection, MIGRATIONS), Err(Unfit::Foreign)));
    }

    #[test]
    fn rows_can_neither_be_changed_nor_deleted() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, MIGRATIONS).unwrap();
        connection
            .execute_batch(
                "INSERT INTO traces VALUES (1, 't', 'r', 1);
                 INSERT INTO decisions VALUES (1, 1, 1, 'task', 'e', 0.5, '{}', '[]', 'm', 0.0, 1, NULL);
                 INSERT INTO outcomes VALUES (1, 1, 'user', 1.0, NULL, NULL, NULL, NULL, 1);
                 INSERT INTO steps VALUES (1, 1, '{}', 1);",
            )
            .unwrap();
        for table in ["traces", "decisions", "outcomes", "steps"] {
            for sql in [format!("UPDATE {table} SET at_ms = 2"), format!("DELETE FROM {table}")] {
                let refused = connection.execute(&sql, []).unwrap_err().to_string();
                assert!(refused.contains("append-only"), "{sql}: {refused}");
            }
            let rows = format!("SELECT count(*) FROM {table} WHERE at_ms = 1");
            assert_eq!(connection.query_row(&rows, [], |r| r.get::<_, i64>(0)).unwrap(), 1);
        }
    }
}
