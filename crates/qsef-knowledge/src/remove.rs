use qsef_core::{Error, Result};
use rusqlite::{OptionalExtension, Transaction};
use serde::Serialize;

use crate::KnowledgeBase;

/// What was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Removed {
    /// Files and other sources.
    pub sources: u64,
    /// Contents that no other source has.
    pub documents: u64,
    /// Their pieces.
    pub chunks: u64,
    /// Relations that nothing else says.
    pub relations: u64,
    /// Concepts that nothing else names.
    pub concepts: u64,
}

impl KnowledgeBase {
    /// Removes a source, or all below a directory, with everything that only they tell.
    ///
    /// # Errors
    /// [`Error::Input`] where there is no such source.
    pub fn remove(&self, source: &str) -> Result<Removed> {
        let source = if source.len() > 1 { source.trim_end_matches(['/', '\\']) } else { source };
        let removed = self.write(|transaction| {
            let paths = below(transaction, source)?;
            remove(transaction, &paths)
        })?;
        if removed.sources == 0 {
            return Err(Error::Input(format!(
                "the knowledge base has nothing from `{source}`; `qsef kb list` shows what it has"
            )));
        }
        Ok(removed)
    }
}

/// The sources of this name or below it.
pub(crate) fn below(transaction: &Transaction<'_>, source: &str) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT path FROM sources WHERE path = ?1 OR substr(path, 1, length(?2)) = ?2";
    let mut rows = transaction.prepare_cached(sql)?;
    let directory = if source == "/" { "/".to_owned() } else { format!("{source}{}", std::path::MAIN_SEPARATOR) };
    rows.query_map([source, &directory], |row| row.get(0))?.collect()
}

/// Removes sources and what only they tell.
pub(crate) fn remove(transaction: &Transaction<'_>, paths: &[String]) -> rusqlite::Result<Removed> {
    let mut removed = Removed::default();
    for path in paths {
        let sql = "DELETE FROM sources WHERE path = ?1 RETURNING document";
        let document: Option<i64> = transaction.prepare_cached(sql)?.query_row([path], |row| row.get(0)).optional()?;
        let Some(document) = document else { continue };
        removed.sources += 1;
        remove_if_orphan(transaction, document, &mut removed)?;
    }
    Ok(removed)
}

/// Removes a document that no source has any more.
pub(crate) fn remove_if_orphan(
    transaction: &Transaction<'_>,
    document: i64,
    removed: &mut Removed,
) -> rusqlite::Result<()> {
    let sql = "SELECT NOT EXISTS (SELECT 1 FROM sources WHERE document = ?1)";
    if !transaction.prepare_cached(sql)?.query_row([document], |row| row.get::<_, bool>(0))? {
        return Ok(());
    }
    // What may have nothing left that tells of it; looked at when the document is gone.
    transaction.execute_batch(
        "CREATE TEMP TABLE IF NOT EXISTS doubtful_relations (id INTEGER PRIMARY KEY);
         CREATE TEMP TABLE IF NOT EXISTS doubtful_concepts (id INTEGER PRIMARY KEY);
         DELETE FROM temp.doubtful_relations; DELETE FROM temp.doubtful_concepts;",
    )?;
    let run = |sql: &str| transaction.prepare_cached(sql)?.execute([document]);
    run("INSERT OR IGNORE INTO temp.doubtful_relations SELECT relation FROM evidence WHERE document = ?1")?;
    run("INSERT OR IGNORE INTO temp.doubtful_concepts
         SELECT concept FROM mentions WHERE chunk IN (SELECT id FROM chunks WHERE document = ?1)")?;
    run("DELETE FROM words WHERE rowid IN (SELECT id FROM chunks WHERE document = ?1)")?;
    removed.chunks += run("DELETE FROM chunks WHERE document = ?1")? as u64;
    removed.documents += run("DELETE FROM documents WHERE id = ?1")? as u64;
    let all = |sql: &str| transaction.prepare_cached(sql)?.execute([]);
    all(
        "INSERT OR IGNORE INTO temp.doubtful_concepts SELECT subject FROM relations WHERE id IN temp.doubtful_relations",
    )?;
    all(
        "INSERT OR IGNORE INTO temp.doubtful_concepts SELECT object FROM relations WHERE id IN temp.doubtful_relations",
    )?;
    removed.relations += all("DELETE FROM relations WHERE id IN temp.doubtful_relations
         AND NOT EXISTS (SELECT 1 FROM evidence e WHERE e.relation = relations.id)")? as u64;
    removed.concepts += all("DELETE FROM concepts WHERE id IN temp.doubtful_concepts
         AND NOT EXISTS (SELECT 1 FROM mentions m WHERE m.concept = concepts.id)
         AND NOT EXISTS (SELECT 1 FROM relations r WHERE r.subject = concepts.id)
         AND NOT EXISTS (SELECT 1 FROM relations r WHERE r.object = concepts.id)")? as u64;
    Ok(())
}
