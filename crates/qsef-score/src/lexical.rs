//! Overlap of words between a task and the experts' profiles, weighted by how telling each word is.

use std::collections::{BTreeMap, BTreeSet};

/// The profiles' terms with their document frequencies.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lexicon {
    profiles: Vec<BTreeSet<String>>,
    frequency: BTreeMap<String, usize>,
}

impl Lexicon {
    pub fn add(&mut self, terms: BTreeSet<String>) {
        for term in &terms {
            *self.frequency.entry(term.clone()).or_default() += 1;
        }
        self.profiles.push(terms);
    }

    /// BM25's inverse document frequency; 0 for a term that no profile has.
    fn idf(&self, term: &str) -> f64 {
        let n = self.profiles.len() as f64;
        self.frequency.get(term).map_or(0.0, |&df| (1.0 + (n - df as f64 + 0.5) / (df as f64 + 0.5)).ln())
    }

    /// The share, in [0, 1), of the task's telling terms that each profile has. The constant in the denominator keeps
    /// one rare word from deciding alone.
    pub fn overlaps(&self, task: &BTreeSet<String>) -> Vec<f64> {
        let weighted: Vec<(&String, f64)> = task.iter().map(|t| (t, self.idf(t))).filter(|(_, w)| *w > 0.0).collect();
        let all = 2.0 + weighted.iter().map(|(_, w)| w).sum::<f64>();
        self.profiles
            .iter()
            .map(|terms| weighted.iter().filter(|(t, _)| terms.contains(*t)).map(|(_, w)| w).sum::<f64>() / all)
            .collect()
    }
}
