//! How a file of an older version becomes one of this version.

use rusqlite::{Connection, TransactionBehavior};

use crate::Schema;

/// Why a file cannot be used.
#[derive(Debug)]
pub(crate) enum Unfit {
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

impl Schema<'_> {
    /// Whether a database lacks steps. It is read as it is at one moment: another process may be migrating it.
    pub(crate) fn is_older(&self, connection: &mut Connection) -> Result<bool, Unfit> {
        let moment = connection.transaction()?;
        Ok(!self.pending(&moment)?.is_empty())
    }

    /// Brings a database to the version that the steps lead to: all of them, or none where one fails.
    pub(crate) fn migrate(&self, connection: &mut Connection) -> Result<(), Unfit> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for step in self.pending(&transaction)? {
            transaction.execute_batch(step)?;
        }
        transaction.pragma_update(None, "application_id", self.application_id)?;
        transaction.pragma_update(None, "user_version", self.steps.len() as i64)?;
        Ok(transaction.commit()?)
    }

    /// The steps that a database still needs; in a transaction.
    fn pending(&self, connection: &Connection) -> Result<&[&str], Unfit> {
        let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
        let version = number("PRAGMA user_version")?;
        let is_ours = match number("PRAGMA application_id")? {
            0 => version == 0 && number("SELECT count(*) FROM sqlite_schema")? == 0,
            id => id == self.application_id,
        };
        if !is_ours {
            return Err(Unfit::Foreign);
        }
        usize::try_from(version).ok().and_then(|done| self.steps.get(done..)).ok_or(Unfit::Newer(version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const STEPS: &[&str] =
        &["CREATE TABLE traces (trace_id TEXT, request TEXT, at_ms INTEGER)", "CREATE TABLE steps (step TEXT)"];

    fn schema<'a>(steps: &'a [&'a str]) -> Schema<'a> {
        Schema { what: "ledger", application_id: 0x5153_4546, steps, pragmas: "", patience: Duration::from_secs(1) }
    }

    fn migrate(connection: &mut Connection, steps: &[&str]) -> Result<(), Unfit> {
        schema(steps).migrate(connection)
    }

    fn is_older(connection: &mut Connection, steps: &[&str]) -> Result<bool, Unfit> {
        schema(steps).is_older(connection)
    }

    fn version(connection: &Connection) -> i64 {
        connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn an_older_file_gets_the_steps_that_it_lacks_and_keeps_its_rows() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, STEPS).unwrap();
        let known = STEPS.len() as i64;
        assert_eq!(version(&connection), known);
        connection.execute("INSERT INTO traces (trace_id, request, at_ms) VALUES ('t', 'r', 1)", []).unwrap();
        assert!(!is_older(&mut connection, STEPS).unwrap());
        let mut steps = STEPS.to_vec();
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
        assert!(matches!(migrate(&mut connection, STEPS), Err(Unfit::Newer(v)) if v == known + 1));
    }

    #[test]
    fn a_step_that_fails_leaves_the_file_as_it_was() {
        let mut connection = Connection::open_in_memory().unwrap();
        let broken = ["CREATE TABLE a (x)", "CREATE TABLE b (x); CREATE TABLE a (x)"];
        assert!(matches!(migrate(&mut connection, &broken), Err(Unfit::Sql(_))));
        let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |r| r.get(0)).unwrap();
        assert_eq!((tables, version(&connection)), (0, 0));
        migrate(&mut connection, STEPS).unwrap();
    }

    #[test]
    fn another_programs_database_is_left_alone() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE theirs (x)").unwrap();
        assert!(matches!(migrate(&mut connection, STEPS), Err(Unfit::Foreign)));
        let mut connection = Connection::open_in_memory().unwrap();
        connection.pragma_update(None, "application_id", 7).unwrap();
        assert!(matches!(migrate(&mut connection, STEPS), Err(Unfit::Foreign)));
    }
}
