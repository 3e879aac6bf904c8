use std::collections::HashMap;

/// Precision, recall and their harmonic mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Overlap {
    /// Of what was written, the share that stands in the reference.
    pub precision: f64,
    /// Of the reference, the share that was written.
    pub recall: f64,
    /// Their harmonic mean.
    pub f1: f64,
}

impl Overlap {
    fn new(shared: usize, written: usize, reference: usize) -> Self {
        let share = |of: usize| if of == 0 { 0.0 } else { shared as f64 / of as f64 };
        let (precision, recall) = (share(written), share(reference));
        let sum = precision + recall;
        Self { precision, recall, f1: if sum > 0.0 { 2.0 * precision * recall / sum } else { 0.0 } }
    }
}

/// Words in lower case: letters and digits of ASCII, as the `rouge-score` package has them.
fn words(text: &str) -> Vec<String> {
    let text = text.to_lowercase();
    text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty()).map(str::to_owned).collect()
}

fn grams<T: std::hash::Hash + Eq + Clone>(words: &[T], n: usize) -> HashMap<&[T], usize> {
    let mut counts = HashMap::new();
    words.windows(n.max(1)).for_each(|gram| *counts.entry(gram).or_default() += 1);
    counts
}

/// ROUGE-N: runs of `n` words that both have (Lin, 2004).
pub fn rouge_n(written: &str, reference: &str, n: usize) -> Overlap {
    let (written, reference) = (words(written), words(reference));
    let (a, b) = (grams(&written, n), grams(&reference, n));
    let shared = a.iter().map(|(gram, count)| (*count).min(b.get(gram).copied().unwrap_or(0))).sum();
    Overlap::new(shared, a.values().sum(), b.values().sum())
}

/// ROUGE-L: the longest common subsequence of words.
pub fn rouge_l(written: &str, reference: &str) -> Overlap {
    let (written, reference) = (words(written), words(reference));
    let mut before = vec![0usize; reference.len() + 1];
    for word in &written {
        let mut row = vec![0usize];
        let mut left = 0;
        for (other, pair) in reference.iter().zip(before.windows(2)) {
            let [diagonal, above] = pair else { continue };
            left = if word == other { diagonal + 1 } else { left.max(*above) };
            row.push(left);
        }
        before = row;
    }
    Overlap::new(before.last().copied().unwrap_or(0), written.len(), reference.len())
}

/// Writes something between two neighbours that match; each is part of one match at most.
fn between(text: &[char], matches: impl Fn(char, char) -> bool, write: impl Fn(char, char) -> Vec<char>) -> Vec<char> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    loop {
        match rest {
            [a, b, after @ ..] if matches(*a, *b) => {
                out.extend(write(*a, *b));
                rest = after;
            }
            [a, after @ ..] => {
                out.push(*a);
                rest = after;
            }
            [] => return out,
        }
    }
}

/// The tokens of sacrebleu's tokenizer `13a`.
fn tokens_13a(text: &str) -> Vec<String> {
    let text = text.replace("<skipped>", "").replace("-\n", "").replace('\n', " ");
    let text = text.replace("&quot;", "\"").replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">");
    let mut spaced = vec![' '];
    for c in text.chars() {
        if matches!(c, '{'..='~' | '['..='`' | ' '..='&' | '('..='+' | ':'..='@' | '/') {
            spaced.extend([' ', c, ' ']);
        } else {
            spaced.push(c);
        }
    }
    spaced.push(' ');
    let mark = |c: char| matches!(c, '.' | ',');
    let spaced = between(&spaced, |a, b| !a.is_ascii_digit() && mark(b), |a, b| vec![a, ' ', b, ' ']);
    let spaced = between(&spaced, |a, b| mark(a) && !b.is_ascii_digit(), |a, b| vec![' ', a, ' ', b]);
    let spaced = between(&spaced, |a, b| a.is_ascii_digit() && b == '-', |a, b| vec![a, ' ', b, ' ']);
    spaced.into_iter().collect::<String>().split_whitespace().map(str::to_owned).collect()
}

/// BLEU of texts with one reference each, in [0, 100]: up to four words, brevity penalty, exponential smoothing (sacrebleu's default).
pub fn bleu(written: &[&str], references: &[&str]) -> f64 {
    const ORDER: usize = 4;
    let (mut right, mut all) = ([0usize; ORDER], [0usize; ORDER]);
    let (mut length, mut wanted) = (0, 0);
    for (written, reference) in written.iter().zip(references) {
        let (written, reference) = (tokens_13a(written), tokens_13a(reference));
        length += written.len();
        wanted += reference.len();
        for ((n, right), all) in (1..).zip(&mut right).zip(&mut all) {
            let (a, b) = (grams(&written, n), grams(&reference, n));
            *right += a.iter().map(|(gram, count)| (*count).min(b.get(gram).copied().unwrap_or(0))).sum::<usize>();
            *all += a.values().sum::<usize>();
        }
    }
    if right.iter().all(|count| *count == 0) || all.contains(&0) {
        return 0.0;
    }
    let mut smooth = 1.0;
    let mut logs = 0.0;
    for (right, all) in right.iter().zip(&all) {
        let precision = if *right == 0 {
            smooth *= 2.0;
            1.0 / (smooth * *all as f64)
        } else {
            *right as f64 / *all as f64
        };
        logs += precision.ln() / ORDER as f64;
    }
    let brevity = if length < wanted { (1.0 - wanted as f64 / length.max(1) as f64).exp() } else { 1.0 };
    100.0 * brevity * logs.exp()
}
