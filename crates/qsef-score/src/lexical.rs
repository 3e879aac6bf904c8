//! BM25 between a task and what each expert's profile says (paper, section 6.2.3): its description, the names and
//! descriptions of its arguments, and its examples.

use std::collections::{BTreeSet, HashMap};

use qsef_core::ExpertProfile;

use crate::task::anchor_texts;

/// Saturation of a term's frequency: BM25's usual value.
const K1: f64 = 1.2;

/// How much a profile's length counts: less than BM25's usual 0.75, since a profile with many examples is not less about
/// each of them.
const B: f64 = 0.3;

/// Added to the weight of a task's terms, so that one rare word does not decide alone.
const RESERVE: f64 = 2.0;

/// A term in a profile.
#[derive(Debug, Clone, Copy)]
struct Posting {
    document: u32,
    /// How often the profile has the term; more than fits is as much as fits.
    frequency: u16,
    /// The profile's number of terms, likewise. It is here since looking it up would cost as much as all else.
    length: u16,
}

/// The profiles' terms: for each term the profiles that have it, with its frequency there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lexicon {
    lengths: Vec<u32>,
    /// Their sum.
    total: u64,
    postings: HashMap<String, Vec<Posting>>,
}

impl Lexicon {
    /// Adds a profile as the next document.
    pub fn add(&mut self, terms: impl IntoIterator<Item = String>) {
        let document = self.lengths.len() as u32;
        let terms: Vec<String> = terms.into_iter().collect();
        let short = u16::try_from(terms.len()).unwrap_or(u16::MAX);
        let length = terms.len() as u32;
        for term in terms {
            let postings = self.postings.entry(term).or_default();
            match postings.last_mut() {
                Some(last) if last.document == document => last.frequency = last.frequency.saturating_add(1),
                _ => postings.push(Posting { document, frequency: 1, length: short }),
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
            postings.retain(|p| p.document != document);
            for posting in postings.iter_mut().filter(|p| p.document > document) {
                posting.document -= 1;
            }
            !postings.is_empty()
        });
    }

    /// How much of the telling terms of each text of a task each profile has, in [0, 1): BM25, where a term that a profile
    /// of mean length has once counts in full, over the weight of all the text's terms that any profile has.
    pub fn coverage<const N: usize>(&self, texts: [&BTreeSet<String>; N]) -> Vec<[f32; N]> {
        let count = self.lengths.len() as f64;
        let mean = (self.total as f64 / count).max(1.0);
        let mut all = [RESERVE; N];
        let mut known: Vec<([f64; N], &[Posting])> = Vec::new();
        for (i, text) in texts.iter().enumerate() {
            for term in text.iter().filter(|term| !texts.iter().take(i).any(|before| before.contains(*term))) {
                let Some(postings) = self.postings.get(term) else { continue };
                let df = postings.len() as f64;
                let idf = (1.0 + (count - df + 0.5) / (df + 0.5)).ln();
                let weights = texts.map(|text| if text.contains(term) { idf } else { 0.0 });
                all.iter_mut().zip(weights).for_each(|(all, weight)| *all += weight);
                known.push((weights, postings));
            }
        }
        let mut shares = vec![[0f32; N]; self.lengths.len()];
        // A common word is in most profiles: what is done for each of them decides what the whole costs.
        let (base, slope) = ((K1 * (1.0 - B)) as f32, (K1 * B / mean) as f32);
        for (mut weights, postings) in known {
            weights.iter_mut().zip(all).for_each(|(weight, all)| *weight /= all);
            let weights = weights.map(|weight| weight as f32);
            for posting in postings {
                let (frequency, length) = (f32::from(posting.frequency), f32::from(posting.length));
                let known = (frequency * (K1 as f32 + 1.0) / (frequency + base + slope * length)).min(1.0);
                if let Some(shares) = shares.get_mut(posting.document as usize) {
                    shares.iter_mut().zip(weights).for_each(|(share, weight)| *share += weight * known);
                }
            }
        }
        shares
    }
}

/// What a profile says, as far as its words count. A term that several lines have counts for each.
pub(crate) fn profile_text(profile: &ExpertProfile) -> String {
    let mut text = anchor_texts(profile).join("\n");
    // Serialised, the names and descriptions of its arguments keep their words.
    text.extend(profile.parameters.iter().map(|p| format!("\n{p}")));
    text
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
        let [[a], [b], [c]] = lexicon.coverage([&task])[..] else { panic!("three profiles") };
        assert!(a > c && c > b && b == 0.0 && a < 1.0);
        lexicon.remove(0);
        let mut fresh = Lexicon::default();
        fresh.add(terms("translates texts"));
        fresh.add(terms("counts units"));
        assert_eq!(lexicon.coverage([&task]), fresh.coverage([&task]));
        lexicon.remove(7);
        assert!(Lexicon::default().coverage([&task]).is_empty());
        // Several texts at once are as one by one, whatever they have in common.
        for other in ["count texts", "", "units of texts", "nothing known"].map(terms) {
            let both = lexicon.coverage([&task, &other]);
            let alone: Vec<_> = lexicon.coverage([&task]).into_iter().zip(lexicon.coverage([&other])).collect();
            assert_eq!(both, alone.iter().map(|([a], [b])| [*a, *b]).collect::<Vec<_>>());
        }
    }
}
