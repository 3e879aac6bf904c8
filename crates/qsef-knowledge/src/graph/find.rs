//! Concepts by name, and in texts.

use qsef_score::text::is_cjk;
use unicode_segmentation::UnicodeSegmentation;

use super::{Concept, ConceptInfo, Graph};
use crate::extract::normalise;

/// The longest Chinese name, in characters.
const LONGEST_CHINESE: usize = 12;

impl Graph {
    /// The concept of this name; case, articles and the plural do not count.
    pub fn find(&self, name: &str) -> Option<&ConceptInfo> {
        self.graph.node_weight(*self.names.get(&normalise(name))?)
    }

    /// Concepts whose names are like this one, for a question back: those that share a word with it.
    pub fn similar(&self, name: &str, limit: usize) -> Vec<&ConceptInfo> {
        let key = normalise(name);
        let words: Vec<&str> = key.split(' ').filter(|w| w.len() > 2).collect();
        let shared = |other: &str| {
            let count = words.iter().filter(|w| other.contains(*w)).count();
            (count > 0).then(|| (count, other.len().abs_diff(key.len())))
        };
        let mut similar: Vec<_> = self.names.iter().filter_map(|(other, node)| Some((shared(other)?, node))).collect();
        similar.sort_by(|((a, x), m), ((b, y), n)| b.cmp(a).then(x.cmp(y)).then(m.cmp(n)));
        similar.dedup_by_key(|(_, node)| **node);
        similar.into_iter().filter_map(|(_, node)| self.graph.node_weight(*node)).take(limit).collect()
    }

    /// The concepts that a text names, in order; of names within names only the longest.
    pub fn named_in(&self, text: &str) -> Vec<Concept> {
        let mut found: Vec<Concept> = Vec::new();
        if self.names.is_empty() {
            return found;
        }
        let mut put = |id: Concept| {
            if !found.contains(&id) {
                found.push(id);
            }
        };
        for run in text.split(['.', ',', ';', ':', '!', '?', '\n', '(', ')', '。', '，', '；', '、', '！', '？'])
        {
            let words: Vec<&str> = run.unicode_words().collect();
            let mut at = 0;
            while let Some(word) = words.get(at) {
                if word.chars().next().is_some_and(is_cjk) {
                    let characters: Vec<&str> =
                        words.iter().skip(at).take_while(|w| w.chars().all(is_cjk)).copied().collect();
                    self.chinese(&characters, &mut put);
                    at += characters.len().max(1);
                    continue;
                }
                let most = self.longest.min(words.len() - at);
                let name = (1..=most).rev().find_map(|count| {
                    let name = words.get(at..at + count)?.join(" ");
                    Some((count, *self.names.get(&normalise(&name))?))
                });
                match name {
                    Some((count, node)) => {
                        put(self.id(node));
                        at += count;
                    }
                    None => at += 1,
                }
            }
        }
        found
    }

    fn chinese(&self, characters: &[&str], put: &mut impl FnMut(Concept)) {
        let mut at = 0;
        while at < characters.len() {
            let most = LONGEST_CHINESE.min(characters.len() - at);
            let name = (2..=most)
                .rev()
                .find_map(|count| Some((count, *self.names.get(&characters.get(at..at + count)?.concat())?)));
            match name {
                Some((count, node)) => {
                    put(self.id(node));
                    at += count;
                }
                None => at += 1,
            }
        }
    }
}
