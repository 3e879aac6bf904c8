//! The baseline `task-bayes`: guess the task from the request's words, take the expert that did best at it.

use std::collections::{BTreeMap, HashMap, HashSet};

use qsef_score::text::words;

use super::{
    RouteSet,
    policies::{Choices, Policy},
};

/// A multinomial naive Bayes classifier over words, with add-one smoothing.
struct NaiveBayes<'a> {
    vocabulary: usize,
    classes: BTreeMap<&'a str, Class>,
}

#[derive(Default)]
struct Class {
    rows: usize,
    words: usize,
    counts: HashMap<String, usize>,
}

impl<'a> NaiveBayes<'a> {
    fn learn(rows: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut classes: BTreeMap<&str, Class> = BTreeMap::new();
        let mut vocabulary = HashSet::new();
        for (text, label) in rows {
            let class = classes.entry(label).or_default();
            class.rows += 1;
            for word in words(text) {
                let word = word.to_lowercase();
                class.words += 1;
                *class.counts.entry(word.clone()).or_default() += 1;
                vocabulary.insert(word);
            }
        }
        Self { vocabulary: vocabulary.len(), classes }
    }

    fn classify(&self, text: &str) -> Option<&'a str> {
        let words: Vec<String> = words(text).into_iter().map(str::to_lowercase).collect();
        let score = |class: &Class| {
            let total = (class.words + self.vocabulary) as f64;
            let word = |w: &String| ((class.counts.get(w).copied().unwrap_or(0) + 1) as f64 / total).ln();
            (class.rows as f64).ln() + words.iter().map(word).sum::<f64>()
        };
        let scored = self.classes.iter().map(|(label, class)| (*label, score(class)));
        scored.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(label, _)| label)
    }
}

/// The policy; none where the training rows name no tasks.
pub(super) fn policy(set: &RouteSet, choices: &Choices<'_>) -> Option<Policy> {
    let by_task = choices.by_task()?;
    let rows = set.train.iter().filter_map(|row| Some((row.query.as_str(), row.task.as_deref()?)));
    let bayes = NaiveBayes::learn(rows);
    let values = |query: &str| bayes.classify(query).and_then(|task| by_task.get(task)).cloned().unwrap_or_default();
    Some(Policy::new("task-bayes", set.test.iter().map(|row| values(&row.query)).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_tell_the_task() {
        let rows = [("add two numbers", "maths"), ("sum of numbers", "maths"), ("write a poem", "art")];
        let bayes = NaiveBayes::learn(rows.into_iter());
        assert_eq!(bayes.classify("numbers to add"), Some("maths"));
        assert_eq!(bayes.classify("a poem"), Some("art"));
        assert_eq!(NaiveBayes::learn(std::iter::empty()).classify("x"), None);
    }
}
