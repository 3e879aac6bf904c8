use std::collections::{BTreeMap, BTreeSet};

use qsef_core::ExpertProfile;
use serde::{Deserialize, Serialize};

use crate::{
    complexity::complexity,
    cosine, embedding_distance,
    lexical::Lexicon,
    text::{head, terms, unquote, words},
};

/// The constants of the score. The defaults are priors for a system without history.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Weights {
    /// Weight of semantic distance in the exponent, ≥ 0.
    pub k1: f64,
    /// Weight of cultural resistance in the exponent, ≥ 0.
    pub k2: f64,
    /// Share of data complexity in R.
    pub data: f64,
    /// Share of the expert's cognitive load in R.
    pub model: f64,
    /// Share of sparsity in R.
    pub sparsity: f64,
}

impl Default for Weights {
    fn default() -> Self {
        Self { k1: 3.0, k2: 2.4, data: 0.1, model: 0.3, sparsity: 0.6 }
    }
}

/// `TE = exp(−(k1·D + k2·R))`, in (0, 1] for non-negative arguments (paper, section 6.2.4).
pub fn transmission_efficiency(weights: &Weights, distance: f64, resistance: f64) -> f64 {
    (-(weights.k1 * distance + weights.k2 * resistance)).exp().max(f64::MIN_POSITIVE)
}

/// A task as the scorer sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    plain: String,
    head: String,
    terms: BTreeSet<String>,
    head_terms: BTreeSet<String>,
    complexity: f64,
    coverage: BTreeMap<String, f64>,
}

impl Task {
    /// Reads a task's text.
    pub fn new(text: &str) -> Self {
        let plain = unquote(text);
        // A task that is little more than a quotation is judged by the quotation as well.
        let plain = if words(&plain).len() < 3 { text.to_owned() } else { plain };
        let head = head(text);
        Self {
            terms: terms(&plain),
            head_terms: terms(&head),
            complexity: complexity(text).overall(),
            plain: plain.trim().to_owned(),
            head,
            coverage: BTreeMap::new(),
        }
    }

    /// How many texts [`Task::texts`] gives.
    pub const TEXTS: usize = 2;

    /// Says how much of the task an expert covers by its own word, in [0, 1]; its profile's words may cover more.
    pub fn cover(&mut self, expert: &str, share: f64) {
        self.coverage.insert(expert.to_owned(), share.clamp(0.0, 1.0));
    }

    /// The texts whose vectors [`Scorer::score`] needs, in this order: the task without its quotations, and its head.
    pub fn texts(&self) -> [String; Self::TEXTS] {
        [self.plain.clone(), self.head.clone()]
    }
}

/// The texts of a profile whose vectors [`Scorer::add`] needs, in this order: description, name, examples.
pub fn anchor_texts(profile: &ExpertProfile) -> Vec<String> {
    let name = profile.id.replace(['_', '-'], " ");
    [profile.description.clone(), name].into_iter().chain(profile.examples.iter().cloned()).collect()
}

/// The efficiency of one expert for one task, with the parts that it comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// The expert's id.
    pub expert: String,
    /// Transmission efficiency, in (0, 1].
    pub te: f64,
    /// Semantic distance D, in [0, 1].
    pub distance: f64,
    /// Cultural resistance R, in [0, 1].
    pub resistance: f64,
    /// `C_data`, in [0, 1]: complexity of the task.
    pub data: f64,
    /// `C_model`, in [0, 1]: that complexity for a model of this size; 0 for code.
    pub model: f64,
    /// `C_sparsity`, in [0, 1]: how few of the task's telling words the profile has, unless the expert itself says that
    /// it covers the task.
    pub sparsity: f64,
}

impl Score {
    /// The score and its parts in a line.
    pub fn explain(&self) -> String {
        format!(
            "TE {:.2} = exp(−(k1·D + k2·R)), D {:.2}, R {:.2} (data {:.2}, model {:.2}, sparsity {:.2})",
            self.te, self.distance, self.resistance, self.data, self.model, self.sparsity
        )
    }
}

#[derive(Debug, Clone)]
struct Entry {
    id: String,
    anchors: Vec<Vec<f32>>,
    load: f64,
}

/// Scores experts for tasks.
#[derive(Debug, Clone)]
pub struct Scorer {
    weights: Weights,
    entries: Vec<Entry>,
    lexicon: Lexicon,
}

impl Scorer {
    /// A scorer without experts.
    pub fn new(weights: Weights) -> Self {
        Self { weights, entries: Vec::new(), lexicon: Lexicon::default() }
    }

    /// Adds an expert with the vectors of its [`anchor_texts`].
    pub fn add(&mut self, profile: &ExpertProfile, anchors: Vec<Vec<f32>>) {
        let mut text = anchor_texts(profile).join("\n");
        // Serialised, the names and descriptions of its arguments keep their words.
        text.extend(profile.parameters.iter().map(|p| format!("\n{p}")));
        self.lexicon.add(terms(&text));
        // A model of 1·10⁹ parameters bears half of a task's complexity, larger ones less; code bears what it is for.
        let load = profile.params_b.map_or(0.0, |b| 1.0 / (1.0 + b.max(0.0)));
        self.entries.push(Entry { id: profile.id.clone(), anchors, load });
    }

    /// Scores every expert, best first; ties in the order of their ids. `vectors` are those of [`Task::texts`].
    pub fn score(&self, task: &Task, vectors: &[Vec<f32>]) -> Vec<Score> {
        let whole = self.lexicon.overlaps(&task.terms);
        let head = self.lexicon.overlaps(&task.head_terms);
        let mut scores: Vec<Score> = self
            .entries
            .iter()
            .zip(whole.iter().zip(&head))
            .map(|(entry, (whole, head))| {
                let own_word = task.coverage.get(&entry.id).copied().unwrap_or(0.0);
                self.score_one(entry, task, vectors, 1.0 - own_word.max(0.6 * whole + 0.4 * head))
            })
            .collect();
        scores.sort_by(|a, b| b.te.total_cmp(&a.te).then_with(|| a.expert.cmp(&b.expert)));
        scores
    }

    fn score_one(&self, entry: &Entry, task: &Task, vectors: &[Vec<f32>], sparsity: f64) -> Score {
        let similarity =
            vectors.iter().map(|v| similarity(v, &entry.anchors)).sum::<f64>() / vectors.len().max(1) as f64;
        let distance = embedding_distance(similarity);
        let (data, model) = (task.complexity, task.complexity * entry.load);
        let w = &self.weights;
        let resistance = w.data * data + w.model * model + w.sparsity * sparsity;
        let te = transmission_efficiency(w, distance, resistance);
        Score { expert: entry.id.clone(), te, distance, resistance, data, model, sparsity }
    }
}

/// Similarity of a vector to a profile: the mean of description and name, and half of the nearest example where there
/// are examples.
fn similarity(vector: &[f32], anchors: &[Vec<f32>]) -> f64 {
    let mut cosines = anchors.iter().map(|a| cosine(vector, a));
    let description = cosines.next().unwrap_or(0.0);
    let name = cosines.next().unwrap_or(description);
    let profile = (description + name) / 2.0;
    match cosines.reduce(f64::max) {
        Some(example) => (profile + example) / 2.0,
        None => profile,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn te_is_a_probability_and_falls_with_distance_and_resistance(
            d in 0.0..=1.0f64, r in 0.0..=1.0f64, more in 0.001..0.5f64,
        ) {
            let w = Weights::default();
            let te = transmission_efficiency(&w, d, r);
            prop_assert!(te > 0.0 && te <= 1.0);
            prop_assert!(transmission_efficiency(&w, d + more, r) < te);
            prop_assert!(transmission_efficiency(&w, d, r + more) < te);
        }

        #[test]
        fn order_of_experts_does_not_matter(text in "\\PC{0,80}", seed in prop::collection::vec(-1.0f32..1.0, 12)) {
            let profiles = ["alpha", "beta", "gamma"].map(|id| ExpertProfile::new(id, format!("does {id} things")));
            let task = Task::new(&text);
            let vectors = vec![seed[..4].to_vec(), seed[4..8].to_vec()];
            let build = |order: [usize; 3]| {
                let mut scorer = Scorer::new(Weights::default());
                for i in order {
                    scorer.add(&profiles[i], vec![seed[i..i + 4].to_vec(), seed[i + 1..i + 5].to_vec()]);
                }
                scorer.score(&task, &vectors)
            };
            prop_assert_eq!(build([0, 1, 2]), build([2, 0, 1]));
        }
    }

    #[test]
    fn no_experts_and_broken_vectors_are_harmless() {
        let mut scorer = Scorer::new(Weights::default());
        assert!(scorer.score(&Task::new(""), &[]).is_empty());
        scorer.add(&ExpertProfile::new("only", ""), vec![vec![f32::NAN; 3]]);
        let scores = scorer.score(&Task::new("x"), &[vec![0.0; 3]]);
        assert!(scores[0].te > 0.0 && scores[0].te <= 1.0);
    }

    #[test]
    fn words_of_the_arguments_count() {
        let mut scorer = Scorer::new(Weights::default());
        let mut post = ExpertProfile::new("post", "Publishes a text");
        post.parameters = Some(serde_json::json!({"network": {"description": "e.g. Mastodon"}}));
        scorer.add(&ExpertProfile::new("file", "Publishes a text"), vec![]);
        scorer.add(&post, vec![]);
        assert_eq!(scorer.score(&Task::new("put this on Mastodon"), &[])[0].expert, "post");
    }
}
