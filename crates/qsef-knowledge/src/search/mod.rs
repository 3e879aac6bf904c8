//! Search: by words (BM25), by meaning (vectors), and both fused by reciprocal rank.

mod coverage;
mod terms;
mod vectors;

use std::collections::HashMap;

use qsef_core::{AnyEmbedder, Error, Result};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
pub(crate) use terms::terms;
pub(crate) use vectors::{VectorIndex, from_bytes, to_bytes};

use crate::{KnowledgeBase, chunk::Chunk, place::Place};

/// How deep each part looks before the parts are fused.
const DEPTH: usize = 50;

/// Of reciprocal rank fusion, `Σ 1/(60 + rank)`: how little the first rank counts before the next (Cormack and others, 2009).
const DAMPING: f64 = 60.0;

/// What a heading's words count, where a text's count 1.
const HEADING: f64 = 1.5;

/// The most pieces that a search by words ranks: the commonest terms of a query are left out where there would be more.
const ROWS: i64 = 10_000;

/// How a base is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// By words and by meaning; by words alone where there is no vector.
    #[default]
    Fused,
    /// By words.
    Words,
    /// By meaning.
    Meaning,
}

/// What to search for.
#[derive(Debug, Clone, Copy)]
pub struct SearchOptions<'a> {
    /// The most hits.
    pub limit: usize,
    /// By which parts.
    pub mode: Mode,
    /// The query's vector, of unit length, by the base's embedder.
    pub vector: Option<&'a [f32]>,
}

/// A piece that was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Hit {
    /// Its number in the base.
    pub id: i64,
    /// The file that it stands in.
    pub source: String,
    /// The piece.
    #[serde(flatten)]
    pub chunk: Chunk,
    /// What it was ranked by: the sum of its reciprocal ranks, above 0.
    pub score: f64,
    /// Its rank by words, from 1.
    pub by_words: Option<usize>,
    /// Its rank by meaning, from 1.
    pub by_meaning: Option<usize>,
    /// Cosine of its vector with the query's, where it was found by meaning.
    pub cosine: Option<f32>,
}

impl Hit {
    /// File and place, as a citation has them.
    pub fn citation(&self) -> String {
        format!("{}{}", self.source, self.chunk.place)
    }
}

#[derive(Default)]
struct Ranks {
    words: Option<usize>,
    meaning: Option<usize>,
    cosine: Option<f32>,
}

impl Ranks {
    fn score(&self) -> f64 {
        let part = |rank: Option<usize>| rank.map_or(0.0, |rank| 1.0 / (DAMPING + rank as f64));
        part(self.words) + part(self.meaning)
    }
}

impl KnowledgeBase {
    /// The pieces that fit a query best, best first. A query of no words finds by meaning alone.
    ///
    /// # Errors
    /// [`Error::Input`] for an empty query and for a vector of another length than the base's, and [`Error::Io`] where the file
    /// cannot be read.
    pub fn search(&self, query: &str, options: &SearchOptions<'_>) -> Result<Vec<Hit>> {
        if query.trim().is_empty() {
            return Err(Error::Input("the query is empty: say what is to be found".into()));
        }
        let depth = options.limit.max(DEPTH);
        let index = match options.vector {
            Some(vector) if options.mode != Mode::Words => Some((self.vectors()?, vector)),
            _ => None,
        };
        if let Some((index, vector)) = &index
            && index.dimensions() != 0
            && index.dimensions() != vector.len()
        {
            let (has, got) = (index.dimensions(), vector.len());
            return Err(Error::Input(format!(
                "the knowledge base has vectors of {has} numbers, the query one of {got}: another embedder made it"
            )));
        }
        self.read(|connection| {
            let mut ranks: HashMap<i64, Ranks> = HashMap::new();
            if options.mode != Mode::Meaning {
                for (rank, chunk) in (1..).zip(by_words(connection, query, depth)?) {
                    ranks.entry(chunk).or_default().words = Some(rank);
                }
            }
            if let Some((index, vector)) = index {
                for (rank, (chunk, cosine)) in (1..).zip(index.search(connection, vector, depth)?) {
                    let entry = ranks.entry(chunk).or_default();
                    (entry.meaning, entry.cosine) = (Some(rank), Some(cosine));
                }
            }
            let mut found: Vec<(i64, Ranks)> = ranks.into_iter().collect();
            found.sort_by(|(a, x), (b, y)| y.score().total_cmp(&x.score()).then(a.cmp(b)));
            found.truncate(options.limit);
            found.into_iter().filter_map(|(id, ranks)| hit(connection, id, ranks).transpose()).collect()
        })
    }

    /// Searches by words and by meaning; `embedder` has to be the base's own. It blocks for milliseconds.
    ///
    /// # Errors
    /// As [`KnowledgeBase::search`], and the embedder's own.
    pub async fn find(&self, query: &str, limit: usize, embedder: Option<&AnyEmbedder>) -> Result<Vec<Hit>> {
        let vector = match embedder {
            Some(embedder) => embedder.embed(vec![query.to_owned()]).await?.into_iter().next(),
            None => None,
        };
        let (base, query) = (self.clone(), query.to_owned());
        let search =
            move || base.search(&query, &SearchOptions { limit, mode: Mode::Fused, vector: vector.as_deref() });
        tokio::task::spawn_blocking(search).await.map_err(|e| Error::Internal(e.to_string()))?
    }
}

fn by_words(connection: &Connection, query: &str, limit: usize) -> rusqlite::Result<Vec<i64>> {
    let terms = terms::unique(query);
    let mut counted = coverage::counts(connection, &terms)?;
    counted.sort_by_key(|(_, count)| *count);
    // The rare terms decide; what nearly every piece has would cost the most and tell the least.
    let mut rows = 0;
    let telling = counted.iter().take_while(|(_, count)| {
        let fits = rows == 0 || rows + count <= ROWS;
        rows += count;
        fits
    });
    let Some(query) = terms::any_of(telling.map(|(term, _)| *term)) else { return Ok(Vec::new()) };
    let sql = "SELECT rowid FROM words WHERE words MATCH ?1 AND rank MATCH ?2 ORDER BY rank LIMIT ?3";
    let mut statement = connection.prepare_cached(sql)?;
    let rank = format!("bm25({HEADING:?}, 1.0)");
    statement.query_map((query, rank, limit as i64), |row| row.get(0))?.collect()
}

fn hit(connection: &Connection, id: i64, ranks: Ranks) -> rusqlite::Result<Option<Hit>> {
    let sql =
        "SELECT first, last, is_page, heading, text, (SELECT min(path) FROM sources s WHERE s.document = c.document)
               FROM chunks c WHERE id = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([id])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let place = Place::of_columns(row.get(0)?, row.get(1)?, row.get(2)?);
    Ok(Some(Hit {
        id,
        chunk: Chunk { place, heading: row.get(3)?, text: row.get(4)? },
        source: row.get::<_, Option<String>>(5)?.unwrap_or_default(),
        score: ranks.score(),
        by_words: ranks.words,
        by_meaning: ranks.meaning,
        cosine: ranks.cosine,
    }))
}
