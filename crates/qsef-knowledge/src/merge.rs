//! Names that mean the same: found by their vectors and their letters, among names that have something in common. No more
//! than a few dozen names are compared with each, however many there are.

use std::collections::{HashMap, HashSet};

use qsef_core::{AnyEmbedder, Result};
use qsef_score::{distance::cosine, text::stem};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use serde::Serialize;

use crate::{
    KnowledgeBase, Progress,
    graph::Concept,
    search::{from_bytes, to_bytes},
};

/// From this cosine on, names mean the same by that alone.
const SAME: f64 = 0.96;

/// From this cosine on, names mean the same where they are spelled alike.
const CLOSE: f64 = 0.75;

/// From this similarity on (Jaro and Winkler, in [0, 1]), names are spelled alike.
const SPELLED: f64 = 0.93;

/// The most names that one is compared with for one thing that they have in common; of more, the nearest in order of entry.
const BLOCK: usize = 24;

/// Tables of directions: names whose vectors lie on the same side of all planes of a table are compared.
const TABLES: usize = 4;

/// Planes of a table.
const PLANES: usize = 14;

/// Names that are embedded together.
const BATCH: usize = 512;

/// Beginnings that turn a word's meaning round.
const NEGATIONS: &[&str] = &["un", "in", "non", "anti", "dis", "im", "a"];

/// What was found to be the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Merged {
    /// Names that were looked at for the first time.
    pub names: usize,
    /// Pairs that were compared.
    pub compared: usize,
    /// Concepts that are taken for another one from now on.
    pub merged: usize,
}

struct Name {
    concept: Concept,
    name: String,
    vector: Vec<f32>,
    is_new: bool,
}

impl KnowledgeBase {
    /// Looks for names among new concepts that mean the same as others. Those are joined in the graph; in the file they stay
    /// apart, so that each still goes with what told of it.
    ///
    /// # Errors
    /// Those of the embedder, and [`qsef_core::Error::Io`] where the file cannot be read or written.
    pub async fn merge(&self, embedder: &AnyEmbedder, progress: &(dyn Fn(Progress) + Send + Sync)) -> Result<Merged> {
        let mut names = self.read(|connection| {
            let sql = "SELECT c.id, c.name, v.vector FROM concepts c LEFT JOIN name_vectors v ON v.concept = c.id ORDER BY c.id";
            let mut statement = connection.prepare(sql)?;
            let rows = statement.query_map([], |row| {
                let vector: Option<Vec<u8>> = row.get(2)?;
                let is_new = vector.is_none();
                let vector = vector.iter().flat_map(|bytes| from_bytes(bytes)).collect();
                Ok(Name { concept: row.get(0)?, name: row.get(1)?, vector, is_new })
            })?;
            rows.collect::<rusqlite::Result<Vec<Name>>>()
        })?;
        let new: Vec<usize> = names.iter().enumerate().filter(|(_, n)| n.is_new).map(|(at, _)| at).collect();
        for (done, part) in new.chunks(BATCH).enumerate() {
            let texts = part.iter().filter_map(|at| Some(names.get(*at)?.name.clone())).collect();
            for (at, vector) in part.iter().zip(embedder.embed(texts).await?) {
                if let Some(name) = names.get_mut(*at) {
                    name.vector = vector;
                }
            }
            progress(Progress::Compared(done * BATCH + part.len(), new.len()));
        }
        let (pairs, compared) = alike(&names);
        self.write(|transaction| {
            // What was removed meanwhile has no name any more.
            let mut keep = transaction.prepare_cached(
                "INSERT OR REPLACE INTO name_vectors (concept, vector) SELECT id, ?2 FROM concepts WHERE id = ?1",
            )?;
            for name in names.iter().filter(|name| name.is_new) {
                keep.execute((name.concept, to_bytes(&name.vector)))?;
            }
            let mut join = transaction.prepare_cached(
                "INSERT OR REPLACE INTO alike (concept, same, cosine) SELECT a.id, b.id, ?3 FROM concepts a, concepts b
                 WHERE a.id = ?1 AND b.id = ?2",
            )?;
            pairs.iter().try_for_each(|(later, earlier, cosine)| join.execute((later, earlier, cosine)).map(drop))
        })?;
        Ok(Merged { names: new.len(), compared, merged: pairs.len() })
    }
}

/// The best earlier name for each that has one that means the same; how many pairs were compared.
fn alike(names: &[Name]) -> (Vec<(Concept, Concept, f64)>, usize) {
    let mut blocks: HashMap<(u8, String), Vec<usize>> = HashMap::new();
    let planes = planes(names.iter().map(|n| n.vector.len()).max().unwrap_or(0));
    for (at, name) in names.iter().enumerate() {
        for key in keys(name, &planes) {
            blocks.entry(key).or_default().push(at);
        }
    }
    let mut seen: HashSet<(usize, usize)> = HashSet::new();
    let mut best: HashMap<usize, (usize, f64)> = HashMap::new();
    for block in blocks.values() {
        for (place, later) in block.iter().enumerate() {
            for earlier in block.iter().take(place).rev().take(BLOCK) {
                let (Some(a), Some(b)) = (names.get(*later), names.get(*earlier)) else { continue };
                if !(a.is_new || b.is_new) || !seen.insert((*later, *earlier)) {
                    continue;
                }
                if let Some(cosine) = same(a, b) {
                    let entry = best.entry(*later).or_insert((*earlier, cosine));
                    if cosine > entry.1 || (cosine == entry.1 && *earlier < entry.0) {
                        *entry = (*earlier, cosine);
                    }
                }
            }
        }
    }
    let pair = |(later, (earlier, cosine)): (&usize, &(usize, f64))| {
        Some((names.get(*later)?.concept, names.get(*earlier)?.concept, *cosine))
    };
    let mut pairs: Vec<_> = best.iter().filter_map(pair).collect();
    pairs.sort_by_key(|(later, ..)| *later);
    (pairs, seen.len())
}

/// What a name may have in common with another: its words, its letters without spaces, and its direction.
fn keys(name: &Name, planes: &[Vec<f32>]) -> Vec<(u8, String)> {
    let lower = name.name.to_lowercase();
    let mut keys: Vec<(u8, String)> =
        words(&lower).filter(|word| word.chars().count() > 1).map(|word| (0, stem(word))).collect();
    let squeezed: Vec<char> = lower.chars().filter(|c| c.is_alphanumeric()).collect();
    keys.push((1, squeezed.iter().take(6).collect()));
    keys.push((2, squeezed.iter().rev().take(6).collect()));
    for (table, planes) in planes.chunks(PLANES).enumerate() {
        let side = |plane: &Vec<f32>| {
            if plane.iter().zip(&name.vector).map(|(a, b)| a * b).sum::<f32>() > 0.0 { '1' } else { '0' }
        };
        keys.push((3 + table as u8, planes.iter().map(side).collect()));
    }
    keys.sort();
    keys.dedup();
    keys
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// The cosine of two names that mean the same.
fn same(a: &Name, b: &Name) -> Option<f64> {
    let cosine = cosine(&a.vector, &b.vector);
    let (x, y) = (a.name.to_lowercase(), b.name.to_lowercase());
    if cosine < CLOSE || differ(&x, &y) {
        return None;
    }
    let squeezed = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
    let spelled = strsim::jaro_winkler(&squeezed(&x), &squeezed(&y));
    (cosine >= SAME || spelled >= SPELLED).then_some(cosine)
}

/// Whether names tell two things apart that vectors and letters do not: numbers, and a word and its opposite.
fn differ(a: &str, b: &str) -> bool {
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let only = |a: &str, b: &str| {
        let of_b: Vec<&str> = words(b).collect();
        words(a).filter(|word| !of_b.contains(word)).map(str::to_owned).collect::<Vec<_>>()
    };
    let (of_a, of_b) = (only(a, b), only(b, a));
    let opposite = |x: &str, y: &str| NEGATIONS.iter().any(|negation| x.strip_prefix(negation) == Some(y));
    let opposed = of_a.iter().any(|x| of_b.iter().any(|y| opposite(x, y) || opposite(y, x)));
    // A word more or less makes another thing of it: a deep network is a network. A letter alone is a name of its own.
    let more = (of_a.is_empty() != of_b.is_empty()) || of_a.iter().chain(&of_b).any(|word| word.chars().count() == 1);
    digits(a) != digits(b) || opposed || more
}

/// Directions, the same in each process.
fn planes(dimensions: usize) -> Vec<Vec<f32>> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    (0..TABLES * PLANES).map(|_| (0..dimensions).map(|_| rng.random_range(-1.0..1.0)).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sounds_alike_is_not_always_the_same() {
        for (a, b) in [
            ("supervised learning", "unsupervised learning"),
            ("stage 1", "stage 2"),
            ("deep neural network", "neural network"),
            ("vitamin c", "vitamin d"),
            ("gpt-3", "gpt-4"),
        ] {
            assert!(differ(a, b) && differ(b, a), "{a} {b}");
        }
        for (a, b) in [("colour model", "color model"), ("data base", "database"), ("e-mail", "email")] {
            let joined = a.replace(['-', ' '], "") == b.replace(['-', ' '], "");
            assert!(joined || !differ(a, b), "{a} {b}");
        }
    }

    #[test]
    fn few_pairs_are_compared() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut name = |concept: u32| {
            let vector = (0..32).map(|_| rng.random_range(-1.0..1.0)).collect();
            Name { concept, name: format!("thing{concept} of group{}", concept % 500), vector, is_new: true }
        };
        let mut names: Vec<Name> = (0..4000).map(&mut name).collect();
        let twin =
            Name { concept: 4000, name: "group17 of thing17".into(), vector: names[17].vector.clone(), is_new: true };
        names.push(twin);
        let (pairs, compared) = alike(&names);
        assert!(compared < 4000 * 150, "{compared}");
        assert_eq!(pairs.len(), 1, "{pairs:?}");
        assert_eq!((pairs[0].0, pairs[0].1), (4000, 17));
        // What was compared once is not compared again.
        names.iter_mut().for_each(|n| n.is_new = false);
        assert_eq!(alike(&names).1, 0);
    }
}
