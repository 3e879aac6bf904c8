//! A text read once: its words, its sentences and its marks. The measures count over this.

use std::collections::HashMap;

use super::{
    chinese,
    markers::{FUNCTION, Markers, NUMBER, markers},
    scanner::Scanner,
};
use crate::text::is_cjk;

/// A word as it occurs.
#[derive(Clone, Copy)]
pub(super) struct Word {
    /// Index of its type: words that differ only in case share one.
    pub kind: usize,
    /// Index of its sentence.
    pub sentence: usize,
}

/// A different word.
pub(super) struct Kind {
    /// Length in characters.
    pub characters: usize,
    pub chinese: bool,
    pub markers: Markers,
    /// Of a number in digits, without what follows it; else 0.
    pub value: f64,
}

/// What stands between the words of a sentence.
#[derive(Default)]
pub(super) struct Sentence {
    /// Commas, semicolons, colons, dashes and opening brackets.
    pub phrases: usize,
    /// Opening brackets.
    pub brackets: usize,
}

/// Counts of characters; white space is not one.
#[derive(Default)]
pub(super) struct Marks {
    pub characters: usize,
    pub digits: usize,
    pub symbols: usize,
    pub upper_case: usize,
    /// Words with a capital letter that do not begin a sentence.
    pub names: usize,
    pub non_ascii: usize,
    pub commas: usize,
    pub line_breaks: usize,
    /// Numbers in Chinese numerals, which a segmenter tears apart.
    pub chinese_numbers: usize,
    pub percents: usize,
}

#[derive(Default)]
pub(super) struct Reading {
    pub words: Vec<Word>,
    pub kinds: Vec<Kind>,
    pub sentences: Vec<Sentence>,
    pub marks: Marks,
}

impl Reading {
    pub(super) fn new(text: &str) -> Self {
        let scanner = Scanner::scan(text);
        let mut reading = Self { sentences: scanner.sentences, marks: scanner.marks, ..Self::default() };
        let mut known: HashMap<&str, usize> = HashMap::with_capacity(scanner.words.len());
        let mut start = 0;
        for found in &scanner.words {
            let word = scanner.lower.get(start..found.end).unwrap_or_default();
            start = found.end;
            let kind = *known.entry(word).or_insert_with(|| {
                reading.kinds.push(Kind::new(word));
                reading.kinds.len() - 1
            });
            reading.words.push(Word { kind, sentence: found.sentence });
        }
        reading
    }

    /// The words' types in order.
    pub(super) fn kinds(&self) -> impl Iterator<Item = &Kind> {
        self.words.iter().filter_map(|w| self.kinds.get(w.kind))
    }

    /// How many words have one of the markers.
    pub(super) fn count(&self, marker: Markers) -> usize {
        self.kinds().filter(|k| k.markers & marker != 0).count()
    }
}

impl Kind {
    fn new(word: &str) -> Self {
        let first = word.chars().next().unwrap_or(' ');
        let characters = word.chars().count();
        let form = match first {
            c if c.is_numeric() => NUMBER,
            // A numeral with its measure word. The run that it stands in has counted it.
            c if chinese::is_numeral(c) && characters <= 2 => FUNCTION,
            _ => 0,
        };
        let value = if first.is_ascii_digit() { value(word) } else { 0.0 };
        Self { characters, chinese: is_cjk(first), markers: markers(word) | form, value }
    }
}

/// The number that a word begins with: "1,000.5km" is 1000.5.
fn value(word: &str) -> f64 {
    let (mut value, mut unit) = (0f64, 1f64);
    let mut fraction = false;
    for c in word.chars() {
        match c.to_digit(10) {
            Some(digit) if fraction => {
                unit /= 10.0;
                value += f64::from(digit) * unit;
            }
            Some(digit) => value = value * 10.0 + f64::from(digit),
            None if c == ',' => {}
            None if c == '.' && !fraction => fraction = true,
            None => break,
        }
    }
    // A number that fills pages is large enough.
    value.min(1e300)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(text: &str) -> (usize, usize) {
        let reading = Reading::new(text);
        (reading.words.len(), reading.sentences.len())
    }

    #[test]
    fn sentences_end_at_stops_and_at_lines_that_start_anew() {
        assert_eq!(sizes("He left. She stayed! Why? 他走了。她留下。").1, 5);
        assert_eq!(sizes("Mail the U.S. office, e.g. at example.org, v. 3.5 of it").1, 1);
        assert_eq!(sizes("\"Stop!\" he said").1, 1);
        assert_eq!(sizes("one line that\nwraps\r\n\r\nand another\n- Item\n- Item").1, 4);
    }

    #[test]
    fn words_hold_together() {
        assert_eq!(sizes("don't touch snake_case 1,000.5 cafe\u{301}").0, 5);
        assert_eq!(sizes("a-b c/d 'quoted'").0, 5);
        assert_eq!(sizes("用Rust寫程式").0, 3);
        assert_eq!(Reading::new("The THE the").kinds.len(), 1);
    }
}
