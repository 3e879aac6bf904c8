//! How much of what a query is about is there.

use std::collections::HashSet;

use qsef_core::Result;
use rusqlite::{Connection, OptionalExtension};

use super::{Hit, by_words, hit, terms, terms::unique};
use crate::KnowledgeBase;

/// Pieces that are looked at where none are given.
const LOOK: usize = 4;

impl KnowledgeBase {
    /// How much of a query, in [0, 1], the words of the best of these pieces cover; rare words count more. 1 for a query of no
    /// words.
    ///
    /// # Errors
    /// [`qsef_core::Error::Io`] where the file cannot be read.
    pub fn coverage(&self, query: &str, hits: &[Hit]) -> Result<f64> {
        self.read(|connection| covered(connection, query, hits))
    }

    /// How much of a query, in [0, 1], the base's best piece for it covers, by words alone: quick enough to be asked often.
    ///
    /// # Errors
    /// As [`KnowledgeBase::coverage`].
    pub fn covers(&self, query: &str) -> Result<f64> {
        self.read(|connection| {
            let best = by_words(connection, query, LOOK)?;
            let hits = best.into_iter().filter_map(|id| hit(connection, id, Default::default()).transpose());
            let hits = hits.collect::<rusqlite::Result<Vec<Hit>>>()?;
            if hits.is_empty() { Ok(0.0) } else { covered(connection, query, &hits) }
        })
    }
}

fn covered(connection: &Connection, query: &str, hits: &[Hit]) -> rusqlite::Result<f64> {
    let wanted = unique(query);
    let weights = weights(connection, &wanted)?;
    let all: f64 = weights.iter().map(|(_, weight)| weight).sum();
    if all <= 0.0 {
        return Ok(1.0);
    }
    let share = |hit: &Hit| {
        let there: HashSet<String> = terms(&hit.chunk.heading).into_iter().chain(terms(&hit.chunk.text)).collect();
        weights.iter().filter(|(term, _)| there.contains::<str>(term)).map(|(_, weight)| weight).sum::<f64>() / all
    };
    Ok(hits.iter().map(share).fold(0.0, f64::max))
}

/// What each term counts: the logarithm of how rare it is.
fn weights<'a>(connection: &Connection, terms: &'a [String]) -> rusqlite::Result<Vec<(&'a str, f64)>> {
    let all: i64 = connection.query_row("SELECT count(*) FROM chunks", [], |row| row.get(0))?;
    let weight = |count: i64| ((all as f64 + 1.0) / (count as f64 + 0.5)).ln().max(0.0);
    Ok(counts(connection, terms)?.into_iter().map(|(term, count)| (term, weight(count))).collect())
}

/// In how many pieces each term stands.
pub(super) fn counts<'a>(connection: &Connection, terms: &'a [String]) -> rusqlite::Result<Vec<(&'a str, i64)>> {
    let sql = "CREATE VIRTUAL TABLE IF NOT EXISTS temp.vocabulary USING fts5vocab('main', 'words', 'row')";
    connection.execute_batch(sql)?;
    let mut count = connection.prepare_cached("SELECT doc FROM temp.vocabulary WHERE term = ?1")?;
    let mut counted = |term: &'a String| {
        let known: Option<i64> = count.query_row([term], |row| row.get(0)).optional()?;
        Ok((term.as_str(), known.unwrap_or(0)))
    };
    terms.iter().map(&mut counted).collect()
}
