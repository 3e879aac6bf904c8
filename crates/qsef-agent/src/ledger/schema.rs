//! The tables.

use std::time::Duration;

use qsef_sqlite::Schema;

/// What a ledger is. Other processes' writes take milliseconds each.
pub(super) const SCHEMA: Schema<'_> = Schema {
    what: "ledger",
    // "QSEF"
    application_id: 0x5153_4546,
    steps: STEPS,
    pragmas: "",
    patience: Duration::from_secs(10),
};

const STEPS: &[&str] = &["
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_can_neither_be_changed_nor_deleted() {
        let connection = SCHEMA.in_memory().unwrap();
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
