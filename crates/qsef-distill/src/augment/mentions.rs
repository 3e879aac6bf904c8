//! Parts of texts replaced by others with the same label: a student that has seen "in Rome" learns that cities are said like that (Dai and
//! Adel, 2020).

use std::collections::{BTreeSet, HashSet};

use qsef_candle::tags::Span;
use rand::RngExt;

use crate::{data::Rows, random::rng};

/// How often a part is replaced.
const REPLACED: f64 = 0.7;

/// What stands for each label in some rows.
pub struct Mentions(Vec<Vec<String>>);

impl Mentions {
    /// Of rows with so many labels.
    pub fn new(rows: &Rows, labels: usize) -> Self {
        let mut all = vec![BTreeSet::new(); labels];
        for (text, spans) in rows.texts.iter().zip(&rows.spans) {
            for span in spans {
                if let (Some(all), Some(part)) = (all.get_mut(span.label), text.get(span.bytes.clone())) {
                    all.insert(part.to_owned());
                }
            }
        }
        Self(all.into_iter().map(|parts| parts.into_iter().collect()).collect())
    }

    /// At most `count` variants of a text that differ from it and from each other, with their parts; `seed` decides which.
    pub fn variants(&self, text: &str, spans: &[Span], count: usize, seed: u64) -> Vec<(String, Vec<Span>)> {
        let mut rng = rng(seed, "mentions", 0);
        let mut seen = HashSet::from([text.to_owned()]);
        let mut variants = Vec::new();
        for _ in 0..2 * count {
            let (mut variant, mut parts, mut after) = (String::new(), Vec::with_capacity(spans.len()), 0);
            for span in spans {
                variant += text.get(after..span.bytes.start).unwrap_or_default();
                let others = self.0.get(span.label).map(Vec::as_slice).unwrap_or_default();
                let (chance, which): (f64, usize) = (rng.random(), rng.random_range(0..others.len().max(1)));
                let other = others.get(which).filter(|_| chance < REPLACED);
                let start = variant.len();
                variant += other.map_or(text.get(span.bytes.clone()).unwrap_or_default(), String::as_str);
                parts.push(Span { bytes: start..variant.len(), label: span.label });
                after = span.bytes.end;
            }
            variant += text.get(after..).unwrap_or_default();
            if variants.len() < count && seen.insert(variant.clone()) {
                variants.push((variant, parts));
            }
        }
        variants
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_change_and_keep_their_labels() {
        let span = |bytes, label| Span { bytes, label };
        let rows = Rows {
            texts: ["from Rome to Bern", "to Old York", "stay"].map(str::to_owned).into(),
            spans: vec![vec![span(5..9, 0), span(13..17, 1)], vec![span(3..11, 1)], vec![]],
            ..Rows::default()
        };
        let mentions = Mentions::new(&rows, 2);
        let variants = mentions.variants(&rows.texts[0], &rows.spans[0], 5, 1);
        assert_eq!(variants.len(), 1, "{variants:?}");
        let (text, parts) = &variants[0];
        assert_eq!(text, "from Rome to Old York");
        assert_eq!((&text[parts[0].bytes.clone()], &text[parts[1].bytes.clone()]), ("Rome", "Old York"));
        assert_eq!((parts[0].label, parts[1].label), (0, 1));
        assert!(mentions.variants("stay", &[], 5, 1).is_empty());
    }
}
