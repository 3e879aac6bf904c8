//! Parts of a text as tags of its words: outside of any, at the beginning of one, inside of one (BIO; Ramshaw and Marcus, 1995).

use std::ops::Range;

use tokenizers::Encoding;

/// A part of a text that has a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Where it lies, in bytes.
    pub bytes: Range<usize>,
    /// The number of its label.
    pub label: usize,
}

/// A word as the tokenizer cuts texts before it cuts words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The numbers of its tokens, the first of which stands for it.
    pub tokens: Range<u32>,
    /// Where it lies, in bytes.
    pub bytes: Range<usize>,
}

/// The words of a text.
pub fn words(encoding: &Encoding) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut last = None;
    for ((token, word), (start, end)) in (0..).zip(encoding.get_word_ids()).zip(encoding.get_offsets()) {
        match words.last_mut() {
            Some(open) if word.is_some() && *word == last => {
                open.tokens.end = token + 1;
                open.bytes.end = *end;
            }
            _ if word.is_some() => words.push(Word { tokens: token..token + 1, bytes: *start..*end }),
            _ => {}
        }
        last = *word;
    }
    words
}

/// The tags of some labels. Tag 0 is outside; label `i` begins with `1 + 2·i` and goes on with `2 + 2·i`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tags {
    labels: usize,
}

impl Tags {
    /// Of so many labels.
    pub fn new(labels: usize) -> Self {
        Self { labels }
    }

    /// Tags that there are.
    pub fn count(&self) -> usize {
        1 + 2 * self.labels
    }

    /// The tags' names: `O`, `B-label`, `I-label`.
    pub fn names(labels: &[String]) -> Vec<String> {
        let both = labels.iter().flat_map(|label| [format!("B-{label}"), format!("I-{label}")]);
        std::iter::once("O".to_owned()).chain(both).collect()
    }

    /// The labels whose tags have these names; none for names that are in another order.
    pub fn labels(names: &[String]) -> Option<Vec<String>> {
        let labels: Option<Vec<String>> =
            names.get(1..)?.iter().step_by(2).map(|name| Some(name.strip_prefix("B-")?.to_owned())).collect();
        labels.filter(|labels| Self::names(labels) == names)
    }

    /// The tag of each word; a word of which a part lies in a span belongs to it.
    pub fn tag(&self, words: &[Word], spans: &[Span]) -> Vec<usize> {
        let mut begun = None;
        let tag = |word: &Word| {
            let within = |span: &&Span| span.bytes.start < word.bytes.end && word.bytes.start < span.bytes.end;
            let Some(span) = spans.iter().find(within) else { return 0 };
            let goes_on = begun == Some(span.bytes.start);
            begun = Some(span.bytes.start);
            1 + 2 * span.label + usize::from(goes_on)
        };
        words.iter().map(tag).collect()
    }

    /// The likeliest tags of a text's words of all that make sense, which are those where nothing goes on that has not begun (Viterbi).
    /// `logits`: (words, tags).
    pub fn decode(&self, logits: &[f32]) -> Vec<usize> {
        let best = |of: &[f32]| {
            of.iter().enumerate().fold((0, f32::NEG_INFINITY), |best, (i, x)| if *x > best.1 { (i, *x) } else { best })
        };
        // By word: for each tag the tag before it.
        let mut before: Vec<Vec<usize>> = Vec::new();
        let mut scores: Vec<f32> = Vec::new();
        for row in logits.chunks_exact(self.count()) {
            let any = best(&scores);
            let at = |tag: usize| scores.get(tag).copied().unwrap_or(f32::NEG_INFINITY);
            let from = |tag: usize| match tag {
                // It has begun, or goes on already.
                _ if tag > 0 && tag.is_multiple_of(2) => {
                    if at(tag - 1) >= at(tag) {
                        (tag - 1, at(tag - 1))
                    } else {
                        (tag, at(tag))
                    }
                }
                _ if scores.is_empty() => (0, 0.0),
                _ => any,
            };
            let chosen: Vec<(usize, f32)> = (0..row.len()).map(from).collect();
            scores = row.iter().zip(&chosen).map(|(x, (_, before))| x + before).collect();
            before.push(chosen.into_iter().map(|(tag, _)| tag).collect());
        }
        let mut tag = best(&scores).0;
        let mut tags: Vec<usize> = Vec::with_capacity(before.len());
        for from in before.iter().rev() {
            tags.push(tag);
            tag = from.get(tag).copied().unwrap_or(0);
        }
        tags.reverse();
        tags
    }

    /// The spans that words' tags make, and the words of each.
    pub fn spans(&self, words: &[Word], tags: &[usize]) -> Vec<(Span, Range<usize>)> {
        let mut spans: Vec<(Span, Range<usize>)> = Vec::new();
        for (place, (word, tag)) in words.iter().zip(tags).enumerate().filter(|(_, (_, tag))| **tag > 0) {
            let (label, goes_on) = ((tag - 1) / 2, tag.is_multiple_of(2));
            match spans.last_mut() {
                Some((open, of)) if goes_on && open.label == label && of.end == place => {
                    open.bytes.end = word.bytes.end;
                    of.end = place + 1;
                }
                _ => spans.push((Span { bytes: word.bytes.clone(), label }, place..place + 1)),
            }
        }
        spans
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(lengths: &[usize]) -> Vec<Word> {
        let mut start = 0;
        let word = |(token, length): (usize, &usize)| {
            let bytes = start..start + length;
            start += length + 1;
            Word { tokens: token as u32..token as u32 + 1, bytes }
        };
        lengths.iter().enumerate().map(word).collect()
    }

    #[test]
    fn spans_become_tags_and_tags_spans() {
        let (tags, words) = (Tags::new(2), words(&[3, 3, 3, 3, 3]));
        // Two of one label beside each other; the second begins within a word.
        let spans = [Span { bytes: 0..7, label: 1 }, Span { bytes: 9..15, label: 1 }];
        let found = tags.tag(&words, &spans);
        assert_eq!(found, [3, 4, 3, 4, 0]);
        let back = tags.spans(&words, &found);
        assert_eq!(back[0], (spans[0].clone(), 0..2));
        assert_eq!(back[1], (Span { bytes: 8..15, label: 1 }, 2..4), "whole words");
        // What goes on without a beginning begins.
        assert_eq!(tags.spans(&words, &[2, 0, 1, 4, 0]).len(), 3);
    }

    #[test]
    fn names_and_back() {
        let labels = ["city", "date"].map(str::to_owned);
        let names = Tags::names(&labels);
        assert_eq!(names, ["O", "B-city", "I-city", "B-date", "I-date"]);
        assert_eq!(Tags::labels(&names).unwrap(), labels);
        assert_eq!(Tags::labels(&["yes", "no"].map(str::to_owned)), None);
        assert_eq!(Tags::labels(&[]), None);
    }

    #[test]
    fn decoding_is_the_best_of_all_that_make_sense() {
        let tags = Tags::new(2);
        let mut number = 11u64;
        let mut next = || {
            number = number * 48_271 % 2_147_483_647;
            number as f32 / 2_147_483_647.0 * 4.0
        };
        for _ in 0..200 {
            let logits: Vec<f32> = (0..4 * 5).map(|_| next()).collect();
            let score = |path: &[usize]| path.iter().enumerate().map(|(i, tag)| logits[5 * i + tag]).sum::<f32>();
            let sound = |path: &[usize]| {
                (0..4).all(|i| {
                    path[i] == 0
                        || path[i] % 2 == 1
                        || (i > 0 && (path[i] - 1) / 2 == (path[i - 1].wrapping_sub(1)) / 2)
                })
            };
            let all = (0..625usize).map(|n| [n / 125, n / 25 % 5, n / 5 % 5, n % 5]).filter(|path| sound(path));
            let best = all.max_by(|a, b| score(a).total_cmp(&score(b))).unwrap();
            assert_eq!(tags.decode(&logits), best);
        }
        assert_eq!(tags.decode(&[]), Vec::<usize>::new());
    }
}
