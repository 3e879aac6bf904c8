//! Exact and near duplicates of the texts that came before, by MinHash (Broder 1997) with bands.

use std::collections::HashMap;

use unicode_segmentation::UnicodeSegmentation;
use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128};

/// Hashes in a signature. The estimate of a similarity of 0.8 has a standard deviation of 0.035.
const HASHES: usize = 128;

/// Words in a shingle; characters for Chinese.
const SHINGLE: usize = 5;

/// A text that was there before.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Duplicate {
    /// The id of the first text that it is like.
    pub of: String,
    /// How like they are, in (0, 1]: 1 for the same text but for case, white space and punctuation, and else the estimated
    /// Jaccard similarity of their shingles.
    pub similarity: f64,
}

/// The texts so far, to tell whether a new one is like one of them.
#[derive(Debug, Clone)]
pub struct Duplicates {
    threshold: f64,
    rows: usize,
    /// Factors and summands of the hash functions.
    functions: Vec<(u64, u64)>,
    seed: u64,
    exact: HashMap<u128, usize>,
    bands: HashMap<(usize, u64), Vec<usize>>,
    texts: Vec<(String, Vec<u32>)>,
}

impl Duplicates {
    /// Finds near duplicates whose Jaccard similarity is at least `threshold`, in (0, 1]; other values are taken to the
    /// nearest of these.
    pub fn new(threshold: f64, seed: u64) -> Self {
        let threshold = if threshold.is_nan() { 1.0 } else { threshold.clamp(0.01, 1.0) };
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            mix(state)
        };
        let functions = (0..HASHES).map(|_| (next() | 1, next())).collect();
        let (exact, bands) = Default::default();
        Self { threshold, rows: rows(threshold), functions, seed, exact, bands, texts: Vec::new() }
    }

    /// Whether a text is like one before. A text that is like none is kept for those that follow; one that has no words is
    /// like none.
    pub fn add(&mut self, id: &str, text: &str) -> Option<Duplicate> {
        let words = normal(text);
        if words.is_empty() {
            return None;
        }
        let hash = xxh3_128(words.join(" ").as_bytes());
        if let Some((of, _)) = self.exact.get(&hash).and_then(|at| self.texts.get(*at)) {
            return Some(Duplicate { of: of.clone(), similarity: 1.0 });
        }
        let signature = self.signature(&words);
        let keys: Vec<(usize, u64)> =
            signature.chunks_exact(self.rows).map(|rows| self.key(rows)).enumerate().collect();
        let mut candidates: Vec<usize> = keys.iter().filter_map(|key| self.bands.get(key)).flatten().copied().collect();
        candidates.sort_unstable();
        candidates.dedup();
        let similarity = |at: usize| self.texts.get(at).map_or(0.0, |(_, other)| similarity(&signature, other));
        let best = candidates.into_iter().map(|at| (at, similarity(at))).filter(|(_, s)| *s >= self.threshold);
        // The first of those that are most alike.
        let best = best.reduce(|best, next| if next.1 > best.1 { next } else { best });
        if let Some((at, similarity)) = best {
            // The estimate cannot tell texts of one shingle more or less from the same text.
            let similarity = similarity.min(0.999);
            return self.texts.get(at).map(|(of, _)| Duplicate { of: of.clone(), similarity });
        }
        let at = self.texts.len();
        keys.into_iter().for_each(|key| self.bands.entry(key).or_default().push(at));
        self.exact.insert(hash, at);
        self.texts.push((id.to_owned(), signature));
        None
    }

    /// The least value of each hash function over the shingles.
    fn signature(&self, words: &[String]) -> Vec<u32> {
        let mut least = vec![u32::MAX; HASHES];
        for shingle in words.windows(SHINGLE.min(words.len())) {
            let hash = xxh3_64_with_seed(shingle.join(" ").as_bytes(), self.seed);
            for (least, (factor, summand)) in least.iter_mut().zip(&self.functions) {
                let value = hash.wrapping_mul(*factor).wrapping_add(*summand);
                *least = (*least).min((value >> 32) as u32);
            }
        }
        least
    }

    fn key(&self, rows: &[u32]) -> u64 {
        let bytes: Vec<u8> = rows.iter().flat_map(|value| value.to_le_bytes()).collect();
        xxh3_64_with_seed(&bytes, self.seed)
    }
}

/// How many rows a band has, so that nearly all pairs (99.5 %) at the threshold meet in one: as many as that allows,
/// because more rows mean fewer candidates to compare.
fn rows(threshold: f64) -> usize {
    let met = |rows: &usize| {
        let bands = (HASHES / rows) as f64;
        1.0 - (1.0 - threshold.powi(*rows as i32)).powf(bands)
    };
    (1..=32).rev().find(|rows| met(rows) >= 0.995).unwrap_or(1)
}

fn similarity(a: &[u32], b: &[u32]) -> f64 {
    a.iter().zip(b).filter(|(a, b)| a == b).count() as f64 / HASHES as f64
}

/// The words of a text in small letters, each Chinese character as one, without punctuation.
pub(super) fn normal(text: &str) -> Vec<String> {
    text.unicode_words().map(str::to_lowercase).collect()
}

/// The finaliser of SplitMix64.
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(from: usize, count: usize) -> String {
        (from..from + count).map(|i| format!("word{i}")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_same_text_is_found_whatever_its_marks() {
        let mut seen = Duplicates::new(0.8, 1);
        assert_eq!(seen.add("a", "The cat sat, on the mat."), None);
        let same = seen.add("b", "  the CAT sat on\nthe mat!").expect("the same");
        assert_eq!((same.of.as_str(), same.similarity), ("a", 1.0));
        assert_eq!(seen.add("c", "The cat sat on the dog."), None);
        assert_eq!((seen.add("d", ""), seen.add("e", "...")), (None, None));
    }

    #[test]
    fn near_duplicates_are_found_by_their_share() {
        for seed in 0..20 {
            let mut seen = Duplicates::new(0.8, seed);
            assert_eq!(seen.add("a", &text(0, 200)), None);
            // 190 of 210 shingles, about.
            let near = seen.add("b", &text(8, 200)).expect("a near duplicate");
            assert_eq!(near.of, "a");
            assert!((near.similarity - 188.0 / 204.0).abs() < 0.1, "{near:?}");
            assert_eq!(seen.add("c", &text(100, 200)), None);
        }
    }

    #[test]
    fn chinese_is_compared_by_characters() {
        let long = "北京是中华人民共和国的首都，是全国的政治中心、文化中心，是世界著名古都和现代化国际城市。";
        let mut seen = Duplicates::new(0.7, 0);
        assert_eq!(seen.add("a", long), None);
        assert_eq!(seen.add("b", &long.replace("世界著名", "著名")).map(|d| d.of), Some("a".into()));
        assert_eq!(seen.add("c", "上海是一座很大的城市，在长江的入海口，有很多人住在那里。"), None);
    }

    #[test]
    fn bands_grow_with_the_threshold() {
        assert_eq!(rows(1.0), 32);
        assert_eq!(rows(0.8), 6);
        assert!(rows(0.3) <= 2);
    }

    #[test]
    fn results_are_the_same_in_each_run() {
        let run = || {
            let mut seen = Duplicates::new(0.5, 7);
            (0..50).map(|i| seen.add(&i.to_string(), &text(i * 20 % 170, 60))).collect::<Vec<_>>()
        };
        assert_eq!(run(), run());
        assert!(run().iter().any(Option::is_some));
    }
}
