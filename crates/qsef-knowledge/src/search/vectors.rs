//! Search by meaning: all vectors in memory at 8 bits a number, the best of them compared once more as they are stored.

use half::f16;
use rusqlite::Connection;

/// How many more candidates than asked for are compared once more.
const MORE: usize = 4;

/// The vectors of a base.
pub(crate) struct VectorIndex {
    dimensions: usize,
    chunks: Vec<i64>,
    /// `dimensions` numbers per chunk.
    codes: Vec<i8>,
    /// What a chunk's numbers are to be multiplied by.
    scales: Vec<f32>,
}

/// A vector as the base keeps it.
pub(crate) fn to_bytes(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|x| f16::from_f32(*x).to_le_bytes()).collect()
}

/// A vector of what the base keeps.
pub(crate) fn from_bytes(bytes: &[u8]) -> impl Iterator<Item = f32> + '_ {
    bytes.as_chunks::<2>().0.iter().map(|pair| f16::from_le_bytes(*pair).to_f32())
}

impl VectorIndex {
    /// Reads all vectors of a base. Those of another length than the first are left out.
    pub fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let mut index = Self { dimensions: 0, chunks: Vec::new(), codes: Vec::new(), scales: Vec::new() };
        let mut rows = connection.prepare("SELECT chunk, vector FROM vectors")?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let bytes = row.get_ref(1)?.as_blob()?;
            if index.dimensions == 0 {
                index.dimensions = bytes.len() / 2;
            }
            if bytes.len() == 2 * index.dimensions && index.dimensions > 0 {
                index.push(row.get(0)?, bytes);
            }
        }
        Ok(index)
    }

    fn push(&mut self, chunk: i64, bytes: &[u8]) {
        self.chunks.push(chunk);
        let most = from_bytes(bytes).fold(0f32, |most, x| most.max(x.abs()));
        let scale = if most > 0.0 && most.is_finite() { most / 127.0 } else { 1.0 };
        self.codes.extend(from_bytes(bytes).map(|x| (x / scale).round() as i8));
        self.scales.push(scale);
    }

    /// Length of each vector; 0 where there are none.
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// The chunks whose vectors are most alike to a query, best first, with their cosines. The vectors have unit length.
    pub fn search(&self, connection: &Connection, query: &[f32], limit: usize) -> rusqlite::Result<Vec<(i64, f32)>> {
        if query.len() != self.dimensions || query.is_empty() {
            return Ok(Vec::new());
        }
        let most = query.iter().fold(0f32, |most, x| most.max(x.abs())).max(f32::MIN_POSITIVE);
        let coded: Vec<i8> = query.iter().map(|x| (x / most * 127.0).round() as i8).collect();
        let mut scores: Vec<(f32, i64)> = Vec::with_capacity(self.chunks.len());
        pulp::Arch::new().dispatch(|| {
            let rows = self.codes.chunks_exact(self.dimensions);
            let rows = rows.zip(&self.scales).zip(&self.chunks);
            scores.extend(rows.map(|((row, scale), chunk)| (dot(row, &coded) as f32 * scale, *chunk)));
        });
        let best = |a: &(f32, i64), b: &(f32, i64)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
        let more = limit.saturating_mul(MORE).max(64);
        if scores.len() > more {
            scores.select_nth_unstable_by(more, best);
            scores.truncate(more);
        }
        let mut stored = connection.prepare_cached("SELECT vector FROM vectors WHERE chunk = ?1")?;
        let mut exact = Vec::with_capacity(scores.len());
        for (_, chunk) in scores {
            let cosine = stored.query_row([chunk], |row| {
                let bytes = row.get_ref(0)?.as_blob()?;
                Ok(from_bytes(bytes).zip(query).map(|(a, b)| a * b).sum::<f32>())
            });
            // What was removed since is no hit.
            match cosine {
                Ok(cosine) => exact.push((cosine, chunk)),
                Err(rusqlite::Error::QueryReturnedNoRows) => {}
                Err(error) => return Err(error),
            }
        }
        exact.sort_by(best);
        exact.truncate(limit);
        Ok(exact.into_iter().map(|(cosine, chunk)| (chunk, cosine)).collect())
    }
}

#[inline(always)]
fn dot(a: &[i8], b: &[i8]) -> i32 {
    a.iter().zip(b).map(|(x, y)| i32::from(i16::from(*x) * i16::from(*y))).sum()
}
