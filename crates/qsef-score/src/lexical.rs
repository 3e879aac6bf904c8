//! BM25 between a task and what each expert's profile says (paper, section 6.2.3): its description, the names and
//! descriptions of its arguments, and its examples.

use std::collections::{BTreeSet, HashMap};

/// Saturation of a term's frequency: BM25's usual value.
const K1: f64 = 1.2;

/// How much a profile's length counts: less than BM25's usual 0.75, since a profile with many examples is not less about
/// each of them.
const B: f64 = 0.3;

/// Added to the weight of a task's terms, so that one rare word does not decide alone.
const RESERVE: f64 = 2.0;

/// The profiles' terms: for each term the profiles that have it, with its frequency there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lexicon {
    lengths: Vec<u32>,
    /// Their sum.
    total: u64,
    postings: HashMap<String, Vec<(u32, u32)>>,
}

impl Lexicon {
    /// Adds a profile as the next document.
    pub fn add(&mut self, terms: impl IntoIterator<Item = String>) {
        let document = self.lengths.len() as u32;
        let mut length = 0;
        for term in terms {
            length += 1;
            let postings = self.postings.entry(term).or_default();
            match postings.last_mut() {
                Some((last, frequency)) if *last == document => *frequency += 1,
                _ => postings.push((document, 1)),
            }
        }
        self.lengths.push(length);
        self.total += u64::from(length);
    }

    /// Removes a document; those after it move up by one.
    pub fn remove(&mut self, document: usize) {
        if document >= self.lengths.len() {
            return;
        }
        self.total -= u64::from(self.lengths.remove(document));
        let document = document as u32;
        self.postings.retain(|_, postings| {
            postings.retain(|&(d, _)| d != document);
            for (d, _) in postings.iter_mut().filter(|(d, _)| *d > document) {
                *d -= 1;
            }
            !postings.is_empty()
        });
    }

    /// How much of the task's telling terms each profile has, in [0, 1): BM25, where a term that a profile of mean length
    /// has once counts in full, over the weight of all the task's terms that any profile has.
    pub fn coverage(&self, task: &BTreeSet<String>) -> Vec<f32> {
        let count = self.lengths.len() as f64;
        let mean = (self.total as f64 / count).max(1.0);
        let known: Vec<(f64, &[(u32, u32)])> = task
            .iter()
            .filter_map(|term| self.postings.get(term))
            .map(|postings| {
                let df = postings.len() as f64;
                ((1.0 + (count - df + 0.5) / (df + 0.5)).ln(), postings.as_slice())
            })
            .collect();
        let all = RESERVE + known.iter().map(|(idf, _)| idf).sum::<f64>();
        let mut shares = vec![0f32; self.lengths.len()];
        // A common word is in most profiles: what is done for each of them decides what the whole costs.
        let (base, slope) = ((K1 * (1.0 - B)) as f32, (K1 * B / mean) as f32);
        for (idf, postings) in known {
            let (most, scale) = ((idf / all) as f32, (idf / all * (K1 + 1.0)) as f32);
            for &(document, frequency) in postings {
                let document = document as usize;
                if let (Some(share), Some(&length)) = (shares.get_mut(document), self.lengths.get(document)) {
                    let frequency = frequency as f32;
                    *share += (scale * frequency / (frequency + base + slope * length as f32)).min(most);
                }
            }
        }
        shares
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::terms;

    #[test]
    fn telling_words_count_and_removal_leaves_no_trace() {
        let mut lexicon = Lexicon::default();
        for text in ["converts units of length", "translates texts", "counts units"] {
            lexicon.add(terms(text));
        }
        let task = terms("convert 3 units");
        let [a, b, c] = lexicon.coverage(&task)[..] else { panic!("three profiles") };
        assert!(a > c && c > b && b == 0.0 && a < 1.0);
        lexicon.remove(0);
        let mut fresh = Lexicon::default();
        fresh.add(terms("translates texts"));
        fresh.add(terms("counts units"));
        assert_eq!(lexicon.coverage(&task), fresh.coverage(&task));
        lexicon.remove(7);
        assert!(Lexicon::default().coverage(&task).is_empty());
    }
}
