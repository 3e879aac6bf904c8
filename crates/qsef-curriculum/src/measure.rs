//! How hard a text is for a student, and which tiers are worth their cost (paper, sections 4.3.2 and 6.2).

use qsef_core::ExpertProfile;
use qsef_score::{Scorer, Task, Weights, complexity::Complexity, transmission_efficiency};

use crate::settings::Student;

/// The weights of `C_data`, `C_model` and `C_sparsity` in `R`, as the score has them where nothing is fitted.
const WEIGHTS: [f64; 3] = [0.24, 0.72, 1.44];

/// Measures texts for one student.
pub(crate) struct Ruler {
    student: Student,
    /// Knows the student's examples; `None` where it has none.
    known: Option<Scorer>,
}

/// What a text is for the student.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Measured {
    /// `R`, in [0, 1].
    pub resistance: f64,
    /// `exp(−(k1·D + k2·R))`, in (0, 1].
    pub te: f64,
}

impl Ruler {
    pub fn new(student: &Student) -> Self {
        let known = (!student.examples.is_empty()).then(|| {
            let mut profile = ExpertProfile::new(student.name.clone(), String::new());
            profile.examples.clone_from(&student.examples);
            let mut scorer = Scorer::new(Weights::default());
            scorer.add(&profile, Vec::new());
            scorer
        });
        Self { student: student.clone(), known }
    }

    /// Resistance and efficiency of a text of this complexity and this distance from its source.
    pub fn measure(&self, text: &str, complexity: &Complexity, distance: f64) -> Measured {
        let data = complexity.overall();
        // A model of 10⁹ parameters bears half of a text's complexity, larger ones more (qsef-score, term `size`).
        let model = data / (1.0 + self.student.params_b);
        let sparsity = self.known.as_ref().and_then(|scorer| {
            let task = Task::new(text);
            Some(scorer.score(&task, &[]).first()?.sparsity)
        });
        let [of_data, of_model, of_sparsity] = WEIGHTS;
        let (mut sum, mut weight) = (of_data * data + of_model * model, of_data + of_model);
        if let Some(sparsity) = sparsity {
            sum += of_sparsity * sparsity;
            weight += of_sparsity;
        }
        let resistance = (sum / weight).clamp(0.0, 1.0);
        let te = transmission_efficiency(self.student.k1, distance, self.student.k2, resistance);
        Measured { resistance, te }
    }
}

/// A tier as a choice: what is kept, how well it passes, what it costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Offer {
    /// Larger is better.
    pub richness: f64,
    /// Larger is better.
    pub te: f64,
    /// Smaller is better.
    pub tokens: u64,
}

impl Offer {
    fn dominates(&self, other: &Self) -> bool {
        let as_good = self.richness >= other.richness && self.te >= other.te && self.tokens <= other.tokens;
        as_good && (self.richness > other.richness || self.te > other.te || self.tokens < other.tokens)
    }
}

/// Which offers no other dominates: the Pareto frontier.
pub(crate) fn frontier(offers: &[Offer]) -> Vec<bool> {
    offers.iter().map(|offer| !offers.iter().any(|other| other.dominates(offer))).collect()
}

/// The place of the offer on the frontier that a student with this goal is to get: of those that reach it the richest, else the one
/// that comes nearest. It is what the score's guidance says of a text (`qsef_score::simplification`): no simpler than it has to be.
pub(crate) fn suiting(offers: &[Offer], goal_te: f64) -> Option<usize> {
    let on = frontier(offers);
    let at_hand = || (0..).zip(offers).zip(&on).filter(|(_, on)| **on).map(|(offer, _)| offer);
    let reaching = at_hand().filter(|(_, offer)| offer.te >= goal_te);
    reaching
        .max_by(|(_, a), (_, b)| a.richness.total_cmp(&b.richness))
        .or_else(|| at_hand().max_by(|(_, a), (_, b)| a.te.total_cmp(&b.te)))
        .map(|(place, _)| place)
}

#[cfg(test)]
mod tests {
    use qsef_score::complexity::complexity;

    use super::*;

    #[test]
    fn simpler_texts_resist_less_and_known_words_count() {
        let hard = "Although the reservoir had been considerably depleted, authorities anticipated no restrictions.";
        let easy = "The lake lost water. There were no limits.";
        let ruler = Ruler::new(&Student::default());
        let of = |ruler: &Ruler, text: &str, distance| ruler.measure(text, &complexity(text), distance);
        assert!(of(&ruler, hard, 0.0).resistance > of(&ruler, easy, 0.0).resistance);
        assert!(of(&ruler, easy, 0.0).te > of(&ruler, easy, 0.2).te);
        let large = Ruler::new(&Student { params_b: 70.0, ..Student::default() });
        assert!(of(&large, hard, 0.0).te > of(&ruler, hard, 0.0).te);
        let knowing = |text: &str| Ruler::new(&Student { examples: vec![text.into()], ..Student::default() });
        let (lakes, ships) = (knowing("The lake lost its water, and limits were set."), knowing("Ships sail."));
        assert!(of(&lakes, easy, 0.0).resistance < of(&ships, easy, 0.0).resistance);
    }

    #[test]
    fn the_frontier_has_what_nothing_dominates() {
        let offer = |richness, te, tokens| Offer { richness, te, tokens };
        let offers = [offer(1.0, 0.3, 100), offer(0.95, 0.35, 110), offer(0.9, 0.5, 120), offer(0.89, 0.5, 130)];
        assert_eq!(frontier(&offers), [true, true, true, false]);
        assert_eq!(suiting(&offers, 0.34), Some(1));
        assert_eq!(suiting(&offers, 0.2), Some(0));
        assert_eq!(suiting(&offers, 0.9), Some(2));
        assert_eq!(suiting(&[], 0.5), None);
    }
}
